"""Webhooks: an organisation's endpoints, and what is sent to them."""
