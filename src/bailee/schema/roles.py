"""The roles that processes take in the database, each with no more than it needs.

The owner of the tables migrates them and does nothing else: no process serves as owner, since an
owner is above row-level security. The privileges themselves are in the migrations.
"""

from typing import Final

GATEWAY: Final = "bailee_gateway"
"""Reads facts of all organisations, registers epochs and journals, appends log entries."""
CLERK: Final = "bailee_clerk"
"""Carries epochs, journals, segments, receipts and the outbox forward under leases."""
ADMINISTRATOR: Final = "bailee_administrator"
"""Changes one organisation at a time."""

ROLES: Final = (GATEWAY, CLERK, ADMINISTRATOR)
