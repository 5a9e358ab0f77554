"""Organisations, projects and API keys, and what a crash between two steps leaves."""

import asyncio

import pytest
from tests.fixtures.postgres import FreshDatabase
from tests.unit.governance.conftest import Installation

from bailee.drivers.system.clock import SystemClock
from bailee.governance.tenancy.credential import is_credential
from bailee.governance.tenancy.events import Happening
from bailee.governance.tenancy.model import KeyState, Limits, Project
from bailee.governance.tenancy.service import PENDING_MAX_MS
from bailee.kernel.errors import Conflict, InvalidInput, NotFound, Unavailable
from bailee.kernel.ids import ProjectId, Purpose, Region, ScopeKeyName, TenantId
from bailee.kernel.instants import Instant

US = Region("us")


async def _project(installation: Installation, name: str = "Research") -> Project:
    organisation = await installation.tenancy.create_organisation("University")
    return await installation.tenancy.create_project(organisation.tenant, name, US)


async def test_project_has_a_scope_key_pair(installation: Installation) -> None:
    project = await _project(installation)
    assert installation.keeper.scopes == {
        ScopeKeyName(US, Purpose.ABUSE_MONITORING, project.project, 0)
    }
    assert await installation.tenancy.projects(project.tenant) == [project]


async def test_project_is_not_made_while_the_keeper_is_away(installation: Installation) -> None:
    installation.keeper.away = "create_scope"
    organisation = await installation.tenancy.create_organisation("University")
    with pytest.raises(Unavailable):
        await installation.tenancy.create_project(organisation.tenant, "Research", US)
    assert await installation.tenancy.projects(organisation.tenant) == []


async def test_names_of_projects_are_unique_in_an_organisation(installation: Installation) -> None:
    project = await _project(installation)
    with pytest.raises(Conflict) as taken:
        await installation.tenancy.create_project(project.tenant, "Research", US)
    assert taken.value.field == "name"
    assert len(installation.keeper.scopes) == 1, "no keys were made for what was refused"
    other = await _project(installation)
    assert other.name == project.name


async def test_unknown_organisation_or_project_is_not_found(installation: Installation) -> None:
    project = await _project(installation)
    other = await _project(installation)
    with pytest.raises(NotFound):
        await installation.tenancy.create_project(TenantId(bytes(16)), "Research", US)
    with pytest.raises(NotFound):
        await installation.tenancy.create_key(project.tenant, ProjectId(bytes(16)), "key")
    with pytest.raises(NotFound):
        await installation.tenancy.create_key(other.tenant, project.project, "key")
    assert installation.keeper.credentials == set()


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "a\x00b"])
async def test_unusable_names_are_refused_without_being_quoted(
    installation: Installation, name: str
) -> None:
    with pytest.raises(InvalidInput, match="printable characters"):
        await installation.tenancy.create_organisation(name)
    assert await installation.tenancy.organisations() == []


async def test_key_is_given_out_once_and_stored_nowhere(
    installation: Installation, postgres_database: FreshDatabase
) -> None:
    project = await _project(installation)
    created = await installation.tenancy.create_key(
        project.tenant, project.project, "laptop", limits=Limits(60, 1000)
    )
    assert is_credential(created.credential)
    assert installation.keeper.credentials == {bytes(created.credential)}
    assert created.key.state(SystemClock().now()) is KeyState.ACTIVE
    assert await installation.tenancy.keys(project.tenant) == [created.key]
    assert await installation.tenancy.keys(project.tenant, ProjectId(bytes(16))) == []
    assert await installation.tenancy.tenant_of_key(created.key.public_id) == project.tenant
    secret = bytes(created.credential)[-43:].decode()
    dump = await postgres_database.as_owner(
        "SELECT row_to_json(api_keys)::text AS row FROM api_keys"
    )
    assert len(dump) == 1
    assert secret not in dump[0]["row"]


async def test_expired_key(installation: Installation) -> None:
    project = await _project(installation)
    now = SystemClock().now()
    with pytest.raises(InvalidInput, match="expiry"):
        await installation.tenancy.create_key(
            project.tenant, project.project, "late", expires_at=now
        )
    expires_at = Instant(now + 60_000)
    created = await installation.tenancy.create_key(
        project.tenant, project.project, "soon", expires_at=expires_at
    )
    assert created.key.state(Instant(expires_at - 1)) is KeyState.ACTIVE
    assert created.key.state(expires_at) is KeyState.EXPIRED


async def test_revoking_is_idempotent_and_reaches_the_keeper(installation: Installation) -> None:
    project = await _project(installation)
    key = (await installation.tenancy.create_key(project.tenant, project.project, "k")).key
    first = await installation.tenancy.revoke_key(project.tenant, key.public_id)
    second = await installation.tenancy.revoke_key(project.tenant, key.public_id)
    assert first == second
    assert first.state(SystemClock().now()) is KeyState.REVOKED
    assert installation.keeper.revoked == {key.public_id.encode()}
    assert [event.happening for event in installation.events][:3] == [
        Happening.ORGANISATION_CREATED,
        Happening.PROJECT_CREATED,
        Happening.KEY_CREATED,
    ]


async def test_key_of_another_organisation_cannot_be_revoked(installation: Installation) -> None:
    project, other = await _project(installation), await _project(installation)
    key = (await installation.tenancy.create_key(project.tenant, project.project, "k")).key
    with pytest.raises(NotFound):
        await installation.tenancy.revoke_key(other.tenant, key.public_id)
    with pytest.raises(NotFound):
        await installation.tenancy.revoke_key(project.tenant, "0" * 16)
    assert installation.keeper.revoked == set()


async def test_key_that_the_keeper_did_not_take_is_revoked(installation: Installation) -> None:
    project = await _project(installation)
    installation.keeper.away = "register_credential"
    with pytest.raises(Unavailable):
        await installation.tenancy.create_key(project.tenant, project.project, "k")
    (key,) = await installation.tenancy.keys(project.tenant)
    assert key.state(SystemClock().now()) is KeyState.REVOKED
    installation.keeper.away = ""
    assert await installation.tenancy.settle() == 1
    assert installation.keeper.revoked == {key.public_id.encode()}
    assert await installation.tenancy.settle() == 0


async def test_revocation_that_missed_the_keeper_is_settled(installation: Installation) -> None:
    project = await _project(installation)
    key = (await installation.tenancy.create_key(project.tenant, project.project, "k")).key
    installation.keeper.away = "revoke_credential"
    with pytest.raises(Unavailable):
        await installation.tenancy.revoke_key(project.tenant, key.public_id)
    with pytest.raises(Unavailable):
        await installation.tenancy.settle()
    installation.keeper.away = ""
    assert await installation.tenancy.settle() == 1
    assert installation.keeper.revoked == {key.public_id.encode()}


async def test_abandoned_pending_key_is_settled_and_a_young_one_left(
    installation: Installation, postgres_database: FreshDatabase
) -> None:
    """As after a crash between the row and the keeper's credential."""
    project = await _project(installation)
    now = SystemClock().now()
    for number, created_at in enumerate((now, now - PENDING_MAX_MS - 1)):
        await postgres_database.as_owner(
            "INSERT INTO api_keys (public_id, digest, tenant, project, name, created_at)"
            " VALUES ($1, $2, $3, $4, 'k', $5)",
            f"{number:016x}",
            bytes((number,)) * 32,
            project.tenant,
            project.project,
            created_at,
        )
    assert await installation.tenancy.settle() == 1
    keys = await installation.tenancy.keys(project.tenant)
    assert {key.public_id: key.state(now) for key in keys} == {
        f"{0:016x}": KeyState.PENDING,
        f"{1:016x}": KeyState.REVOKED,
    }


async def test_demo_is_made_once(installation: Installation) -> None:
    first = await installation.tenancy.ensure_demo(US)
    second = await installation.tenancy.ensure_demo(US)
    assert first.created is not None
    assert second.created is None
    assert (second.organisation, second.project) == (first.organisation, first.project)
    assert len(await installation.tenancy.organisations()) == 1
    assert len(await installation.tenancy.all_keys()) == 1


async def test_demo_finishes_what_a_crash_left(installation: Installation) -> None:
    installation.keeper.away = "create_scope"
    with pytest.raises(Unavailable):
        await installation.tenancy.ensure_demo(US)
    installation.keeper.away = "register_credential"
    with pytest.raises(Unavailable):
        await installation.tenancy.ensure_demo(US)
    installation.keeper.away = ""
    demo = await installation.tenancy.ensure_demo(US)
    assert demo.created is not None
    assert len(await installation.tenancy.projects(demo.organisation.tenant)) == 1


async def test_demos_made_at_once_are_one(installation: Installation) -> None:
    demos = await asyncio.gather(*(installation.tenancy.ensure_demo(US) for _ in range(3)))
    assert len({demo.project.project for demo in demos}) == 1
    assert len(await installation.tenancy.organisations()) == 1


async def test_installation_keeps_its_identifier(installation: Installation) -> None:
    found = await asyncio.gather(*(installation.tenancy.installation() for _ in range(4)))
    assert len(set(found)) == 1
    assert len(found[0]) == 16
