"""A recorder on a real disk for `bailee bench seal`, with a keeper in the same process."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bailee.custody.keeper.keyring import Keyring
from bailee.custody.keeper.service import KeeperService
from bailee.custody.recorder import Recorder
from bailee.custody.seal.part import Owner
from bailee.custody.segment.packing import Packer
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.keys_file import FileRootSlots
from bailee.drivers.memory import Database, MemoryLedger
from bailee.drivers.objects import open_objects
from bailee.drivers.system import SystemClock, SystemRandomness, ThreadOffload
from bailee.kernel.ids import ProjectId, Purpose, Region, ScopeKeyName, TenantId
from bailee.ports.ledger import JournalState
from bailee.transparency.note import Signer

REGION: Final = Region("us")
ENDPOINT: Final = "/v1/chat/completions"
NODE: Final = "bench"
GCM_TAG_BYTES: Final = 16


class SealingUnderMeasurement:
    """One worker's recorder, its journals packed into segments at the end."""

    def __init__(self, folder: Path) -> None:
        self._files = LocalFiles(folder)
        self._folder = folder
        self._offload = ThreadOffload(4)
        self._ledger = MemoryLedger(Database())
        self._owner = Owner(TenantId(bytes(16)), ProjectId(b"p" * 16), REGION)

    async def run(
        self, exchanges: list[tuple[bytes, bytes]], concurrent: int
    ) -> tuple[float, int, int]:
        """Record everything durably; seconds, bytes in segments, bytes of sealed content."""
        clock, recorder = SystemClock(), await self._recorder()
        await recorder.tick()
        waiting = iter(exchanges)
        began_s = clock.monotonic_s()
        await asyncio.gather(*(self._record(recorder, waiting) for _ in range(concurrent)))
        seconds = clock.monotonic_s() - began_s
        await recorder.drain()
        return seconds, *await self._stored()

    async def _record(self, recorder: Recorder, waiting: Iterator[tuple[bytes, bytes]]) -> None:
        for request, answer in waiting:
            recording = await recorder.open(self._owner, 0, ENDPOINT)
            recording.prompt(request)
            recording.answer(answer, 200, final=True)
            await recording.durable()

    async def _recorder(self) -> Recorder:
        randomness, clock = SystemRandomness(), SystemClock()
        slots = FileRootSlots(self._files)
        keeper = KeeperService(
            Keyring(self._files, slots, randomness),
            slots,
            clock,
            randomness,
            self._offload,
            Signer("bailee.local/bench", bytes(32)).verifier,
        )
        await keeper.start()
        await keeper.create_scope(
            ScopeKeyName(REGION, Purpose.ABUSE_MONITORING, self._owner.project)
        )
        return Recorder(
            self._files,
            self._offload,
            self._ledger,
            keeper,
            clock,
            randomness,
            node=NODE,
            worker="bench",
            regions=(REGION,),
            identity=(await keeper.status()).identity,
        )

    async def _stored(self) -> tuple[int, int]:
        objects = open_objects((self._folder / "objects").as_uri(), self._offload)
        packer = Packer(self._files, self._offload, objects, self._ledger, SystemClock(), node=NODE)
        async with self._ledger.transaction() as transaction:
            rows = await transaction.journals_in(JournalState.CLOSED, NODE)
        stored = content = 0
        for row in rows:
            segment = await packer.pack([row])
            stored += segment.size_bytes
            content += await self._content_bytes(segment.key)
        return stored, content

    async def _content_bytes(self, key: str) -> int:
        """Compressed content in a segment, without keys, tags and index."""
        import pyarrow.parquet

        from bailee.custody.seal.part import SealedPart

        table = await self._offload.run(
            partial(pyarrow.parquet.read_table, self._folder / "objects" / key)
        )
        bodies = [
            body
            for frame, body in zip(
                table.column("frame").to_pylist(), table.column("body").to_pylist(), strict=True
            )
            if frame == 3
        ]
        return sum(len(SealedPart.decode(body).ciphertext) - GCM_TAG_BYTES for body in bodies)
