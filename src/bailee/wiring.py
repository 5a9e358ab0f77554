"""Builds every object: the sole importer of drivers."""
