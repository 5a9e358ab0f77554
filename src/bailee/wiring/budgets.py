"""Spend alerts in the clerk: prices from the settings, news to the log."""

import structlog

from bailee.governance.budgets.events import AlertReached
from bailee.governance.budgets.model import ModelUse
from bailee.governance.budgets.service import SpendWatch
from bailee.ports.clock import Clock
from bailee.ports.database import Database
from bailee.settings import Settings

log = structlog.get_logger()

_TOKENS_PER_CENT_DOLLAR = 10_000
"""A million tokens at a dollar are a hundred cents."""


def spend_watch(settings: Settings, database: Database, clock: Clock) -> SpendWatch:
    """What the clerk looks with."""

    def cost_cents(use: ModelUse) -> float:
        price = settings.prices.get(use.model)
        if price is None:
            return 0.0
        usd = use.input_tokens * price.input_usd + use.output_tokens * price.output_usd
        return usd / _TOKENS_PER_CENT_DOLLAR

    return SpendWatch(database, clock, cost_cents, _announce)


def _announce(event: AlertReached) -> None:
    log.warning(
        "spend_alert_reached",
        alert=event.alert,
        month=event.month,
        threshold_cents=event.threshold_cents,
    )
