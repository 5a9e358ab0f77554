"""`ports.documents` with Typst and pyHanko: PDF/A from a fixed layout, sealed as PAdES B-B."""

from bailee.drivers.documents_pades.authority import (
    Seal,
    check_supplied,
    is_fit,
    make_seal,
    root_of,
)
from bailee.drivers.documents_pades.documents import PadesDocuments

__all__ = ["PadesDocuments", "Seal", "check_supplied", "is_fit", "make_seal", "root_of"]
