"""Typesets and seals. The typesetting is the same for the same document; a seal never is (ECDSA).

The layout (`layout.typ`) gets everything as data, so nothing that a form says is markup, and it
reads no file and no system font. PDF/A makes the compiler refuse a character that the font lacks.
Libraries are imported when the first document is made: most days none is.
"""

import datetime
import io
import json
from importlib import resources
from pathlib import Path
from typing import Any, Final

from bailee.drivers.documents_pades.authority import Seal
from bailee.kernel.errors import InvalidInput, Unavailable
from bailee.kernel.instants import Instant
from bailee.ports.documents import Document

FIELD: Final = "Seal"
"""The name of the signature field."""
_FONTS: Final = "pylopdf_fonts_ko"
_RESERVED_BYTES: Final = 16384
"""For the seal with its certificates."""


class PadesDocuments:
    """See `ports.documents.Documents`."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def signed(self, document: Document) -> bytes:
        """See the port."""
        return _sealed(typeset(document), self._seal, document.at)


def typeset(document: Document) -> bytes:
    """The PDF before it is sealed. Raises InvalidInput where a character cannot be shown."""
    import typst

    data = {
        "language": document.language,
        "title": document.title,
        "subtitle": document.subtitle,
        "footer": document.footer,
        "parts": [part._asdict() for part in document.parts],
    }
    layout = resources.files("bailee.drivers.documents_pades").joinpath("layout.typ").read_bytes()
    with resources.as_file(resources.files(_FONTS)) as fonts:
        compiler: Any = typst.Compiler(  # type: ignore[misc]
            input=layout,
            font_paths=[Path(fonts)],
            ignore_system_fonts=True,
            sys_inputs={"document": json.dumps(data)},
        )
        try:
            made = compiler.compile(
                format="pdf", timestamp=_moment(document.at), pdf_standards=["a-2b"]
            )
        except typst.TypstError:
            # Its words quote the document.
            raise InvalidInput(
                "a document could not be typeset: its form has a character that the font lacks"
            ) from None
    if not isinstance(made, bytes):
        raise AssertionError("a PDF is one file")
    return made


def _sealed(pdf: bytes, seal: Seal, at: Instant) -> bytes:
    from asn1crypto import keys, pem, x509
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import fields, signers
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    class DatedSigner(signers.PdfSigner):
        """Takes the time from the document, not from the machine."""

        def init_signing_session(self, *arguments: Any, **named: Any) -> Any:
            session = super().init_signing_session(*arguments, **named)
            session.system_time = _moment(at)
            return session

    chain = [x509.Certificate.load(der) for _, _, der in pem.unarmor(seal.chain, multiple=True)]
    _, _, key = pem.unarmor(seal.key)
    if chain[0].not_valid_after <= _moment(at):
        raise Unavailable("the certificate that seals documents has expired; renew it")
    registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    registry.register_multiple(chain[1:])
    signer = signers.SimpleSigner(
        signing_cert=chain[0],
        signing_key=keys.PrivateKeyInfo.load(key),
        cert_registry=registry,
    )
    metadata = signers.PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
    )
    output = io.BytesIO()
    DatedSigner(metadata, signer).sign_pdf(
        IncrementalPdfFileWriter(io.BytesIO(pdf)), bytes_reserved=_RESERVED_BYTES, output=output
    )
    return output.getvalue()


def _moment(at: Instant) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at // 1000, datetime.UTC)
