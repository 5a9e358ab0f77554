"""What happens to a job, told to its owner while it happens.

Promises: words and numbers alone, sealed for the owner, some at a time. What cannot be told is
lost and the run goes on: words about a run are worth less than the run.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog

from bailee.application_state.fine_tuning import JobEvent
from bailee.application_state.keeping import Keeping, KeptFor, New
from bailee.application_state.model import HeldObject, Kind
from bailee.kernel.errors import BaileeError

log = structlog.get_logger()

EVENTS_TOGETHER: Final = 50
EVENTS_WAIT_S: Final = 5.0
_ID_BYTES: Final = 8


@dataclass(slots=True)
class Story:
    """The events of one job."""

    keeping: Keeping
    whose: KeptFor
    job: HeldObject
    _events: list[JobEvent] = field(default_factory=list)
    _told_at_s: float = 0.0

    async def say(
        self,
        message: str,
        kind: str = "message",
        data: dict[str, Any] | None = None,
        level: str = "info",
    ) -> None:
        """Something has happened. It may be kept a little later, with others."""
        clock = self.keeping.clock
        name = "ftevent-" + self.keeping.randomness.random_bytes(_ID_BYTES).hex()
        self._events.append(JobEvent(name, clock.now() // 1000, level, message, kind, data or {}))
        waited_s = clock.monotonic_s() - self._told_at_s
        if len(self._events) >= EVENTS_TOGETHER or waited_s > EVENTS_WAIT_S:
            await self.tell()

    async def tell(self) -> None:
        """Keep what was said."""
        self._told_at_s = self.keeping.clock.monotonic_s()
        if not self._events:
            return
        some, self._events = self._events, []
        encoded = msgspec.json.encode(some)
        new = New(Kind.FINE_TUNING_EVENTS, encoded, parent=self.job.object)
        try:
            await self.keeping.keep(self.whose, new)
        except BaileeError as error:
            log.warning("fine_tuning_events_lost", kind=type(error).__name__, count=len(some))
