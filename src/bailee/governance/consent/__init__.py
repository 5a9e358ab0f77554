"""Consent (C02): what owners let their data serve besides, by whom it was said, and since when."""
