"""Getting a call for a Response ready: read, named, and with whatever stands before it."""

from typing import Final

from bailee.ports.clock import Clock
from bailee.ports.randomness import Randomness
from bailee.serving.call import Call
from bailee.serving.responses.frame import Made
from bailee.serving.responses.refusals import unsupported
from bailee.serving.responses.request import CreateResponse, read_request
from bailee.serving.responses.translation import ResponseTranslation
from bailee.serving.routing import Plan

_TOKEN_BYTES: Final = 24


class Responding:
    """Prepares calls. One for each worker."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock = clock
        self._randomness = randomness

    async def prepare(self, call: Call, plan: Plan) -> Call:
        """The call with its translation. Raises CallRefused."""
        request = read_request(call.body)
        _refuse_state(request)
        made = Made(
            self._randomness.random_bytes(_TOKEN_BYTES).hex(), self._now_s(), plan.decision.store
        )
        return call._replace(translation=ResponseTranslation(request, made, self._now_s))

    def _now_s(self) -> int:
        return self._clock.now() // 1000


def _refuse_state(request: CreateResponse) -> None:
    fields = request.fields
    for name in ("previous_response_id", "conversation", "background"):
        if getattr(fields, name):
            raise unsupported(name, f"'{name}' needs stored state, which is not kept here.")
