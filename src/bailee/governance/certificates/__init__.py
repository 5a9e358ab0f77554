"""Certificates that an organisation uploads, and which of them its clients must show."""
