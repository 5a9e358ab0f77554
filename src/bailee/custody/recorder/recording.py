"""One exchange on its way into a journal.

`prompt` and `answer` seal and queue and never wait; `durable` waits for the disk. Nothing here can
open what was sealed: content keys are wiped as soon as their part is sealed.
"""

import hashlib

from bailee.custody.journal.writer import JournalWriter
from bailee.custody.recorder.chains import Scope
from bailee.custody.recorder.sharing import Sharing
from bailee.custody.recorder.stream import Stream
from bailee.custody.seal.derive import receipt_key
from bailee.custody.seal.part import (
    FLAG_BROKEN,
    FLAG_FINAL,
    KIND_ANSWER,
    KIND_PROMPT,
    NO_HASH,
    header_start,
    leaf_hash,
    receipt_commitment,
    record_hash,
)
from bailee.custody.seal.session import Chain, seal_part
from bailee.custody.seal.wipe import wipe
from bailee.kernel.errors import Conflict
from bailee.kernel.ids import RecordId

CONTENT_KEY_BYTES = 32

_sha256 = hashlib.sha256


class Recording:
    """A record being written. Made by `Recorder.open`; ends with a `final` answer."""

    __slots__ = (
        "_answer_hash",
        "_earlier",
        "_endpoint",
        "_final",
        "_part",
        "_previous",
        "_request_hash",
        "_scope",
        "_sharing",
        "_stream",
        "_wait_for",
        "_writer",
        "receipt_key",
        "record",
    )

    record: RecordId
    """Known after `prompt`."""
    receipt_key: bytes
    """r, known after `prompt`: what the caller needs to prove which exchange a receipt is about."""

    def __init__(
        self, stream: Stream, scope: Scope, endpoint: int, sharing: Sharing | None = None
    ) -> None:
        self._stream = stream
        self._scope = scope
        self._endpoint = endpoint
        self._sharing = sharing
        self._part = 0
        self._previous = NO_HASH
        self._request_hash = b""
        self._answer_hash = _sha256()
        self._writer: JournalWriter | None = None
        self._wait_for = 0
        self._earlier: list[tuple[JournalWriter, int]] = []
        self._final = False

    def prompt(self, content: bytes) -> None:
        """Seal and queue the request's body. Raises Unavailable when too much waits already."""
        if self._writer is not None:
            raise Conflict("a record has one prompt")
        stream = self._stream
        tools = stream.tools
        writer = stream.writer(tools.max_waiting_bytes)
        self.record = RecordId(stream.epoch, writer.header.journal, writer.parts)
        self._request_hash = _sha256(content).digest()
        content_key = tools.randomness.random_bytes(CONTENT_KEY_BYTES)
        self.receipt_key = receipt_key(content_key)
        self._seal(writer, KIND_PROMPT, 0, 0, content, content_key, NO_HASH)
        stream.recordings.add(self)

    def answer(self, content: bytes, status: int, *, final: bool, broken: bool = False) -> None:
        """Seal and queue the next stretch of the answer, as it goes to the client.

        With `final` the record is complete and covered by its receipt. `broken` says that the
        answer did not come to its own end. Every recording must come to a `final` answer, an empty
        broken one if need be. Raises Unavailable when too much waits already.
        """
        if self._writer is None or self._final:
            raise Conflict("an answer follows a prompt and ends with its final part")
        stream = self._stream
        tools = stream.tools
        writer = stream.writer(2 * tools.max_waiting_bytes)
        self._answer_hash.update(content)
        commitment, flags = NO_HASH, FLAG_BROKEN if broken else 0
        if final:
            flags |= FLAG_FINAL
            commitment = receipt_commitment(
                self.receipt_key, self._request_hash, self._answer_hash.digest()
            )
        content_key = tools.randomness.random_bytes(CONTENT_KEY_BYTES)
        self._seal(writer, KIND_ANSWER, flags, status, content, content_key, commitment)
        if final:
            self._final = True
            stream.recordings.discard(self)

    async def durable(self) -> None:
        """Wait until everything queued so far is on disk under a signed root.

        Raises Unavailable if it will not be: the journal failed, and what was queued is lost.
        """
        while self._earlier:
            earlier, parts = self._earlier[0]
            await earlier.durable(parts)
            del self._earlier[0]
        if self._writer is not None:
            await self._writer.durable(self._wait_for)

    def _seal(
        self,
        writer: JournalWriter,
        kind: int,
        flags: int,
        status: int,
        content: bytes,
        content_key: bytes,
        commitment: bytes,
    ) -> None:
        scope, stream = self._scope, self._stream
        now = stream.tools.clock.now()
        chains: tuple[Chain, ...] = (stream.chains.chain(scope, stream.journal, writer),)
        if self._sharing is not None:
            shared = self._sharing.chain(stream, writer, now)
            if shared is None:
                self._sharing = None
            else:
                chains = (*chains, shared)
        start = header_start(
            kind,
            flags,
            self._endpoint,
            status,
            self._part,
            self.record,
            now,
            scope.tenant_pseudonym,
            scope.project_pseudonym,
            scope.name.generation,
            self._previous,
            commitment,
        )
        sealed, hashed = seal_part(
            self.record, self._part, start, content, content_key, scope.owner, chains
        )
        wipe(content_key)
        self._previous = record_hash(self._previous, hashed)
        writer.add_part(sealed.pieces(), leaf_hash(commitment, self._previous))
        self._part += 1
        last = self._writer
        if last is not writer and last is not None and last.durable_parts < self._wait_for:
            # The record goes on in another journal while this one's last commit is under way.
            self._earlier.append((last, self._wait_for))
        self._writer = writer
        self._wait_for = writer.parts
