"""A whole installation in memory, on one disk that can lose power at any call.

`Machine` is what survives: disk, bucket, tables, the clock. `Life` is everything that runs between
two crashes: keeper, recorder, sequencer, clerk, wired as the real processes are. A scenario is a
list of steps, each of which may be taken again; `survive` runs it with a crash at one call and
goes on behind it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from bailee.custody.journal.recovery import Recovery
from bailee.custody.keeper.keyring import Keyring
from bailee.custody.keeper.service import KeeperService
from bailee.custody.reading import Reading
from bailee.custody.recorder import Recorder
from bailee.custody.seal.part import Owner
from bailee.custody.segment.packing import Packer
from bailee.drivers.keys_file import FileRootSlots
from bailee.drivers.memory import (
    Bucket,
    Database,
    Disk,
    Faults,
    InlineOffload,
    ManualClock,
    MemoryFiles,
    MemoryLeases,
    MemoryLedger,
    MemoryObjects,
    MemoryOutbox,
    SeededRandomness,
    SimulatedCrash,
)
from bailee.kernel.ids import (
    EpochKeyName,
    ProjectId,
    Purpose,
    RecordId,
    Region,
    ScopeKeyName,
    TenantId,
)
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret
from bailee.lifecycle.census import Census
from bailee.lifecycle.clerk import Clerk
from bailee.lifecycle.epochs import EpochLifecycle
from bailee.lifecycle.log_reader import LogReader
from bailee.lifecycle.receipts import DestructionReceipts, prove_logged
from bailee.lifecycle.sequencer import Sequencer
from bailee.serving.caller import Caller
from bailee.serving.owner_reads import LoggedJournal, OwnerReads, ReadRecord
from bailee.transparency.note import Signer

US = Region("us")
START = Instant(1_795_419_000_000)
"""The start of an epoch, in November 2026."""
OWNER = Owner(TenantId(b"one tenant......"), ProjectId(b"one project....."), US)
CREDENTIAL = Secret(b"sk-bailee-0123456789abcdef-" + b"A" * 43)
CALLER = Caller(bytes(8), OWNER.tenant, OWNER.project, US, 0)
CHAT = "/v1/chat/completions"


class Shared(NamedTuple):
    """Sharing that stands: every other exchange is sealed for training besides."""

    generation: int = 0

    def stands(self, now: Instant) -> bool:
        """Always."""
        return True


SHARED: Final = Shared()


class Written(NamedTuple):
    """An exchange that was acknowledged as durable."""

    record: RecordId
    request: bytes
    answer: bytes
    arrived_at: Instant


class Machine:
    """What survives a crash, and what the outside world knows."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.disk = Disk(seed)
        self.bucket = Bucket()
        self.database = Database()
        self.clock = ManualClock(START)
        self.randomness = SeededRandomness(seed)
        self.signer = Signer("bailee.example/simulation", self.randomness.random_bytes(32))
        self.written: list[Written] = []
        self.lives = 0

    def crash(self, *, power: bool, life: "Life") -> None:
        """End a life: by a loss of power, or of the processes alone."""
        life.files.die()
        if power:
            self.disk.crash()
        again = Database()
        again.tables, again.leases = self.database.tables, self.database.leases
        self.database = again


class Life:
    """Everything that runs, from a start to a crash."""

    def __init__(self, machine: Machine, faults: Faults) -> None:
        self.machine = machine
        self.faults = faults
        machine.lives += 1
        name = f"life-{machine.lives}"
        clock, randomness = machine.clock, machine.randomness
        self.files = MemoryFiles(machine.disk, faults)
        self.objects = MemoryObjects(machine.bucket, faults)
        self.ledger = MemoryLedger(machine.database, faults)
        self.outbox = MemoryOutbox(machine.database, faults)
        leases = MemoryLeases(machine.database, clock, faults)
        slots = FileRootSlots(self.files)
        self.keyring = Keyring(self.files, slots, randomness)
        self.keeper = KeeperService(
            self.keyring,
            slots,
            clock,
            randomness,
            InlineOffload(),
            machine.signer.verifier,
            trust_clock=True,
        )
        self.log = LogReader(self.objects, machine.signer.verifier)
        self.sequencer = Sequencer(
            self.outbox, leases, self.objects, clock, machine.signer, holder=name
        )
        self.epochs = EpochLifecycle(self.ledger, self.keeper, self.objects, self.files, clock)
        self._leases, self._name = leases, name

    async def start(self) -> None:
        """Start in the order of the processes: the keeper first, which catches up."""
        await self.keeper.start()
        scope = ScopeKeyName(US, Purpose.ABUSE_MONITORING, OWNER.project)
        await self.keeper.create_scope(scope)
        await self.keeper.register_credential(CREDENTIAL, OWNER.tenant, OWNER.project, None)
        identity = (await self.keeper.status()).identity
        offload, clock = InlineOffload(), self.machine.clock
        recovery = Recovery(self.files, offload, self.ledger, clock, node="node", identity=identity)
        packer = Packer(self.files, offload, self.objects, self.ledger, clock, node="node")

        async def keep_local() -> None:
            await recovery.run()
            await packer.run()

        self.clerk = Clerk(
            clock,
            self._leases,
            self._name,
            self.epochs,
            DestructionReceipts(self.ledger, self.keeper, self.objects, self.outbox, self.log),
            Census(self.ledger, self.keeper),
            keep_local,
        )
        self.recorder = Recorder(
            self.files,
            offload,
            self.ledger,
            self.keeper,
            clock,
            self.machine.randomness,
            node="node",
            worker=self._name,
            regions=(US,),
            identity=identity,
        )
        self.reads = OwnerReads(
            Reading(self.files, offload, self.objects, self.ledger, node="node", regions=(US,)),
            self.keeper,
            self._prove,
        )

    async def _prove(self, entry_hash: bytes, old_size: int) -> LoggedJournal:
        logged = await prove_logged(self.outbox, self.log, entry_hash, old_size)
        proof = logged.proof
        return LoggedJournal(
            logged.leaf, proof.entry_index, list(proof.path), proof.checkpoint, logged.consistency
        )

    async def exchange(self) -> None:
        """Record one exchange; the world remembers it once it is durable."""
        number = len(self.machine.written)
        request, answer = b'{"messages":["%d"]}' % number, b'{"answer":"%d"}' % number
        arrived_at = self.machine.clock.now()
        recording = await self.recorder.open(OWNER, 0, CHAT, SHARED if number % 2 else None)
        recording.prompt(request)
        recording.answer(answer, 200, final=True)
        await recording.durable()
        self.machine.written.append(Written(recording.record, request, answer, arrived_at))

    async def close_journals(self) -> None:
        """Let the recorder close what is open, and the log learn of it."""
        self.machine.clock.advance(61_000)
        await self.recorder.tick()
        await self.tick()

    async def tick(self) -> None:
        """One round of the clerk and of the sequencer, and another for what the first made
        possible."""
        for _ in range(2):
            await self.clerk.tick()
            await self.sequencer.step()
        if self.faults.crashed:
            raise SimulatedCrash("somewhere in a task")

    async def read(self, written: Written) -> ReadRecord:
        """Open a record for its owner."""
        return await self.reads.read(CALLER, CREDENTIAL, written.record)

    async def leaves(self) -> list[bytes]:
        """The whole log."""
        size = (await self.log.checkpoint()).checkpoint.size
        return await self.log.entries(0, size)

    def live_epochs(self) -> list[EpochKeyName]:
        """The keyring's epochs by name."""
        return list(self.keyring.state.epochs)


Step = Callable[[Life], Awaitable[None]]


def survive(machine: Machine, steps: list[Step], faults: Faults, *, power: bool = True) -> int:
    """Run the steps; at a crash begin a new life and take the step again. Gives the calls made
    before the first crash, or all."""
    position = 0
    calls = 0
    while position < len(steps):
        life = Life(machine, faults)
        done = asyncio.run(_live(life, steps[position:]))
        position += done
        if not faults.crashed:
            return faults.calls
        calls = calls or faults.calls
        machine.crash(power=power, life=life)
        faults = Faults()
    return calls


async def _live(life: Life, steps: list[Step]) -> int:
    # A process that dies leaves tasks that nobody waits for: that is what is simulated.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    done = 0
    try:
        await _until_crash(life, life.start())
        for step in steps:
            await _until_crash(life, step(life))
            done += 1
    except SimulatedCrash:
        pass
    return done


async def _until_crash(life: Life, work: Awaitable[None]) -> None:
    """A crash in a background task leaves others waiting for ever: they die with it."""
    task = asyncio.ensure_future(work)
    while not task.done():
        if life.faults.crashed:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise SimulatedCrash("in a task")
        await asyncio.sleep(0)
    task.result()
