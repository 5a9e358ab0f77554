"""What the commands need of a wired installation.

`bailee.wiring` is the module that satisfies `Wiring`; results are plain values, ready for JSON, so
that nothing below the command line needs to know these types.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, cast

from bailee.policy.history import PolicyHistory
from bailee.settings import Settings

Row = Mapping[str, Any]
"""One thing, by field name; instants as RFC 3339 text."""


class Administration(Protocol):
    """An installation opened by an operator on its machine, in the administrator's role."""

    async def create_key(
        self, *, project: str | None, name: str, expires_in_days: int | None
    ) -> Row:
        """Make an API key. Has `key` (the whole text, shown this once), `id`, `project`."""
        ...

    async def create_project(self, *, organisation: str, name: str) -> Row:
        """Make a project, and its organisation if there is none of that name. Has `id`."""
        ...

    async def list_projects(self) -> list[Row]:
        """Projects with id, name, organisation, organisation_name, region, retention, status."""
        ...

    async def set_project(
        self,
        project: str,
        *,
        retention: str | None,
        store: str | None,
        status: str | None,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        model: str | None,
        region: str | None,
    ) -> Row:
        """Change what is given of a project. Has what then holds."""
        ...

    async def set_organisation(self, organisation: str, *, retention: str) -> Row:
        """Set what holds for projects without a mode of their own. Has id, name, retention."""
        ...

    async def verify_domain(self, organisation: str, domain: str) -> Row:
        """Note that a domain is an organisation's. Has domain, verified_at, verified_by."""
        ...

    async def bootstrap_admin(self, *, organisation: str | None, name: str) -> Row:
        """Make an organisation's first admin key, by default the demo organisation's.

        Has `key` (the whole text, shown this once), `id`, `name`, `organisation`.
        """
        ...

    async def list_admin_keys(self) -> list[Row]:
        """Active admin keys with id, name, organisation, created_at, last_used_at."""
        ...

    async def revoke_admin_key(self, key_id: str) -> Row:
        """Revoke an admin key by public id. Raises NotFound. Gives the key's row."""
        ...

    async def accept_invite(self, invite: str, name: str) -> Row:
        """Make an invited person one of the organisation's.

        Has organisation, id, name, role, `enrolment` (a token, shown this once) and `address`.
        """
        ...

    async def enrol(self, person: str) -> Row:
        """Let a person enrol anew. Has `enrolment` (a token, shown this once) and `address`."""
        ...

    async def house(self, organisation: str | None) -> Row:
        """Say which organisation is the operator's own, after making `organisation` it.

        Has `organisation`, None where there is none, and `name`.
        """
        ...

    async def policies(self) -> PolicyHistory:
        """The policy's versions, those that were published since included."""
        ...

    async def overdue_roles(self) -> int:
        """How many roles nobody has confirmed in the quarter's first thirty days."""
        ...

    async def list_keys(self) -> list[Row]:
        """Keys with id, name, project, created_at, expires_at, last_used_at, revoked_at."""
        ...

    async def revoke_key(self, key_id: str) -> Row:
        """Revoke by public id. Raises NotFound. Gives the key's row."""
        ...

    async def set_credential(self, name: str, value: bytes) -> None:
        """Store a backend's credential in the keyring."""
        ...

    async def check_backends(self) -> list[Row]:
        """Each configured backend with name, base_url, models, terms, ok, problem."""
        ...

    async def inspect_record(self, record: str) -> Row:
        """What is held of a record, under which clause, until when; never content."""
        ...

    async def inspect_kept(self, name: str) -> Row:
        """What is held of a file, a stored Response, a model …, until when; never content."""
        ...

    async def inspect_epoch(self, epoch: str) -> list[Row]:
        """The epoch's keys by purpose: state, deadline, journals, segments, bytes."""
        ...

    async def inspect_keyring(self) -> Row:
        """The keyring by name: generation, live epochs, scopes, enforcement."""
        ...


class ServicesDesk(Protocol):
    """The registry of services, opened by an operator on the machine."""

    async def all(self) -> list[Row]:
        """Services with id, english, korean and policy (None: no version is in force)."""
        ...

    async def register(self, service: str, english: str, korean: str) -> Row:
        """Register a service. Raises InvalidInput, Conflict."""
        ...

    async def put_project(self, organisation: str, project: str, service: str) -> Row:
        """Put a project under a service; holds everywhere on return. Raises NotFound."""
        ...


class ImportDesk(Protocol):
    """The installation, opened for importing records."""

    async def take(self, line: bytes) -> Row:
        """Import one line: has outcome, policy, service, until, record.

        Raises InvalidInput and NotFound for a line that cannot be imported, Unavailable when
        nothing can.
        """
        ...


class Prepared(Protocol):
    """What `prepare` leaves running or made, for the supervisor."""

    @property
    def secrets(self) -> Mapping[str, Mapping[str, bytes]]:
        """What each child is handed, by child name (`keeper`, `clerk`, `gateway`, …)."""
        ...

    def close(self) -> None:
        """Stop what was started: the embedded database, last of all."""
        ...


class Wiring(Protocol):
    """The functions of `bailee.wiring` that commands call.

    Process bodies return when they were told to stop (SIGTERM, SIGINT) and everything is saved.
    They call `ready` once they serve. `secrets` and `descriptors` are what a supervisor handed
    over, by name; both are empty for a process that was started alone, which then reads its role
    token from the data folder.
    """

    def run_keeper(
        self,
        settings: Settings,
        *,
        secrets: Mapping[str, bytes],
        descriptors: Mapping[str, int],
        ready: Callable[[], None],
    ) -> None:
        """The keeper's body."""
        ...

    def run_clerk(
        self,
        settings: Settings,
        *,
        secrets: Mapping[str, bytes],
        descriptors: Mapping[str, int],
        ready: Callable[[], None],
    ) -> None:
        """The clerk's body."""
        ...

    def run_worker(
        self,
        settings: Settings,
        *,
        secrets: Mapping[str, bytes],
        descriptors: Mapping[str, int],
        ready: Callable[[], None],
    ) -> None:
        """The worker's body."""
        ...

    def run_gateway(
        self,
        settings: Settings,
        index: int,
        *,
        secrets: Mapping[str, bytes],
        descriptors: Mapping[str, int],
        ready: Callable[[], None],
    ) -> None:
        """The body of gateway worker `index`."""
        ...

    def run_model_runner(
        self,
        settings: Settings,
        *,
        secrets: Mapping[str, bytes],
        descriptors: Mapping[str, int],
        ready: Callable[[], None],
    ) -> None:
        """The model runner's body."""
        ...

    def prepare(self, settings: Settings, tell: Callable[[str], None]) -> Prepared:
        """What must be there before the children start: database, migrations, role tokens.

        Tells an operator of what it does in short lines.
        """
        ...

    async def first_start(self, settings: Settings) -> str | None:
        """Make the demo organisation, project and key if there is no organisation.

        Called when everything is ready. Keeps the key in `secrets/demo-api-key` (0600); gives it
        if it was made just now.
        """
        ...

    def administration(self, settings: Settings) -> AbstractAsyncContextManager[Administration]:
        """Open the installation for an operator's command."""
        ...

    def services_desk(self, settings: Settings) -> AbstractAsyncContextManager[ServicesDesk]:
        """Open the registry of services for an operator's command."""
        ...

    def import_desk(self, settings: Settings) -> AbstractAsyncContextManager[ImportDesk]:
        """Open the installation for importing records."""
        ...

    def probe_database(self, settings: Settings) -> str:
        """What answers at the database's address (its version). Raises Unavailable."""
        ...


def wiring() -> Wiring:
    """`bailee.wiring`, imported when a command needs it."""
    from bailee import wiring as module

    return cast("Wiring", module)
