"""The life of a request, from its first line to its last byte.

Every call to the API that carries content takes this road, in these steps; zero retention takes
it with the sealing left out. Nothing on it waits for a database. It leaves HTTP shapes to the API
(`Refusals`, `Client`) and never decides about retention itself: that is the policy's.
"""

import asyncio
from contextlib import suppress
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from bailee.kernel.errors import (
    BaileeError,
    DestroyedKey,
    Forbidden,
    NotFound,
    Unavailable,
    UnknownKey,
)
from bailee.kernel.ids import project_text, tenant_text
from bailee.kernel.instants import Instant
from bailee.ports.backend import BackendAnswer
from bailee.ports.clock import Clock
from bailee.ports.randomness import Randomness
from bailee.serving.background import Background, Job
from bailee.serving.bearer import bearer_credential
from bailee.serving.call import Call, Operation, Translation, parse
from bailee.serving.caller import Authenticate, Caller
from bailee.serving.client_certificates import ClientCertificates, Shower
from bailee.serving.ending import Ending
from bailee.serving.errors import Because, CallRefused, unrecordable
from bailee.serving.exchange import check_refusal, reach, whole_body
from bailee.serving.kept import ApplicationState, Keep, KeptRecording, kept_until
from bailee.serving.limits import Admission, Limits
from bailee.serving.private_models import PREFIX, PrivateModels
from bailee.serving.recording import UNRECORDED, Recorder, Recording, Unrecorded
from bailee.serving.responding import Prepared, Responding
from bailee.serving.routing import Headers, Plan, Planner, unknown_model
from bailee.serving.streaming import ChatEnding, ErrorEvent, Stream, Streams, run_stream
from bailee.serving.usage import Count, Used, uncounted, used_tokens

CLIENT_LEFT: Final = 499
"""The status of an answer that nobody waited for, in records alone."""
_OK: Final = 200
_NOT_OK: Final = 300
_ID_RANDOM_BYTES: Final = 8
_VERSION: Final = ("openai-version", "2020-10-01")
_TRANSPORT_SECURITY: Final = ("strict-transport-security", "max-age=31536000")


class Headed(Shower, Protocol):
    """Whatever has headers and came over a connection."""

    def header(self, name: str) -> str | None:
        """A header's value; `name` is lower case."""
        ...


class Request(Headed, Protocol):
    """What has arrived from a client."""

    async def body(self) -> bytes:
        """The whole body. Raises CallRefused (BODY_TOO_LARGE, BODY_INCOMPLETE, MEDIA_TYPE)."""
        ...


class Client(Protocol):
    """The client's end of a request. Exactly one of `answer` and `begin` is called, once."""

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Give a whole answer."""
        ...

    def begin(self, status: int, headers: Headers) -> None:
        """Send a stream's head."""
        ...

    async def send(self, part: bytes) -> bool:
        """Pass a stream's bytes on; False: the client has left."""
        ...


class Refusals(Protocol):
    """How a refusal is written. The API's to shape."""

    def whole(self, refused: CallRefused) -> tuple[int, Headers, bytes]:
        """Status, headers of its own (content type, retry-after) and body."""
        ...

    def event(self, refused: CallRefused) -> bytes:
        """The last event of a stream."""
        ...


class Arrival(Struct, frozen=True, gc=False):
    """A request's name and when it came."""

    request_id: str
    now: Instant
    monotonic_s: float


AnyRecording = Recording | Unrecorded | KeptRecording


class _Progress:
    """How far a request has come: what an answer or a refusal can already say."""

    __slots__ = ("admission", "arrival", "client", "plan", "recording")

    def __init__(self, arrival: Arrival, client: Client) -> None:
        self.arrival = arrival
        self.client = client
        self.plan: Plan | None = None
        self.admission: Admission | None = None
        self.recording: AnyRecording | None = None
        """Set while the record is open; None before, and after its last part."""


class Answering:
    """Answers calls. One for each process that answers; run `streams.run()` beside it."""

    def __init__(
        self,
        authenticate: Authenticate,
        planner: Planner,
        limits: Limits,
        recorder: Recorder,
        refusals: Refusals,
        clock: Clock,
        randomness: Randomness,
        state: ApplicationState | None = None,
        private: PrivateModels | None = None,
        count: Count = uncounted,
        client_certificates: ClientCertificates | None = None,
    ) -> None:
        """Without `state` nothing is kept for owners, without `private` nobody has own models."""
        self.private: Final = private
        self._count = count
        self.planner: Final = planner
        self.streams: Final = Streams(clock)
        self._authenticate = authenticate
        self._client_certificates = client_certificates or ClientCertificates()
        self.limits: Final = limits
        self._recorder = recorder
        self._refusals = refusals
        self._clock = clock
        self._worker = randomness.random_bytes(_ID_RANDOM_BYTES).hex()
        self._requests = 0
        self.state: Final = state
        self._responding = Responding(planner, state, clock, randomness)
        self.new_token: Final = self._responding.new_token
        self.background: Final = None if state is None else Background(state.responses, clock)

    def arrive(self) -> Arrival:
        """Name a request. The name is unique and says nothing."""
        self._requests += 1
        request_id = f"req_{self._worker}{self._requests:016x}"
        return Arrival(request_id, self._clock.now(), self._clock.monotonic_s())

    async def answer(
        self, arrival: Arrival, operation: Operation, request: Request, client: Client
    ) -> None:
        """Answer one call; every failure becomes an answer of its own.

        Cancellation means that the client has left: the backend is stopped, the record closed.
        """
        progress = _Progress(arrival, client)
        try:
            caller = self.authenticated(request, arrival.now)
            call = parse(operation, await request.body())
            if self.private is None or not call.model.startswith(PREFIX):
                plan = self.planner.plan(caller, call, arrival.now)
            else:
                plan = await self._private_plan(caller, call, request, arrival.now)
            progress.plan = plan
            if call.names_cache or plan.takes_salt:
                call = replace(call, cache_salt=plan.cache_salt)
            admission = self.limits.admit(plan.gauges, call.estimated_tokens(), arrival.now)
            progress.admission = admission
            keep: Keep | None = None
            if operation.translated or plan.decision.store:
                prepared = await self._prepare(call, plan, request)
                call, keep = prepared.call, prepared.keep
                if prepared.background:
                    await self._defer(progress, prepared)
                    return
            opened = await self._open(plan, call)
            recording: AnyRecording = opened if keep is None else KeptRecording(opened, keep)
            progress.recording = recording
            answer = await reach(call, plan.routes)
            used: Used | None
            if _is_event_stream(answer):
                used = await self._pass_on(progress, answer, recording, call)
            else:
                used = await self._give(progress, answer, recording)
            self._settle(plan, admission, used, arrival.now)
        except CallRefused as refused:
            await self._refuse(progress, refused)
        except asyncio.CancelledError:
            if progress.recording is not None:
                close_unanswered(progress.recording)
            raise

    def authenticated(self, request: Headed, now: Instant, *, ending: bool = False) -> Caller:
        """Who calls. Raises CallRefused (KEY_…, WRONG_REGION, CERTIFICATE_…, …_MISMATCH,
        FACTS_STALE).

        `ending`: it can only end what is kept, which keys of archived projects still may.
        """
        credential = bearer_credential(request.header("authorization"))
        if credential is None:
            raise CallRefused(
                Because.KEY_MISSING,
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        try:
            caller = self._authenticate(credential, now)
        except CallRefused as refused:
            residency = self.planner.residency
            if refused.because is Because.KEY_UNKNOWN and residency is not None:
                residency.check_unknown(credential)
            raise
        if caller.archived and not ending:
            raise CallRefused(
                Because.KEY_REVOKED,
                "The project has been archived. Its keys can delete what it keeps (DELETE) and "
                "read receipts of deletions, and nothing else. Use a key of another project.",
            )
        self._client_certificates.check(caller, request, now)
        organisation = request.header("openai-organization")
        if organisation and organisation != tenant_text(caller.tenant):
            raise CallRefused(
                Because.ORGANISATION_MISMATCH,
                "OpenAI-Organization header should match organization for API key.",
            )
        project = request.header("openai-project")
        if project and project != project_text(caller.project):
            raise CallRefused(
                Because.PROJECT_MISMATCH,
                "OpenAI-Project header should match project for API key.",
            )
        return caller

    def headers(self, arrival: Arrival) -> Headers:
        """The headers that every answer has."""
        elapsed_ms = int((self._clock.monotonic_s() - arrival.monotonic_s) * 1000)
        return [
            ("x-request-id", arrival.request_id),
            ("openai-processing-ms", str(elapsed_ms)),
            _VERSION,
            _TRANSPORT_SECURITY,
        ]

    async def _private_plan(
        self, caller: Caller, call: Call, request: Request, now: Instant
    ) -> Plan:
        """The plan for a model of the caller's own. Raises CallRefused."""
        if self.private is None:
            raise unknown_model(call.model)
        try:
            served = await self.private.find(caller, credential_of(request), call.model)
        except (NotFound, Forbidden):
            raise unknown_model(call.model) from None
        except BaileeError:
            raise state_unavailable() from None
        return self.planner.plan_private(caller, call, now, served)

    async def _prepare(self, call: Call, plan: Plan, request: Request) -> Prepared:
        """Name what is answered and find what stands before it. Raises CallRefused."""
        try:
            return await self._responding.prepare(call, plan, credential_of(request))
        except BaileeError as error:
            if isinstance(error, CallRefused):
                raise
            raise state_unavailable() from None

    async def _defer(self, progress: _Progress, prepared: Prepared) -> None:
        """Answer at once that a Response is queued, and make it in the background."""
        plan, admission, response = progress.plan, progress.admission, prepared.response
        if self.background is None or plan is None or admission is None or response is None:
            raise state_unavailable()
        recording = progress.recording = await self._open(plan, prepared.call)
        now = progress.arrival.now
        body = await self.background.begin(
            Job(
                prepared.call,
                plan.routes,
                response,
                kept_until(plan.decision),
                recording,
                lambda used: self._settle(plan, admission, used, now),
                prepared.keep,
            )
        )
        progress.recording = None
        headers = self._answer_headers(progress, recording)
        headers.append(("content-type", "application/json"))
        progress.client.answer(_OK, headers, body)

    async def _open(self, plan: Plan, call: Call) -> Recording | Unrecorded:
        """Open a record and seal the prompt, where anything is held."""
        if not plan.recorded:
            return UNRECORDED
        caller = plan.caller
        try:
            recording = await self._recorder.open(
                plan.owner, caller.scope_generation, call.operation.endpoint, plan.shared
            )
            recording.prompt(call.body)
        except (Unavailable, UnknownKey, DestroyedKey):
            raise unrecordable("The request") from None
        return recording

    async def _give(
        self, progress: _Progress, answer: BackendAnswer, recording: AnyRecording
    ) -> Used | None:
        """Seal the whole answer, wait until prompt and answer are durable, and give it."""
        body = await whole_body(answer)
        status = answer.status
        if not _OK <= status < _NOT_OK:
            check_refusal(status, body)
        progress.recording = None
        try:
            recording.answer(body, status, final=True)
            await recording.durable()
        except Unavailable:
            raise unrecordable("The answer") from None
        headers = self._answer_headers(progress, recording)
        headers.append(("content-type", "application/json"))
        retry_after_s = answer.retry_after_s()
        if retry_after_s is not None:
            headers.append(("retry-after", f"{retry_after_s:g}"))
        progress.client.answer(status, headers, body)
        return used_tokens(body) or Used() if _OK <= status < _NOT_OK else None

    async def _pass_on(
        self,
        progress: _Progress,
        answer: BackendAnswer,
        recording: AnyRecording,
        call: Call,
    ) -> Used:
        """Wait until the prompt is durable, then pass the stream on and record it."""
        try:
            await recording.durable()
        except Unavailable:
            answer.abandon()
            raise unrecordable("The answer") from None
        except BaseException:
            answer.abandon()
            raise
        translation = call.translation
        if translation is None:
            ending: Ending = ChatEnding(call.choices)
            error_event: ErrorEvent = self._refusals.event
        else:
            ending, error_event = translation.ending, self._told_by(translation)
        stream = Stream(answer, recording, progress.client, error_event, ending)
        headers = self._answer_headers(progress, recording)
        headers.append(("content-type", "text/event-stream; charset=utf-8"))
        headers.append(("cache-control", "no-cache"))
        progress.client.begin(answer.status, headers)
        progress.recording = None
        await run_stream(stream, self.streams)
        return stream.usage or Used(len(call.body) // 4, stream.answer_tokens)

    def _settle(self, plan: Plan, admission: Admission, used: Used | None, now: Instant) -> None:
        """Count what was used. None: the backend refused, so that nothing was."""
        if used is None:
            return
        self.limits.settle(plan.gauges, admission, used.total, now)
        self._count(plan.usage_key, used.input_tokens, used.output_tokens, now)

    def _told_by(self, translation: Translation) -> ErrorEvent:
        """Broken streams end in the client's language where it has a word for it."""

        def event(refused: CallRefused) -> bytes:
            return translation.error_event(refused) or self._refusals.event(refused)

        return event

    async def _refuse(self, progress: _Progress, refused: CallRefused) -> None:
        """Answer with a refusal, recorded like any answer if a record is open."""
        status, own_headers, body = self._refusals.whole(refused)
        recording = progress.recording
        if recording is not None:
            try:
                recording.answer(body, status, final=True)
                await recording.durable()
            except Unavailable:
                status, own_headers, body = self._refusals.whole(unrecordable("The answer"))
        headers = self._answer_headers(progress, recording)
        headers.extend(own_headers)
        progress.client.answer(status, headers, body)

    def _answer_headers(self, progress: _Progress, recording: AnyRecording | None) -> Headers:
        headers = self.headers(progress.arrival)
        if progress.plan is None:
            headers.extend(self.planner.headers_without_plan(progress.arrival.now))
        else:
            headers.extend(progress.plan.headers)
        if progress.admission is not None:
            headers.extend(progress.admission.headers)
        if isinstance(recording, KeptRecording):
            recording = recording.inner
        if recording is not None and not isinstance(recording, Unrecorded):
            headers.append(("bailee-record", str(recording.record)))
            headers.append(("bailee-receipt-key", recording.receipt_key.hex()))
        return headers


def credential_of(request: Headed) -> str:
    """The API key of a request that was authenticated."""
    return bearer_credential(request.header("authorization")) or ""


def state_unavailable() -> CallRefused:
    """The refusal of a call whose state cannot be found or kept at the moment."""
    return CallRefused(
        Because.RECORDING_IMPOSSIBLE,
        "What is kept for this project cannot be reached at the moment. Try again.",
        retry_after_ms=1000,
    )


def close_unanswered(recording: AnyRecording) -> None:
    """End the record of a call whose client has left before an answer."""
    # The prompt is held whatever becomes of this last part; nobody is left to be told.
    with suppress(Unavailable):
        recording.answer(b"", CLIENT_LEFT, final=True, broken=True)


def _is_event_stream(answer: BackendAnswer) -> bool:
    return answer.status == _OK and answer.content_type.startswith("text/event-stream")
