"""`ports.documents` with Typst and pyHanko: PDF/A from a fixed layout, sealed as PAdES B-B."""
