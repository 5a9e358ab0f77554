"""What the operator says of an organisation as a whole, as the command line shows it."""

from collections.abc import Mapping
from typing import Any

from bailee.kernel.ids import TenantId, tenant_text
from bailee.kernel.instants import to_rfc3339
from bailee.policy.model import RetentionMode
from bailee.wiring.nouns import Nouns

Row = Mapping[str, Any]


async def set_retention(nouns: Nouns, tenant: TenantId, retention: str) -> Row:
    """See `cli.administration.Administration.set_organisation`."""
    await nouns.operators_retention.set_mode(tenant, None, RetentionMode(retention))
    found = await nouns.projects.organisation(tenant)
    return {
        "id": tenant_text(tenant),
        "name": found.name,
        "retention": found.retention_mode.value,
    }


async def verify_domain(nouns: Nouns, tenant: TenantId, domain: str) -> Row:
    """See `cli.administration.Administration.verify_domain`."""
    row = await nouns.operators_retention.verify_domain(tenant, domain)
    return {
        "organisation": tenant_text(tenant),
        "domain": row.domain,
        "verified_at": to_rfc3339(row.verified_at),
        "verified_by": row.verified_by,
    }
