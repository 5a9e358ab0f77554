"""What an operator does at the machine about services and dated records, put together."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from bailee.custody.recorder import Recorder
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.keeper_socket import KeeperClient
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.engine import check_schema, open_engine
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.audit.service import AuditTrail
from bailee.governance.imports.model import DatedRecord, Imported, ImportedProject
from bailee.governance.imports.service import Imports, Seal
from bailee.governance.policy_drafts.published import PolicyInForce
from bailee.governance.services.service import Services
from bailee.governance.tenancy.acknowledgement import Acknowledgements
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, RecordId, TenantId, parse_project, parse_tenant
from bailee.kernel.instants import Epoch, to_rfc3339
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import OPERATOR
from bailee.policy.decide import API_SERVICE
from bailee.policy.history import PolicyHistory
from bailee.schema.roles import ADMINISTRATOR, GATEWAY
from bailee.settings import Settings
from bailee.wiring.database import database_url
from bailee.wiring.places import Places
from bailee.wiring.processes import open_clock
from bailee.wiring.recording import RecorderNeeds, open_recorder
from bailee.wiring.secrets import read_secret, token_name
from bailee.wiring.trust import read_trust

Row = Mapping[str, Any]


class ServicesDesk:
    """See `cli.administration.ServicesDesk`."""

    def __init__(self, services: Services, policies: PolicyHistory, clock: Any) -> None:
        self._services = services
        self._policies = policies
        self._clock = clock

    async def all(self) -> list[Row]:
        """Every service."""
        rows = [(API_SERVICE, "The API", "API")]
        rows += [(one.service, one.english, one.korean) for one in await self._services.all()]
        now = self._clock.now()
        found: list[Row] = []
        for service, english, korean in rows:
            version = self._policies.version_at(service, now)
            policy = None if version is None else version.id
            found.append({"id": service, "english": english, "korean": korean, "policy": policy})
        return found

    async def register(self, service: str, english: str, korean: str) -> Row:
        """Register one."""
        made = await self._services.register(service, english, korean)
        return {"id": made.service, "english": made.english, "korean": made.korean}

    async def put_project(self, organisation: str, project: str, service: str) -> Row:
        """Put a project under one."""
        try:
            tenant, identifier = parse_tenant(organisation), parse_project(project)
        except ValueError:
            raise NotFound("there is no such project; `bailee projects list` shows them") from None
        await self._services.put_project(TenantId(tenant), ProjectId(identifier), service)
        return {"organisation": organisation, "project": project, "service": service}


@asynccontextmanager
async def services_desk(settings: Settings) -> AsyncIterator[ServicesDesk]:
    """Open the registry of services for an operator's command."""
    places = Places(settings.data_folder.absolute())
    clock = open_clock(places)
    engine = open_engine(database_url(settings, places, ADMINISTRATOR), ADMINISTRATOR)
    try:
        await check_schema(engine)
        database = PostgresDatabase(engine)
        services = Services(
            database,
            clock,
            AuditTrail(OPERATOR.identifier, clock, SystemRandomness()),
            Acknowledgements(database, SystemClock()),
            OPERATOR,
            grace_ms=int(1000 * settings.snapshot.grace_s),
        )
        yield ServicesDesk(services, await PolicyInForce().present(database), clock)
    finally:
        await engine.dispose()


class ImportDesk:
    """See `cli.administration.ImportDesk`."""

    def __init__(self, imports: Imports, policies: PolicyHistory) -> None:
        self._imports = imports
        self._policies = policies

    async def take(self, line: bytes) -> Row:
        """Import one line."""
        try:
            record = msgspec.json.decode(line, type=DatedRecord)
        except msgspec.ValidationError as error:
            raise InvalidInput(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise InvalidInput("not a JSON object in UTF-8") from None
        return _row(await self._imports.take(self._policies, record))


@asynccontextmanager
async def import_desk(settings: Settings) -> AsyncIterator[ImportDesk]:
    """Open the installation for importing records; what was taken is closed and told at the end."""
    places = Places(settings.data_folder.absolute())
    trust, clock = read_trust(places), open_clock(places)
    token = read_secret(places.secrets, token_name("worker"), {})
    keeper = KeeperClient(places.keeper_socket, "worker", Secret(token), SystemClock())
    engine = open_engine(database_url(settings, places, ADMINISTRATOR), ADMINISTRATOR)
    recording = open_engine(database_url(settings, places, GATEWAY), GATEWAY)
    needs = RecorderNeeds(
        LocalFiles(places.data), recording, keeper, clock, trust, "import", threads=2
    )
    recorder = open_recorder(settings, needs)
    try:
        await check_schema(engine)
        database = PostgresDatabase(engine)
        audit = AuditTrail(OPERATOR.identifier, clock, SystemRandomness())
        imports = Imports(database, clock, audit, OPERATOR, _sealing(recorder))
        await imports.begin()
        await recorder.tick()
        try:
            yield ImportDesk(imports, await PolicyInForce().present(database))
        finally:
            await recorder.drain()
            await imports.end()
    finally:
        await keeper.close()
        await engine.dispose()
        await recording.dispose()


def _sealing(recorder: Recorder) -> Seal:
    async def seal(project: ImportedProject, line: DatedRecord, epoch: Epoch) -> RecordId | None:
        recording = None
        with suppress(NotFound):
            recording = await recorder.open(
                project.owner, project.scope_generation, line.endpoint, expected=epoch
            )
        if recording is None:
            return None
        recording.prompt(line.request.encode())
        recording.answer(line.answer.encode(), line.status, final=True)
        await recording.durable()
        return recording.record

    return seal


def _row(imported: Imported) -> Row:
    return {
        "outcome": imported.outcome.value,
        "policy": imported.policy,
        "service": imported.service,
        "until": None if imported.until is None else to_rfc3339(imported.until),
        "record": None if imported.record is None else str(imported.record),
    }
