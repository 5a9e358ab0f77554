"""What seals signed documents: made at first start, or supplied; handed to the clerk alone."""

from collections.abc import Mapping
from typing import Final

from bailee.drivers.documents_pades.authority import (
    check_supplied,
    is_fit,
    make_seal,
    root_of,
    seal_of,
)
from bailee.kernel.errors import InvalidInput
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret
from bailee.settings import Settings
from bailee.wiring.places import Places
from bailee.wiring.secrets import DOCUMENT_SEAL, read_secret, write_private

_NOT_READ: Final = (
    "agreements.signing_certificate_file or agreements.signing_private_key_file cannot be read;"
    " name files that this user can read"
)


def ensure_seal(settings: Settings, places: Places, origin: str, now: Instant) -> bool:
    """Have what seals documents. True if it was made just now.

    Raises InvalidInput where supplied files cannot seal.
    """
    if settings.agreements.signing_certificate_file is not None:
        check_supplied(seal_of(read_seal(settings, places, {})), now)
        return False
    file = places.secrets / DOCUMENT_SEAL
    if file.exists() and is_fit(seal_of(file.read_bytes()), now):
        return False
    seal = make_seal(origin, now)
    write_private(file, seal.key + seal.chain)
    return True


def read_seal(settings: Settings, places: Places, handed: Mapping[str, bytes]) -> Secret:
    """What seals documents, as handed over or from its files. Raises InvalidInput, Unavailable."""
    named = settings.agreements
    if DOCUMENT_SEAL in handed or named.signing_certificate_file is None:
        return read_secret(places.secrets, DOCUMENT_SEAL, handed)
    try:
        key = named.signing_private_key_file
        return Secret(
            (b"" if key is None else key.read_bytes()) + named.signing_certificate_file.read_bytes()
        )
    except OSError:
        raise InvalidInput(_NOT_READ, field="agreements.signing_certificate_file") from None


def document_root(seal: Secret) -> str:
    """The certificate that must be believed to check documents (PEM)."""
    return root_of(seal_of(seal).chain).decode()
