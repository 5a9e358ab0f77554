"""What the operations off the hot path do, put together from a gateway's parts."""

import hashlib
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from bailee.api.bridge import SHOWN_CERTIFICATES
from bailee.api.front_page import FrontPage, PageLink, front_page
from bailee.api.health import Health, PartHealth
from bailee.api.operations import DELETIONS, Operations
from bailee.custody.reading import Reading
from bailee.custody.recorder import Recorder
from bailee.drivers.system import SystemClock
from bailee.governance.tenancy.snapshot import FactsSnapshot
from bailee.kernel.errors import BaileeError, NotFound, NotYet
from bailee.kernel.ids import RecordId
from bailee.kernel.instants import MINUTE_MS, epoch_end
from bailee.lifecycle.log_reader import LogReader
from bailee.lifecycle.receipts import FinalPart, prove_logged, record_receipt
from bailee.policy.decide import API_SERVICE
from bailee.policy.explain import Explanation, Question, explain, facts_of
from bailee.policy.history import PolicyHistory
from bailee.policy.show import BothLanguages, show_at
from bailee.ports.backend import Backend
from bailee.ports.clock import Clock
from bailee.ports.keeper import BootCertificate, Keeper
from bailee.ports.objects import Objects
from bailee.ports.outbox import Outbox
from bailee.ports.rate_limit import RateLimit
from bailee.serving.answer import Answering
from bailee.serving.call import CHAT_COMPLETIONS
from bailee.serving.caller import Caller
from bailee.serving.client_certificates import ShownCertificates
from bailee.serving.owner_reads import LoggedJournal, OwnerReads, ProveJournal
from bailee.settings import Link, Settings
from bailee.wiring.backends import problem_of
from bailee.wiring.fine_tuned import FineTunedModels
from bailee.wiring.held import HeldParts
from bailee.wiring.recording import report_defect
from bailee.wiring.worker_sign import worker_problem

_CLOSING_MS: Final = 2 * MINUTE_MS
_OPEN_RETRY_S: Final = 30.0


class GatewayParts(NamedTuple):
    """What one gateway worker is made of."""

    settings: Settings
    answering: Answering
    owner_reads: OwnerReads
    reading: Reading
    outbox: Outbox
    log_reader: LogReader
    objects: Objects
    policies: Callable[[], PolicyHistory]
    """As last read; versions are only ever added."""
    clock: Clock
    snapshot: FactsSnapshot
    recorder: Recorder
    keeper: Keeper
    backends: dict[str, Backend]
    held: HeldParts
    fine_tuned: FineTunedModels
    worker_sign: Path
    rate_limit: RateLimit


def prove_journal(outbox: Outbox, log_reader: LogReader) -> ProveJournal:
    """How owner reads prove that a journal is in the log."""

    async def prove(entry_hash: bytes, old_size: int) -> LoggedJournal:
        logged = await prove_logged(outbox, log_reader, entry_hash, old_size)
        proof = logged.proof
        return LoggedJournal(
            logged.leaf, proof.entry_index, list(proof.path), proof.checkpoint, logged.consistency
        )

    return prove


def operations_of(parts: GatewayParts) -> Operations:
    """The operations of one gateway worker."""

    def authenticate(request: Any) -> Caller:
        ending = request.method == "DELETE" or request.url.path.startswith(DELETIONS)
        return parts.answering.authenticated(_HeadersOf(request), parts.clock.now(), ending=ending)

    def explained(caller: Caller, question: Question) -> Explanation:
        facts = facts_of(question, parts.clock.now(), caller.service)
        return explain(parts.policies(), facts)

    async def read_receipt(caller: Caller, record: RecordId) -> bytes:
        stored = await parts.owner_reads.find_own(caller, record)
        last = stored.parts[-1]
        if not stored.complete:
            _require_over(parts, record)
            raise NotFound("the record was never completed; it has no receipt")
        part = FinalPart(
            header=last.sealed.header,
            ciphertext_hash=hashlib.sha256(last.sealed.ciphertext).digest(),
            position=last.position,
            path=last.path,
            root_signature=last.journal.signature,
            certificate=msgspec.msgpack.decode(last.journal.certificate, type=BootCertificate),
            entry_hash=last.journal.leaf_hash,
        )
        return await record_receipt(part, parts.outbox, parts.log_reader)

    async def read_deletion(caller: Caller, public_id: str) -> bytes:
        return await parts.held.deletion.receipt(caller.owner, public_id)

    async def log_object(key: str) -> bytes:
        return (await parts.objects.get(key)).data

    async def health() -> Health:
        return await _health(parts)

    async def page(accept_language: str) -> str:
        return await _page(parts, accept_language)

    return Operations(
        authenticate=authenticate,
        explain=explained,
        read_record=parts.owner_reads.read,
        read_receipt=read_receipt,
        read_deletion=read_deletion,
        log_object=log_object,
        health=health,
        page=page,
        report=report_defect,
    )


def _require_over(parts: GatewayParts, record: RecordId) -> None:
    """A long answer goes on in later journals. Raises NotYet while this one may."""
    longest_ms = parts.settings.limits.stream_duration_s * 1000 + _CLOSING_MS
    if parts.clock.now() < epoch_end(record.epoch) + longest_ms:
        raise NotYet("the record's answer may still be under way", retry_after_s=_OPEN_RETRY_S)


class _HeadersOf:
    """An ASGI request as authentication wants it."""

    def __init__(self, request: Any) -> None:
        self._headers = request.headers
        self._scope = request.scope

    @property
    def shown_certificates(self) -> ShownCertificates | None:
        """What the client showed when its connection began."""
        shown: ShownCertificates | None = self._scope.get(SHOWN_CERTIFICATES)
        return shown

    def header(self, name: str) -> str | None:
        """A header's value."""
        value: str | None = self._headers.get(name)
        return value


async def _health(parts: GatewayParts) -> Health:
    found = [
        _part("keys and projects", parts.snapshot.ready()),
        _part("recording", parts.recorder.ready()),
        _part("keeper", await _problem(parts.keeper.status)),
        _part("transparency log", await _problem(parts.log_reader.checkpoint)),
        _part("worker", worker_problem(parts.worker_sign, SystemClock().now())),
    ]
    needed = all(part.ready for part in found[:2])
    for name, backend in parts.backends.items():
        found.append(_part(f"backend {name}", await problem_of(backend)))
    return Health(ready=needed, parts=found)


def _part(name: str, problem: str | None) -> PartHealth:
    return PartHealth(name, problem is None, problem or "ready")


async def _problem(ask: Callable[[], Awaitable[object]]) -> str | None:
    try:
        await ask()
    except BaileeError as error:
        return str(error)
    return None


async def _page(parts: GatewayParts, accept_language: str) -> str:
    settings = parts.settings
    served = parts.answering.planner.models.values()
    models = [model.name for model in served if CHAT_COMPLETIONS.endpoint in model.endpoints]
    host = settings.server.host
    shown = "localhost" if host in ("127.0.0.1", "::1", "0.0.0.0", "::") else host  # noqa: S104
    return front_page(
        FrontPage(
            base_url=f"https://{shown}:{settings.server.port}",
            model=models[0] if models else "",
            # As the README sets it up; a path of this machine is nobody else's business.
            program="bailee" if shutil.which("bailee") else ".venv/bin/bailee",
            region=settings.region,
            parts=(await _health(parts)).parts,
            policy=show_at(parts.policies(), API_SERVICE, parts.clock.now()),
            links=_links(settings),
            korean_first=accept_language.lower().startswith("ko"),
        )
    )


def _links(settings: Settings) -> tuple[PageLink, ...]:
    links = settings.links
    named: tuple[tuple[str, str, Link], ...] = (
        ("Sales and agreements", "영업 및 계약", links.sales),
        ("Forms", "신청 양식", links.forms),
        ("Certifications", "인증", links.certifications),
        ("Questions about consumer services", "소비자 서비스 문의", links.consumer_questions),
    )
    return tuple(
        PageLink(BothLanguages(english, korean), link.english, link.korean)
        for english, korean, link in named
    )
