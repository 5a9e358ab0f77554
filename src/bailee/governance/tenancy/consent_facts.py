"""What whoever answers calls is told of consent: the columns that repeat the ledger, as a value."""

from typing import Any

from bailee.governance.tenancy.model import NO_CONSENT, Consent
from bailee.kernel.ids import ProjectId
from bailee.policy.turns import effective
from bailee.ports.database import DatabaseTransaction


async def consents(transaction: DatabaseTransaction) -> dict[ProjectId, Consent]:
    """Across organisations: the consent of every project whose owner said anything."""
    rows = await transaction.rows(
        """
        SELECT p.project, o.sharing AS organisation_sharing, p.sharing,
            o.opt_out AS organisation_opt_out, p.opt_out, p.training_generation
        FROM projects p JOIN organisations o ON o.tenant = p.tenant
        WHERE p.sharing IS NOT NULL OR p.opt_out IS NOT NULL
            OR o.sharing <> '{}' OR o.opt_out <> '{}'
        """
    )
    return {ProjectId(row.project): consent_of(row) for row in rows}


def consent_of(row: Any) -> Consent:
    """A project's consent from its organisation's columns and its own."""
    sharing = effective(row.organisation_sharing, row.sharing)
    opt_out = effective(row.organisation_opt_out, row.opt_out)
    if not sharing and not opt_out:
        return NO_CONSENT
    return Consent(sharing, opt_out, row.training_generation)
