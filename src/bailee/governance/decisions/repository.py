"""All SQL of counted decisions."""

from bailee.governance.decisions.model import STORE, DecisionKey
from bailee.ports.database import DatabaseTransaction

Row = tuple[DecisionKey, int]


async def add(transaction: DatabaseTransaction, rows: list[Row]) -> None:
    """Across organisations: add to the counts. The gateway's role may. A key comes once."""
    facts = [key.facts for key, _ in rows]
    await transaction.rows(
        """
        SELECT bailee_count_decisions(CAST(:tenants AS text[]), CAST(:projects AS text[]),
            CAST(:days AS bigint[]), CAST(:policies AS text[]), CAST(:services AS text[]),
            CAST(:endpoints AS text[]), CAST(:regions AS text[]),
            CAST(:retention_modes AS text[]), CAST(:sharing AS bigint[]),
            CAST(:opted_out AS bigint[]), CAST(:health AS bigint[]), CAST(:stores AS text[]),
            CAST(:rejecting AS bigint[]), CAST(:features AS text[]), CAST(:calls AS bigint[]))
        """,
        tenants=[key.tenant.hex() for key, _ in rows],
        projects=[key.project.hex() for key, _ in rows],
        days=[key.day for key, _ in rows],
        policies=[key.policy for key, _ in rows],
        services=[one.service for one in facts],
        endpoints=[one.endpoint for one in facts],
        regions=[str(one.region) for one in facts],
        retention_modes=[one.retention_mode.value for one in facts],
        sharing=[int(one.sharing_consent) for one in facts],
        opted_out=[int(one.improvement_opt_out) for one in facts],
        health=[int(one.protected_health) for one in facts],
        stores=[STORE[one.store_requested] for one in facts],
        rejecting=[int(one.reject_store) for one in facts],
        features=[" ".join(feature.value for feature in one.features) for one in facts],
        calls=[calls for _, calls in rows],
    )


async def forget(transaction: DatabaseTransaction, before_day: int) -> None:
    """Across organisations: delete the counts of earlier days. The clerk's role may."""
    await transaction.rows("SELECT bailee_forget_decisions(:before_day)", before_day=before_day)
