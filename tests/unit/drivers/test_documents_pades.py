"""Signed documents: what a validator says of them, and which letters they can show."""

import datetime
import io
import sys

import pytest
from asn1crypto import pem, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from tests.fixtures.agreements import FORMS, NOW, VERSION

from bailee.drivers.documents_pades.authority import (
    LIFETIME_MS,
    Seal,
    check_supplied,
    is_fit,
    make_seal,
    root_of,
    seal_of,
)
from bailee.drivers.documents_pades.documents import FIELD, PadesDocuments, typeset
from bailee.governance.agreements.document import document_of
from bailee.governance.agreements.model import Agreement, Kind, Language, Signature, State
from bailee.governance.agreements.templates import packaged_library, printable
from bailee.kernel.errors import InvalidInput, Unavailable
from bailee.kernel.ids import TenantId
from bailee.kernel.instants import Instant
from bailee.ports.documents import Document, Part

SEAL = make_seal("bailee.local/test", NOW)


def signed_by_both(kind: Kind, language: Language) -> Document:
    template = packaged_library().one(kind, VERSION)
    row = Agreement(
        agreement=bytes(16),
        tenant=TenantId(bytes(16)),
        kind=kind,
        version=VERSION,
        text_digest=template.digest,
        language=language,
        state=State.COUNTERSIGNED,
        form=FORMS[kind],
        created_at=NOW,
        signature=Signature("C. Customer", "CEO", "key_1", NOW),
        countersignature=Signature("A. Signatory", "Director", "operator", NOW),
        operator_name="Acme Cloud Ltd",
        operator_address="1 Road",
    )
    return document_of(row, template, NOW)


def validated(pdf: bytes, root: bytes, at: Instant = NOW) -> PdfSignatureStatus:
    reader = PdfFileReader(io.BytesIO(pdf))
    (signature,) = reader.embedded_signatures
    assert signature.field_name == FIELD
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert signature.self_reported_timestamp == moment(NOW)
    trusted = x509.Certificate.load(pem.unarmor(root)[2])
    context = ValidationContext(trust_roots=[trusted], moment=moment(at), allow_fetching=False)
    return validate_pdf_signature(signature, context)


def moment(at: Instant) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at // 1000, datetime.UTC)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", Kind)
def test_a_document_is_valid_trusted_and_covered_whole(kind: Kind, language: Language) -> None:
    pdf = PadesDocuments(SEAL).signed(signed_by_both(kind, language))
    status = validated(pdf, root_of(SEAL.chain))
    assert status.bottom_line
    assert status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    assert status.docmdp_ok
    assert len(pdf) < 1 << 20


def test_another_root_is_not_trusted_and_a_changed_document_not_intact() -> None:
    pdf = PadesDocuments(SEAL).signed(
        signed_by_both(Kind.DATA_PROCESSING_ADDENDUM, Language.ENGLISH)
    )
    other = make_seal("bailee.local/other", NOW)
    assert not validated(pdf, root_of(other.chain)).trusted
    place = pdf.index(b"/Title")
    changed = pdf[: place + 8] + bytes([pdf[place + 8] ^ 1]) + pdf[place + 9 :]
    assert not validated(changed, root_of(SEAL.chain)).intact


def test_the_same_document_is_typeset_the_same() -> None:
    document = signed_by_both(Kind.BUSINESS_ASSOCIATE_AGREEMENT, Language.KOREAN)
    assert typeset(document) == typeset(document)


def test_the_font_has_every_letter_that_a_form_takes() -> None:
    letters = "".join(
        chr(code)
        for code in range(sys.maxunicode + 1)
        if not 0xD800 <= code < 0xE000 and printable(chr(code))
    )
    assert {"가", "힣", "é", "Ł", "漢"} <= set(letters)
    typeset(Document("ko", "제목", "", [Part("본문", [("값", letters)])], "", NOW))
    with pytest.raises(InvalidInput, match="lacks"):
        typeset(Document("ko", "제목", "", [Part("본문", (), ["\N{GRINNING FACE}"])], "", NOW))


def test_what_a_form_says_is_no_markup() -> None:
    said = '#panic("x") *bold* $x$ @ref <label> \\ [] // comment'
    typeset(Document("en", said, said, [Part(said, [(said, said)], [said])], said, NOW))


def test_seals_are_kept_and_checked() -> None:
    assert seal_of(SEAL.key + SEAL.chain) == SEAL
    check_supplied(SEAL, NOW)
    late = Instant(NOW + LIFETIME_MS)
    assert is_fit(SEAL, NOW)
    assert not is_fit(SEAL, late)
    mixed = Seal(make_seal("bailee.local/other", NOW).key, SEAL.chain)
    assert not is_fit(mixed, NOW)
    for seal, at, why in (
        (mixed, NOW, "do not belong together"),
        (SEAL, late, "expired"),
        (Seal(b"", SEAL.chain), NOW, "cannot be read"),
    ):
        with pytest.raises(InvalidInput, match=why):
            check_supplied(seal, at)
    document = signed_by_both(Kind.DATA_PROCESSING_ADDENDUM, Language.ENGLISH)
    with pytest.raises(Unavailable, match="expired"):
        PadesDocuments(SEAL).signed(document._replace(at=late))
    assert "PRIVATE" not in repr(SEAL)
