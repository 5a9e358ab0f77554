"""Group commit of the keyring: however many changes wait, one write makes them durable.

Promises that a change is durable before its caller learns of it, that a refused change leaves
nothing behind, and that a failed write fails every change it carried. What a change no longer
holds is wiped as soon as it is durable that it is gone.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from bailee.custody.keeper.keyring import Keyring
from bailee.custody.keeper.state import KeyringState, forgotten
from bailee.custody.seal.wipe import wipe
from bailee.kernel.errors import BaileeError, Unavailable
from bailee.kernel.instants import Instant
from bailee.ports.offload import Offload

Result = TypeVar("Result")


@dataclass(slots=True)
class _Waiting:
    change: Callable[[KeyringState], Any]
    roll: bool
    future: "asyncio.Future[Any]" = field(repr=False)


class Commits:
    """Serialises changes of one keyring. `mark` gives the time mark to persist with each write."""

    def __init__(self, keyring: Keyring, offload: Offload, mark: Callable[[], Instant]) -> None:
        self._keyring = keyring
        self._offload = offload
        self._mark = mark
        self._waiting: list[_Waiting] = []
        self._pump: asyncio.Task[None] | None = None

    async def apply(self, change: Callable[[KeyringState], Result], *, roll: bool) -> Result:
        """Apply `change` to a copy of the state and wait until that is durable.

        `change` either raises a BaileeError having changed nothing, or changes the state and gives
        the result. `roll` must be set where the change takes something away.

        Raises:
            Unavailable: the keyring could not be written; nothing was acknowledged.
            BaileeError: whatever `change` raised.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(change, roll, future))
        if self._pump is None:
            self._pump = asyncio.create_task(self._run())
        result: Result = await asyncio.shield(future)
        return result

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    await self._commit(batch)
                except BaseException as error:  # noqa: BLE001 - whoever waits must learn of it
                    _fail(batch, error)
        finally:
            self._pump = None

    async def _commit(self, batch: list[_Waiting]) -> None:
        before = self._keyring.state
        try:
            if self._keyring.uncertain:
                before = await self._reload(before)
            state = before.copy()
            done = _changed(batch, state)
            if not done:
                return
            roll = any(waiting.roll for waiting, _ in done)
            state.time_mark = self._mark()
            if roll:
                state.rolled_at = state.time_mark
            await self._offload.run(partial(self._keyring.commit, state, roll=roll))
        except (OSError, BaileeError) as error:
            reason = Unavailable(
                f"the keyring could not be written ({type(error).__name__}); check its volume"
            )
            _fail(batch, reason)
            return
        wipe(*forgotten(before, state))
        for waiting, result in done:
            if not waiting.future.done():
                waiting.future.set_result(result)

    async def _reload(self, before: KeyringState) -> KeyringState:
        """A commit failed where nobody can tell what is in force: the files decide."""
        await self._offload.run(self._keyring.load)
        state = self._keyring.state
        wipe(*before.secrets())
        return state


def _fail(batch: list[_Waiting], error: BaseException) -> None:
    for waiting in batch:
        if waiting.future.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            waiting.future.cancel()
        else:
            waiting.future.set_exception(error)


def _changed(batch: list[_Waiting], state: KeyringState) -> list[tuple[_Waiting, Any]]:
    done = []
    for waiting in batch:
        try:
            done.append((waiting, waiting.change(state)))
        except BaileeError as error:
            waiting.future.set_exception(error)
    return done
