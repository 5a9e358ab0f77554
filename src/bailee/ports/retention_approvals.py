"""Whether a retention mode that keeps nothing for monitoring has been approved (C08).

Asked by the command that sets the mode, in its transaction, so that an approval that is being
revoked and the mode that it permits cannot pass each other.
"""

from typing import Protocol

from bailee.kernel.ids import ProjectId
from bailee.ports.database import DatabaseTransaction


class RetentionApprovals(Protocol):
    """What stands approved of the transaction's organisation."""

    async def require(
        self, transaction: DatabaseTransaction, project: ProjectId | None, mode: str
    ) -> None:
        """Return if `mode` is approved for a project, or with None for the organisation.

        An organisation's approval holds for its projects. Raises Forbidden.
        """
        ...
