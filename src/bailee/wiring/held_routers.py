"""The operations on what is kept, for gateway workers."""

from collections.abc import Callable
from typing import Any, Final

from litestar import Router

from bailee.api.access import Admit, Admitted, AnyRequest, shown_credential
from bailee.api.batches import batches_router
from bailee.api.chat_completions import chat_completions_router
from bailee.api.conversations import conversations_router
from bailee.api.files import files_router
from bailee.api.fine_tuning import CheckBase, fine_tuning_router
from bailee.api.responses import responses_router
from bailee.api.uploads import uploads_router
from bailee.application_state.batches import Batches
from bailee.application_state.files import MAX_FILE_BYTES
from bailee.application_state.uploads import MAX_PART_BYTES, Uploads
from bailee.ports.clock import Clock
from bailee.serving.answer import Answering
from bailee.serving.caller import Caller
from bailee.serving.kept import kept_for
from bailee.serving.limits import gauges_of
from bailee.serving.routing import refused_by_policy
from bailee.wiring.fine_tuned import FineTunedModels, check_method
from bailee.wiring.held import HeldParts, fine_tuning_of

FORM_BYTES: Final = 64 * 1024
"""What a form may take around its file."""
LONGER_BODIES: Final = {
    "/v1/files": MAX_FILE_BYTES + FORM_BYTES,
    "/v1/uploads/": MAX_PART_BYTES + FORM_BYTES,
}
"""Paths, as prefixes, whose bodies may be longer than others."""


def admit_of(answering: Answering, clock: Clock, authenticate: Callable[[Any], Caller]) -> Admit:
    """How operations on kept things begin."""

    def admit(request: AnyRequest, endpoint: str) -> Admitted:
        now = clock.now()
        caller = authenticate(request)
        decision = answering.planner.decide_counted(caller, endpoint, now)
        if not decision.allowed:
            raise refused_by_policy(decision)
        admission = answering.limits.admit(gauges_of(caller), 0, now)
        whose = kept_for(caller, shown_credential(request), decision)
        headers = answering.planner.headers(caller, decision) + admission.headers
        return Admitted(caller, whose, decision, dict(headers))

    return admit


def held_routers(
    held: HeldParts,
    answering: Answering,
    admit: Admit,
    check_base: CheckBase,
    fine_tuned: FineTunedModels,
) -> list[Router]:
    """The operations on what is kept. `check_base` knows which models can be fine-tuned."""
    tuning = fine_tuning_of(held)
    files = tuning.files
    routers = [
        files_router(files, Batches(files), admit),
        uploads_router(Uploads(files), admit),
        batches_router(Batches(files), admit),
        fine_tuning_router(tuning, admit, check_base, check_method, fine_tuned.delete),
    ]
    state, background = answering.state, answering.background
    if state is not None and background is not None:
        routers += (
            responses_router(state.responses, background, admit),
            conversations_router(state.conversations, admit, answering.new_token),
            chat_completions_router(state.chat_completions, admit),
        )
    return routers
