"""Admin keys: what manages an organisation and never opens its content."""
