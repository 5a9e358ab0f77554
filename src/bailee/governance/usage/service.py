"""Reading what an organisation used, and what that costs."""

from collections.abc import Mapping

from bailee.governance.usage import repository
from bailee.governance.usage.model import Price, Total, Wanted
from bailee.kernel.ids import TenantId
from bailee.ports.database import Database

_MILLION = 1_000_000


class Usage:
    """Counts of one organisation at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def totals(self, tenant: TenantId, wanted: Wanted) -> list[Total]:
        """Totals by bucket and group, oldest first; empty ones are left out."""
        async with self._database.transaction(tenant) as transaction:
            return await repository.totals(transaction, wanted)


def cost_usd(total: Total, prices: Mapping[str, Price]) -> tuple[float, float]:
    """What the tokens of one model cost, read and written. A model without a price costs nothing.

    Prices are those that are set now; what they were is not remembered.
    """
    price = prices.get(total.model or "", Price())
    return (
        total.input_tokens * price.input_usd / _MILLION,
        total.output_tokens * price.output_usd / _MILLION,
    )
