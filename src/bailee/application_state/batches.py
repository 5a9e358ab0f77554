"""Batches as their owner sees them.

    validating → in_progress → finalizing → completed | expired
    validating | in_progress → failed, or cancelling → cancelled

A batch is kept like everything else: what was asked, how far it has come and what is wrong with
its input are sealed; its status alone is in clear. Its lines are answered elsewhere
(`serving.batching`) under a grant that the owner's API key obtains when the batch is created: for
the input file, for the batch, for the project's fine-tuned models, and for the stretches of results
that the work keeps beside it until they become files.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from bailee.application_state.carried import FencedError, Revised, carried, revise
from bailee.application_state.deletion import Deletion
from bailee.application_state.files import Files
from bailee.application_state.keeping import Keeping, KeptFor, New, Opened
from bailee.application_state.model import HeldObject, Kind
from bailee.kernel.errors import Conflict, InvalidInput, NotFound
from bailee.kernel.ids import ObjectId, ObjectKeyName
from bailee.kernel.instants import DAY_MS, Instant
from bailee.kernel.redacted import hidden

VALIDATING: Final = "validating"
IN_PROGRESS: Final = "in_progress"
FINALIZING: Final = "finalizing"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
EXPIRED: Final = "expired"
CANCELLING: Final = "cancelling"
CANCELLED: Final = "cancelled"
TO_DO: Final = (VALIDATING, IN_PROGRESS, FINALIZING, CANCELLING)
_CANCELLABLE: Final = frozenset({VALIDATING, IN_PROGRESS})

WINDOW: Final = "24h"
WINDOW_MS: Final = DAY_MS
GRANT_MS: Final = 2 * DAY_MS
"""The window, and time to deliver what was answered within it."""
KEPT_MS: Final = 3 * DAY_MS
"""How long results are kept beside a batch that nobody carries to its end."""
SLOTS: Final = 900
"""Stretches of results that one batch may keep. A grant names a thousand things at most."""
_MODELS: Final = 50
"""Fine-tuned models that a batch may call: the project's newest when it is created."""
_OPENED_AT_ONCE: Final = 100
_SEED_BYTES: Final = 16


class BatchProblem(msgspec.Struct, frozen=True):
    """What is wrong with a batch. Never quotes its input."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class Counts(msgspec.Struct, frozen=True):
    """How many lines there are, and what became of them."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class BatchDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed of a batch."""

    endpoint: str
    input_file: str
    input_object: bytes
    key_id: bytes
    """The API key that created it: whose use it is."""
    seed: bytes
    """From which the names of what it makes are derived."""
    output_expires_ms: int | None = None
    metadata: dict[str, str] | None = None
    model: str | None = None
    counts: Counts = Counts()
    problems: list[BatchProblem] = []
    times: dict[str, int] = {}
    """When it came to a status, in Unix seconds."""
    fence: int = 0
    """The newest holder's token: an earlier one changes nothing any more."""
    ending: str = ""
    """What it is to become when its files are made."""
    intended: list[str] = []
    """Names of output and error file, before they are made."""
    output_file: str | None = None
    error_file: str | None = None

    def __repr__(self) -> str:
        return hidden(self)


class Batch(NamedTuple):
    """A batch, opened."""

    held: HeldObject
    details: BatchDetails

    @property
    def status(self) -> str:
        """As the API has it."""
        return self.held.label

    @property
    def expires_at_s(self) -> int:
        """When its window ends, in Unix seconds: exactly so long after the second it was made."""
        return self.held.created_at // 1000 + WINDOW_MS // 1000


class NewBatch(NamedTuple):
    """What is asked for."""

    endpoint: str
    input_file: str
    key_id: bytes
    metadata: dict[str, str] | None
    output_expires_ms: int | None

    def __repr__(self) -> str:
        return hidden(self)


@dataclass(slots=True)
class Batches:
    """A project's batches."""

    files: Files

    @property
    def keeping(self) -> Keeping:
        """Where everything is kept."""
        return self.files.keeping

    @property
    def deletion(self) -> Deletion:
        """How it ends."""
        return self.files.deletion

    async def create(self, whose: KeptFor, new: NewBatch) -> Batch:
        """Begin a batch. Raises InvalidInput naming the field."""
        source = await self._input(whose, new.input_file)
        keeping, owner = self.keeping, whose.owner
        now = keeping.clock.now()
        batch, seed = keeping.new_object(), keeping.randomness.random_bytes(_SEED_BYTES)
        models = await keeping.page(whose, Kind.ADAPTER, limit=_MODELS)
        objects = [batch, source.object, *(model.object for model in models.objects)]
        objects += [slot_name(seed, number) for number in range(SLOTS)]
        names = [ObjectKeyName(owner.region, owner.project, one) for one in objects]
        until = Instant(now + GRANT_MS)
        grant = await keeping.grant_names(whose, names, f"batch/{batch.hex()}", until)
        details = BatchDetails(
            endpoint=new.endpoint,
            input_file=new.input_file,
            input_object=source.object,
            key_id=new.key_id,
            seed=seed,
            output_expires_ms=new.output_expires_ms,
            metadata=new.metadata,
        )
        sealed = msgspec.json.encode(details)
        kept = await keeping.keep(
            whose, New(Kind.BATCH, sealed, VALIDATING, object=batch, work_grant=grant)
        )
        return Batch(kept, details)

    async def find(self, whose: KeptFor, public_id: str) -> Batch:
        """One batch. Raises NotFound."""
        return batch_of(await self.keeping.read(whose, Kind.BATCH, public_id))

    async def page(
        self, whose: KeptFor, *, after: str | None, limit: int
    ) -> tuple[list[Batch], bool]:
        """Batches, newest first, and whether there are more."""
        page = await self.keeping.page(whose, Kind.BATCH, after=after, limit=limit)
        opened = await self.keeping.listed(whose, page.objects)
        return [batch_of(one) for one in opened], page.has_more

    async def cancel(self, whose: KeptFor, public_id: str) -> Batch:
        """Let a batch end after what was answered. Raises NotFound, Conflict if it is over."""
        now_s = self.keeping.clock.now() // 1000

        def change(opened: Opened) -> Revised | None:
            batch = batch_of(opened)
            if batch.status == CANCELLING:
                return None
            if batch.status not in _CANCELLABLE:
                raise Conflict(f"Cannot cancel a batch with status '{batch.status}'.")
            return Revised(
                msgspec.json.encode(reached(batch.details, CANCELLING, now_s)), CANCELLING
            )

        def read() -> Awaitable[Opened]:
            return self.keeping.read(whose, Kind.BATCH, public_id)

        return batch_of(await revise(self.keeping, whose, read, change))

    async def delete_with_outputs(self, whose: KeptFor, public_id: str) -> None:
        """Destroy an input file, and what batches have made of it. Raises NotFound.

        What goes on with it fails within about a second, and its results with it.
        """
        source = await self.keeping.find(whose, Kind.FILE, public_id)
        ended, after = [source], None
        while True:
            page = await self.keeping.page(whose, Kind.BATCH, after=after, limit=_OPENED_AT_ONCE)
            for batch in map(batch_of, await self.keeping.listed(whose, page.objects)):
                if batch.details.input_object == source.object:
                    made = await self.keeping.page(whose, Kind.FILE, parent=batch.held.object)
                    ended += made.objects
            if not page.has_more:
                break
            after = page.objects[-1].public_id
        await self.deletion.delete(whose, ended)

    async def _input(self, whose: KeptFor, public_id: str) -> HeldObject:
        try:
            held = await self.keeping.find(whose, Kind.FILE, public_id)
        except NotFound:
            raise InvalidInput(
                "Invalid 'input_file_id': there is no such file.", field="input_file_id"
            ) from None
        if held.label != "batch":
            raise InvalidInput(
                f"Invalid 'input_file_id': the file's purpose is '{held.label}'; upload it with "
                "purpose 'batch'.",
                field="input_file_id",
            )
        return held


def batch_of(opened: Opened) -> Batch:
    """A batch from its details."""
    return Batch(opened.held, msgspec.json.decode(opened.details, type=BatchDetails))


def reached(details: BatchDetails, status: str, now_s: int) -> BatchDetails:
    """The details of a batch that comes to `status` now."""
    return msgspec.structs.replace(details, times=details.times | {status: now_s})


def slot_name(seed: bytes, number: int) -> ObjectId:
    """The name of the key of a batch's results, stretch by stretch."""
    return ObjectId(hashlib.blake2b(b"results%d" % number, key=seed, digest_size=16).digest())


async def change_batch(
    keeping: Keeping,
    whose: KeptFor,
    name: ObjectId,
    fence: int,
    change: Callable[[BatchDetails], BatchDetails],
    label: str | None = None,
) -> Batch:
    """Change a batch on the work's behalf, whatever its owner changes at the same time.

    A batch that its owner cancels goes on to be cancelled. Raises NotFound when it is gone,
    FencedError when a later holder has begun.
    """

    def revised(opened: Opened) -> Revised:
        details = batch_of(opened).details
        if details.fence > fence:
            raise FencedError
        present = opened.held.label
        kept = present if label is None else label
        if present == CANCELLING and kept in (IN_PROGRESS, FINALIZING):
            kept = present
        changed = msgspec.structs.replace(change(details), fence=fence)
        if kept != present:
            changed = reached(changed, kept, keeping.clock.now() // 1000)
        return Revised(msgspec.json.encode(changed), kept)

    def read() -> Awaitable[Opened]:
        return carried(keeping, whose, name)

    return batch_of(await revise(keeping, whose, read, revised))
