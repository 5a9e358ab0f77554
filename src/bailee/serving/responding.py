"""Getting a call ready whose answer is a Response, or is kept for its owner.

A Response is named, and what stands before its input is found: the Responses before it or the
conversation. What is to be kept is said; when, is the road's business.
"""

from typing import Any, Final, NamedTuple

import msgspec

from bailee.application_state.chat_completions import StoredChat
from bailee.application_state.items import Item, shown_item
from bailee.application_state.keeping import KeptFor
from bailee.application_state.model import HeldObject
from bailee.application_state.responses import StoredResponse
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.redacted import hidden
from bailee.policy.model import Decision
from bailee.ports.clock import Clock
from bailee.ports.randomness import Randomness
from bailee.serving.call import Call
from bailee.serving.chat_storing import ChatStoring
from bailee.serving.errors import Because, CallRefused
from bailee.serving.kept import ApplicationState, Keep, kept_for, kept_until
from bailee.serving.responses.frame import Made
from bailee.serving.responses.refusals import invalid, unsupported, wrong
from bailee.serving.responses.request import CreateResponse, check_metadata, read_request
from bailee.serving.responses.translation import ResponseTranslation
from bailee.serving.routing import Plan, Planner, refused_by_policy

_TOKEN_BYTES: Final = 24
_ITEMS: Final = "/v1/conversations/{id}/items"


class Prepared(NamedTuple):
    """A call that is ready."""

    call: Call
    keep: Keep | None = None
    response: "ResponseCall | None" = None
    """None: it is a chat completion."""
    background: bool = False
    """Whether its client does not wait for it."""


class ResponseCall(NamedTuple):
    """What is known of a Response before it is answered."""

    translation: ResponseTranslation
    whose: KeptFor
    input: list[Item]
    """Its own, as the API shows it."""
    chain: list[str]

    def stored(self, response: dict[str, Any]) -> StoredResponse:
        """What is kept of it."""
        return StoredResponse(response, self.input, self.chain)

    def __repr__(self) -> str:
        return hidden(self)


class _Before(NamedTuple):
    """What stands before an input."""

    items: list[Item]
    chain: list[str]
    conversation: HeldObject | None = None

    def __repr__(self) -> str:
        return hidden(self)


class Responding:
    """Prepares calls. One for each process that answers."""

    def __init__(
        self,
        planner: Planner,
        state: ApplicationState | None,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._planner = planner
        self._state = state
        self._clock = clock
        self._randomness = randomness

    async def prepare(self, call: Call, plan: Plan, credential: str) -> Prepared:
        """The call with its translation, and what keeps its answer. Raises CallRefused."""
        # Its record is what monitoring reads: the thing that is kept needs no copy for that.
        whose = kept_for(plan.caller, credential, plan.decision)._replace(monitored_in=None)
        if call.operation.translated:
            return await self._response(call, plan, whose)
        return self._chat(call, plan, whose)

    def _chat(self, call: Call, plan: Plan, whose: KeptFor) -> Prepared:
        state = self._state
        if state is None:
            return Prepared(call)
        asked = _asked(call.body)
        storing = ChatStoring(call, f"chatcmpl-{self.new_token()}")

        async def keep() -> None:
            if storing.completion is not None:
                completion = storing.completion | {"metadata": asked.metadata or {}}
                stored = StoredChat(completion, asked.messages)
                await state.chat_completions.keep(whose, stored, kept_until(plan.decision))

        return Prepared(msgspec.structs.replace(call, translation=storing), keep)

    async def _response(self, call: Call, plan: Plan, whose: KeptFor) -> Prepared:
        request, token, decision = read_request(call.body), self.new_token(), plan.decision
        before = await self._before(request, plan, whose)
        if request.fields.background:
            _check_background(request, decision)
        conversation = before.conversation
        made = Made(
            token,
            self._now_s(),
            decision.store,
            None if conversation is None else conversation.public_id,
        )
        translation = ResponseTranslation(request, made, self._now_s, before.items)
        shown = [shown_item(item, token, index) for index, item in enumerate(request.items)]
        response = ResponseCall(translation, whose, shown, before.chain)
        call = msgspec.structs.replace(call, translation=translation)
        state = self._state
        if state is None or (conversation is None and not decision.store):
            return Prepared(call, None, response)
        background = request.fields.background is True

        async def keep() -> None:
            answered = translation.response
            if answered is None:
                return
            if decision.store and not background:
                stored = response.stored(answered)
                await state.responses.keep(whose, stored, kept_until(decision))
            if conversation is not None:
                items = [*shown, *answered.get("output", ())]
                await state.conversations.append(whose, conversation, items)

        return Prepared(call, keep, response, background)

    async def _before(self, request: CreateResponse, plan: Plan, whose: KeptFor) -> _Before:
        fields, state = request.fields, self._state
        if state is None:
            for name in ("previous_response_id", "conversation", "background"):
                if getattr(fields, name):
                    raise unsupported(name, f"'{name}' needs stored state, which is not kept here.")
            return _Before([], [])
        if fields.previous_response_id is not None:
            if fields.conversation is not None:
                raise invalid(
                    "conversation", "Give 'previous_response_id' or 'conversation', not both."
                )
            try:
                context = await state.responses.context(whose, fields.previous_response_id)
            except NotFound as error:
                raise _previous(str(error), "previous_response_not_found") from None
            except InvalidInput as error:
                raise _previous(str(error), "invalid_value") from None
            return _Before(context.items, context.chain)
        if fields.conversation is None:
            return _Before([], [])
        _, decision = self._planner.decide(plan.caller, _ITEMS, self._clock.now())
        if not decision.allowed:
            raise refused_by_policy(decision)
        try:
            held = await state.conversations.find(whose, _named(fields.conversation))
            return _Before(await state.conversations.items(whose, held), [], held)
        except NotFound as error:
            raise CallRefused(
                Because.WRONG_TYPE, str(error), field="conversation", name="conversation_not_found"
            ) from None

    def new_token(self) -> str:
        """What the names of new things are made of."""
        return self._randomness.random_bytes(_TOKEN_BYTES).hex()

    def _now_s(self) -> int:
        return self._clock.now() // 1000


_METADATA: Final = dict[str, str] | None


class _ChatAsked(msgspec.Struct):
    """What of a chat request is kept beside its answer."""

    messages: list[dict[str, Any]]
    metadata: Any = None

    def __repr__(self) -> str:
        return hidden(self)


def _asked(body: bytes) -> _ChatAsked:
    try:
        asked = msgspec.json.decode(body, type=_ChatAsked)
    except msgspec.ValidationError:
        raise wrong("messages", "an array of objects, to be stored") from None
    try:
        check_metadata(msgspec.convert(asked.metadata, _METADATA))
    except msgspec.ValidationError:
        raise wrong("metadata", "an object whose values are strings") from None
    return asked


def _named(conversation: Any) -> str:
    name = conversation.get("id") if isinstance(conversation, dict) else conversation
    if not isinstance(name, str):
        raise invalid("conversation", "'conversation' is an identifier or an object with an 'id'.")
    return name


def _previous(message: str, name: str) -> CallRefused:
    return CallRefused(Because.WRONG_TYPE, message, field="previous_response_id", name=name)


def _check_background(request: CreateResponse, decision: Decision) -> None:
    if decision.store_left_out:
        raise invalid(
            "background",
            "A Response in the background has to be stored, and nothing may be stored for this "
            "project. Leave 'background' out.",
        )
    if not decision.store:
        raise invalid(
            "background",
            "A Response in the background has to be stored. Leave 'store' out, or make it true.",
        )
    if request.fields.stream:
        raise unsupported("stream", "A Response in the background is asked for, not streamed.")
