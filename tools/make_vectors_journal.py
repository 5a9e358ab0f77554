"""Writes tests/vectors/{journal,segment}.json.

Every value follows from the constants below, so that another implementation can be checked against
the files and a changed file shows that a format changed. Binary values are hexadecimal.
Ciphertexts, wraps and encapsulations are stand-ins: journal and segment carry them unread. A
segment is given as its rows, since a Parquet file's bytes depend on the library that writes it.

    python tools/make_vectors_journal.py [folder]
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bailee.custody.journal import frames
from bailee.custody.journal.closing import closed_row, opened_row
from bailee.custody.journal.frames import JournalHeader, SignedRoot, encode_frame
from bailee.custody.journal.places import journal_path
from bailee.custody.journal.reader import leaf_of
from bailee.custody.journal.root import root_message
from bailee.custody.keeper.signatures import Identity
from bailee.custody.seal.part import (
    FLAG_FINAL,
    KIND_ANSWER,
    KIND_PROMPT,
    NO_HASH,
    PartHeader,
    SealedPart,
    Wrap,
    part_hash,
    record_hash,
)
from bailee.custody.seal.session import ScopeFrame, SessionFrame
from bailee.custody.segment.build import build_segment
from bailee.custody.segment.layout import METADATA_KEY, segment_key
from bailee.drivers.memory import MemoryFiles
from bailee.kernel.ids import JournalId, Purpose, RecordId, Region, SessionId
from bailee.kernel.instants import DAY_MS, MINUTE_MS, Epoch, Instant, epoch_start
from bailee.transparency import tree

REGION = Region("us")
EPOCH = Epoch(994_000)
JOURNAL = JournalId(0x0123456789ABCDEF)
PURPOSE = Purpose.ABUSE_MONITORING
AT = Instant(epoch_start(EPOCH) + 5 * MINUTE_MS)
RECORD = RecordId(EPOCH, JOURNAL, 0)


def stand_in(label: str, size_bytes: int = 32) -> bytes:
    """Bytes that follow from a label: SHAKE-256."""
    return hashlib.shake_256(label.encode()).digest(size_bytes)


KEEPER = Identity(stand_in("keeper key"))
WORKER = Ed25519PrivateKey.from_private_bytes(stand_in("worker key"))
SESSION = SessionId(stand_in("session", 16))


def header() -> JournalHeader:
    """The journal's header."""
    public = WORKER.public_key().public_bytes_raw()
    certificate = KEEPER.certificate(
        "worker-1", REGION, public, Instant(AT - DAY_MS), Instant(AT + 6 * DAY_MS)
    )
    return JournalHeader(JOURNAL, EPOCH, REGION, certificate)


def parts() -> list[SealedPart]:
    """A prompt and its final answer."""
    made: list[SealedPart] = []
    previous = NO_HASH
    for number, (kind, flags, status) in enumerate(
        [(KIND_PROMPT, 0, 0), (KIND_ANSWER, FLAG_FINAL, 200)]
    ):
        head = PartHeader(
            kind,
            flags,
            1,
            status,
            number,
            RECORD,
            Instant(AT + number),
            stand_in("tenant pseudonym", 16),
            stand_in("project pseudonym", 16),
            0,
            previous,
            stand_in("receipt commitment") if flags else NO_HASH,
            stand_in(f"key commitment {number}"),
            1000 + number,
        ).encode()
        ciphertext = stand_in(f"ciphertext {number}", 40)
        wrap = Wrap(PURPOSE, SESSION, 0, number, stand_in(f"wrapped {number}", 48)).encode()
        made.append(SealedPart(head, (wrap,), ciphertext))
        digests = hashlib.sha256(head).digest(), hashlib.sha256(ciphertext).digest()
        previous = record_hash(previous, part_hash(*digests))
    return made


def signed_root(count: int, leaves: list[bytes]) -> SignedRoot:
    """The root over the first `count` parts."""
    root = tree.root_of(leaves[:count])
    return SignedRoot(count, root, WORKER.sign(root_message(REGION, EPOCH, JOURNAL, count, root)))


def journal() -> tuple[list[dict[str, Any]], bytes, SignedRoot, list[bytes]]:
    """The journal's frames as described, its bytes, its last root, its leaves."""
    sealed = parts()
    leaves = [leaf_of(part, PartHeader.decode(part.header)) for part in sealed]
    session = SessionFrame(SESSION, stand_in("epoch encapsulation", 1168))
    scope = ScopeFrame(SESSION, 0, 0, stand_in("scope encapsulation", 80))
    last = signed_root(2, leaves)
    contents = [
        (frames.HEADER, header().encode()),
        (frames.SESSION, frames.encode_session(session, PURPOSE)),
        (frames.SCOPE, frames.encode_scope(scope)),
        (frames.PART, sealed[0].encode()),
        (frames.ROOT, signed_root(1, leaves).encode()),
        (frames.PART, sealed[1].encode()),
        (frames.ROOT, last.encode()),
        (frames.CLOSE, b""),
    ]
    encoded = [encode_frame(kind, content) for kind, content in contents]
    described = [
        {"type": kind, "content": content.hex(), "frame": frame.hex()}
        for (kind, content), frame in zip(contents, encoded, strict=True)
    ]
    return described, b"".join(encoded), last, leaves


def journal_vectors() -> dict[str, Any]:
    """The journal format."""
    described, data, last, leaves = journal()
    return {
        "path": journal_path(REGION, EPOCH, JOURNAL),
        "region": REGION,
        "epoch": EPOCH,
        "journal": f"{JOURNAL:016x}",
        "worker_seed": stand_in("worker key").hex(),
        "keeper_identity": KEEPER.public_key.hex(),
        "frames": described,
        "leaves": [leaf.hex() for leaf in leaves],
        "root_message": root_message(REGION, EPOCH, JOURNAL, last.parts, last.root).hex(),
        "root": last.root.hex(),
        "signature": last.signature.hex(),
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def segment_vectors() -> dict[str, Any]:
    """The segment of that one journal."""
    _, data, last, _ = journal()
    files = MemoryFiles()
    files.write(journal_path(REGION, EPOCH, JOURNAL), data)
    opened = opened_row(header(), "node", AT)
    row, leaf = closed_row(opened, last, Instant(AT + MINUTE_MS), len(data), recovered=False)
    built = build_segment(files, [row], PURPOSE)
    # Without Arrow's thread pools, which may not end before the interpreter does.
    file = pq.ParquetFile(pa.BufferReader(built.data), pre_buffer=False)
    table = file.read(use_threads=False)
    metadata = json.loads(table.schema.metadata[METADATA_KEY])
    rows = [
        {name: _plain(value) for name, value in line.items()}
        for line in table.set_column(
            table.schema.get_field_index("sealed_at"),
            "sealed_at",
            table["sealed_at"].cast(pa.int64()),
        ).to_pylist()
    ]
    pair = [JOURNAL, JournalId(7)]
    return {
        "key": segment_key(REGION, PURPOSE, EPOCH, [JOURNAL]),
        "key_of_two": segment_key(REGION, PURPOSE, EPOCH, pair),
        "second_journal": f"{pair[1]:016x}",
        "log_leaf": leaf.decode(),
        "columns": {field.name: str(field.type) for field in table.schema},
        "metadata": metadata,
        "rows": rows,
    }


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def main() -> None:
    """Write both files."""
    default = Path(__file__).parents[1] / "tests" / "vectors"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    for name, vectors in (("journal", journal_vectors()), ("segment", segment_vectors())):
        (folder / f"{name}.json").write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
