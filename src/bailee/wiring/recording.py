"""The recorder of a process that answers, and what it says of its defects."""

from typing import NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.custody.recorder import Recorder
from bailee.drivers.postgres.ledger import PostgresLedger
from bailee.drivers.system import SystemRandomness, ThreadOffload
from bailee.kernel.ids import Region
from bailee.ports.clock import Clock
from bailee.ports.files import Files
from bailee.ports.keeper import Keeper
from bailee.settings import Settings
from bailee.wiring.trust import Trust

log = structlog.get_logger()


class RecorderNeeds(NamedTuple):
    """What differs between the processes that record."""

    files: Files
    engine: AsyncEngine
    keeper: Keeper
    clock: Clock
    trust: Trust
    process: str
    """Among those of this machine, as in `0` or `batches`."""
    threads: int
    """For work on the disk."""


def open_recorder(settings: Settings, needs: RecorderNeeds) -> Recorder:
    """A recorder that no process had before. Nothing is written yet."""
    randomness, node = SystemRandomness(), needs.trust.node
    return Recorder(
        needs.files,
        ThreadOffload(needs.threads),
        PostgresLedger(needs.engine),
        needs.keeper,
        needs.clock,
        randomness,
        node=node,
        worker=f"{node}-{needs.process}-{randomness.random_bytes(6).hex()}",
        regions=(Region(settings.region),),
        identity=needs.trust.identity,
        close_after_s=settings.journal.close_after_s,
        max_journal_bytes=settings.journal.size_bytes,
        ledger_grace_s=settings.snapshot.grace_s,
    )


def report_defect(name: str, error: BaseException) -> None:
    """Log a defect: where it happened, never what it was about. `name` is a request's or line's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"
    log.error("defect", request_id=name, kind=type(error).__name__, place=place)
