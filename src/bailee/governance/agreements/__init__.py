"""Agreements (C16, C18): versioned texts, forms, review, both signatures, signed documents."""
