"""Whether an organisation has an executed enterprise agreement.

A placeholder: agreements are not kept yet, so nobody has one, and applications that need one are
refused. The operator's own commands on the machine need none.
"""

from bailee.kernel.ids import TenantId


async def has_enterprise_agreement(_tenant: TenantId) -> bool:
    """No."""
    return False
