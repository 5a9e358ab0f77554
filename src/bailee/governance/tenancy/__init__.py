"""Organisations, projects and API keys: who calls, for whom, and what was agreed with them."""
