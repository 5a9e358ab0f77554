"""One half of a canary: many calls of one project at once, and gateways killed in between."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bailee.cli.canary.calls import ANSWERS, KINDS, Call, Kind, Way
from bailee.cli.canary.client import Answer, Client
from bailee.cli.canary.house import GATEWAYS
from bailee.cli.house import House
from bailee.kernel.errors import Unavailable
from bailee.kernel.ids import RecordId
from bailee.policy.model import RetentionMode

AT_ONCE: Final = 48
LOCAL_AT_ONCE: Final = 2
"""Calls of the local model: as many as it answers at once, so that none waits past its client."""
KILLS: Final = 3
_SWALLOWED: Final = 16
"""Calls that are under way when a gateway is killed."""
_KNOWN: Final = 24
"""How often in a row a new key must be accepted, until every worker is taken to know it."""
_LOOK_S: Final = 0.05
_PATIENCE_S: Final = 60.0
_NOT_HERE: Final = "none"
_ID: Final = re.compile(rb'"id":\s*"([^"]+)"')


@dataclass(slots=True)
class Round:
    """The calls of one project."""

    house: House
    client: Client
    key: str
    mode: RetentionMode
    tell: Callable[[Call], None]
    """Told of each call that ended."""
    records: list[RecordId] = field(default_factory=list)
    """What answers named."""
    complaints: Counter[str] = field(default_factory=Counter)
    """What went another way than it should, and how often."""
    kills: int = 0
    _limit: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _local: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOCAL_AT_ONCE))

    async def run(self, calls: list[Call]) -> None:
        """Make all calls."""
        await self._known()
        swallowed = min(len(calls) // 4, KILLS * _SWALLOWED)
        await asyncio.gather(*map(self._make, calls[swallowed:]))
        for number in range(KILLS):
            share = calls[number * swallowed // KILLS : (number + 1) * swallowed // KILLS]
            await self._swallow(share, f"gateway-{number % GATEWAYS}")

    async def _known(self) -> None:
        """Wait until every worker accepts the key, and every backend is there."""
        accepted = 0
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while not await self._all_ready():  # noqa: ASYNC110 - of other processes
                    await asyncio.sleep(_LOOK_S)
                while accepted < _KNOWN:
                    answer = await self.client.get("/v1/models", self.key)
                    accepted = accepted + 1 if answer.status == 200 else 0
                    if not accepted:
                        await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise Unavailable(
                "the gateways do not accept a new key, or a part is not ready"
            ) from None

    async def _all_ready(self) -> bool:
        return b'"ready":false' not in (await self.client.get("/health")).body

    async def _make(self, call: Call) -> None:
        async with self._local if call.way is Way.LOCAL else self._limit:
            answer = await self.client.make(
                call, self.key, await self._name(call.kind, call.content)
            )
        self._note(call, answer)
        wanted = _wanted(call, self.mode)
        if answer.status not in wanted:
            self.complaints[
                f"{call.kind.operation}, {call.way}, {self.mode.value}: {answer.status} instead of "
                f"{', '.join(map(str, sorted(wanted)))}"
            ] += 1

    async def _swallow(self, calls: list[Call], gateway: str) -> None:
        """Kill a gateway while it answers; what it then answers is nobody's to say."""
        holding = [call._replace(kind=KINDS[0], way=_HELD[i % 3]) for i, call in enumerate(calls)]
        making = [asyncio.ensure_future(self.client.make(call, self.key)) for call in holding]
        await asyncio.sleep(_LOOK_S)
        before = self.house.kill(gateway)
        self.kills += 1
        for call, answer in zip(holding, await asyncio.gather(*making), strict=True):
            self._note(call, answer)
        await self.house.back(gateway, before)

    async def _name(self, kind: Kind, content: str) -> str:
        """The name of the thing that a call is about, made for it."""
        within = kind.within
        if within is None or self.mode is RetentionMode.ZERO_DATA_RETENTION:
            return _NOT_HERE
        call = Call(within, Way.WHOLE, content)
        made = await self.client.make(call, self.key, await self._name(within, content))
        found = _ID.search(made.body)
        return found[1].decode() if found else _NOT_HERE

    def _note(self, call: Call, answer: Answer) -> None:
        record = answer.headers.get("bailee-record")
        if record is not None:
            self.records.append(RecordId.parse(record))
        self.tell(call)


_HELD: Final = (Way.TIMEOUT, Way.STREAM, Way.WHOLE)
"""What is under way when a gateway is killed."""


def _wanted(call: Call, mode: RetentionMode) -> frozenset[int]:
    """What a call must end in."""
    before_policy = (Way.LEAVING_EARLY, Way.UNKNOWN_PATH, Way.WRONG_KEY)
    under = call.kind.under_zero_retention
    zero = mode is RetentionMode.ZERO_DATA_RETENTION
    if zero and under and call.way not in before_policy:
        return frozenset({under})
    return ANSWERS[call.way]
