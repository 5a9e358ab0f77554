"""Any OpenAI-compatible server as a backend: vLLM, Ollama, a hosted provider.

Bodies pass unchanged in both directions. The caller's credential is never among them; the
backend's own is added here. A request is written a second time in one case alone: a kept
connection that ended without a byte of an answer, which is how a server closes one that it took
for idle. The client is written for this: see docs/decisions/0010-own-http-client.md.
"""

from collections.abc import Coroutine
from typing import Any

from bailee.drivers.backend_openai.exchange import Exchange
from bailee.drivers.backend_openai.pool import Limits, Pool
from bailee.drivers.backend_openai.target import Target, request_head
from bailee.kernel.redacted import Secret
from bailee.ports.backend import BackendAnswer, BackendCall, BackendFailure
from bailee.ports.clock import Clock

_REFUSED_CREDENTIAL = frozenset({401, 403})


class OpenAiBackend:
    """A driver of `ports.backend`. Use it within one event loop."""

    def __init__(
        self, target: Target, credential: Secret | None, limits: Limits, clock: Clock
    ) -> None:
        self._target = target
        self._credential = credential
        self._pool = Pool(target, limits, clock)
        self._heads: dict[str, bytes] = {}

    def send(self, call: BackendCall) -> Coroutine[Any, Any, BackendAnswer]:
        """Send and wait for the answer's head. Raises BackendFailure."""
        head = self._heads.get(call.path)
        if head is None:
            head = request_head(self._target, "POST", call.path, self._credential)
            self._heads[call.path] = head
        return self._exchange(head, call.body, streaming=call.stream)

    async def check(self) -> None:
        """Ask for the list of models. Raises BackendFailure if that is refused."""
        head = request_head(self._target, "GET", "/models", self._credential)
        answer = await self._exchange(head, b"", streaming=False)
        await answer.read()
        if answer.status in _REFUSED_CREDENTIAL:
            raise BackendFailure(
                "the backend refuses its credential; replace it",
                reason="unreachable",
                retry_safe=True,
            )
        if answer.status >= 500:
            raise BackendFailure(
                "the backend is not ready; wait", reason="unreachable", retry_safe=True
            )

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def _exchange(self, head: bytes, body: bytes, *, streaming: bool) -> Exchange:
        pool = self._pool
        connection = pool.take_idle() or await pool.take()
        exchange = connection.begin(head, body, streaming=streaming)
        try:
            await exchange.head()
        except BackendFailure:
            if not exchange.stale:
                raise
        except BaseException:
            connection.close()
            raise
        else:
            return exchange
        connection = await pool.take_new()
        exchange = connection.begin(head, body, streaming=streaming)
        try:
            await exchange.head()
        except BaseException:
            connection.close()
            raise
        return exchange
