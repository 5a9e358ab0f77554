"""What is kept until it is deleted, put together for the processes that have to do with it."""

from typing import NamedTuple

from bailee.application_state.chat_completions import ChatCompletions
from bailee.application_state.conversations import Conversations
from bailee.application_state.deletion import Deletion
from bailee.application_state.files import Files
from bailee.application_state.fine_tuning import FineTuning
from bailee.application_state.keeping import Keeping
from bailee.application_state.responses import Responses
from bailee.serving.kept import ApplicationState


class HeldParts(NamedTuple):
    """One process's access to what is kept."""

    keeping: Keeping
    deletion: Deletion


def state_of(held: HeldParts) -> ApplicationState:
    """What answering keeps for owners."""
    return ApplicationState(
        Responses(held.keeping, held.deletion),
        Conversations(held.keeping, held.deletion),
        ChatCompletions(held.keeping, held.deletion),
    )


def fine_tuning_of(held: HeldParts) -> FineTuning:
    """Jobs and models of projects."""
    return FineTuning(Files(held.keeping, held.deletion))
