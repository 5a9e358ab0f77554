"""What is kept until it is deleted, put together for the processes that have to do with it."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from litestar import Router

from bailee.api.access import Admit, Admitted, AnyRequest
from bailee.api.files import files_router
from bailee.api.uploads import uploads_router
from bailee.application_state.deletion import Deletion
from bailee.application_state.files import MAX_FILE_BYTES, Files
from bailee.application_state.keeping import Keeping, KeptFor
from bailee.application_state.uploads import MAX_PART_BYTES, Uploads
from bailee.kernel.ids import Purpose
from bailee.kernel.redacted import Secret
from bailee.ports.clock import Clock
from bailee.serving.answer import Answering
from bailee.serving.caller import Caller
from bailee.serving.limits import gauges_of
from bailee.serving.routing import refused_by_policy

FORM_BYTES: Final = 64 * 1024
"""What a form may take around its file."""
LONGER_BODIES: Final = {
    "/v1/files": MAX_FILE_BYTES + FORM_BYTES,
    "/v1/uploads/": MAX_PART_BYTES + FORM_BYTES,
}
"""Paths, as prefixes, whose bodies may be longer than others."""


class HeldParts(NamedTuple):
    """One process's access to what is kept."""

    keeping: Keeping
    deletion: Deletion


def admit_of(answering: Answering, clock: Clock, authenticate: Callable[[Any], Caller]) -> Admit:
    """How operations on kept things begin."""

    def admit(request: AnyRequest, endpoint: str) -> Admitted:
        now = clock.now()
        caller = authenticate(request)
        _, decision = answering.planner.decide(caller, endpoint, now)
        if not decision.allowed:
            raise refused_by_policy(decision)
        admission = answering.limits.admit(gauges_of(caller), 0, now)
        credential = request.headers["authorization"][len("bearer ") :].strip()
        monitored = any(
            handling.purpose is Purpose.ABUSE_MONITORING for handling in decision.handlings
        )
        whose = KeptFor(
            caller.owner,
            caller.scope_generation,
            Secret(credential.encode()),
            decision.epoch if monitored else None,
        )
        headers = answering.planner.headers(caller, decision) + admission.headers
        return Admitted(caller, whose, decision, dict(headers))

    return admit


def held_routers(held: HeldParts, admit: Admit) -> list[Router]:
    """The operations on what is kept."""
    files = Files(held.keeping, held.deletion)
    return [files_router(files, admit), uploads_router(Uploads(files), admit)]
