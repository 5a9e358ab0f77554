"""An organisation's administration with an admin key. The operator has accepted one invitation."""

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from tests.journeys.python.asking import found

_ALERT: Any = {
    "threshold_amount": 100_000,
    "currency": "USD",
    "interval": "month",
    "notification_channel": {"type": "email", "recipients": ["finance@example.org"]},
}
_IDLE = (
    "audio_speeches",
    "audio_transcriptions",
    "code_interpreter_sessions",
    "file_search_calls",
    "images",
    "vector_stores",
    "web_search_calls",
)


async def take(client: AsyncOpenAI, email: str, certificate: str, start_s: int) -> None:
    """The whole journey. Something has been asked of every local model since `start_s`."""
    organization = client.admin.organization
    project = (await organization.projects.create(name="python")).id
    await _admin_keys(organization.admin_api_keys)
    await _project(organization.projects, project)
    await _accounts(organization.projects, project)
    await _limits_and_retention(organization, project)
    await _people(organization, project, email)
    await _alerts(organization.spend_alerts)
    await _alerts(organization.projects.spend_alerts, project)
    await _certificates(client, project, certificate)
    await _usage(organization.usage, start_s)
    assert (await organization.projects.archive(project)).status == "archived"
    assert project not in await _ids(organization.projects.list())
    acts = [act async for act in organization.audit_logs.list(project_ids=[project], limit=2)]
    assert (acts[0].type, acts[-1].type) == ("project.archived", "project.created")


async def _ids(pages: Any) -> list[str]:
    return [one.id async for one in pages]


async def _certificates(client: AsyncOpenAI, project: str, pem: str) -> None:
    organization = client.admin.organization
    certificates, own = organization.certificates, organization.projects.certificates
    made = await certificates.create(certificate=pem, name="first")
    named = [made.id]
    whole = await certificates.retrieve(made.id, include=["content"])
    assert whole.certificate_details.content == pem
    assert (await certificates.update(made.id, name="second")).name == "second"
    assert await _ids(certificates.list()) == named
    for toggle, active in ((own.activate, True), (own.deactivate, False)):
        await toggle(project, certificate_ids=named)
        assert [one.active async for one in own.list(project)] == [active]
    await certificates.activate(certificate_ids=named)
    await certificates.deactivate(certificate_ids=named)
    assert (await certificates.delete(made.id)).id == made.id
    with pytest.raises(openai.NotFoundError):
        await certificates.retrieve(made.id)


async def _admin_keys(keys: Any) -> None:
    made = await keys.create(name="python")
    assert made.value.startswith("sk-admin-")
    assert (await keys.retrieve(made.id)).name == "python"
    assert made.id in await _ids(keys.list(limit=1))
    assert (await keys.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await keys.retrieve(made.id)


async def _project(projects: Any, project: str) -> None:
    assert (await projects.update(project, name="snake")).name == "snake"
    assert (await projects.retrieve(project)).name == "snake"
    assert project in await _ids(projects.list(limit=1))


async def _accounts(projects: Any, project: str) -> None:
    within = {"project_id": project}
    accounts, keys = projects.service_accounts, projects.api_keys
    account = await accounts.create(project, name="caller")
    assert (await accounts.retrieve(account.id, **within)).name == "caller"
    assert await _ids(accounts.list(project)) == [account.id]
    another = await accounts.api_keys.create(account.id, name="another", **within)
    assert set(await _ids(keys.list(project))) == {account.api_key.id, another.id}
    assert (await keys.retrieve(another.id, **within)).name == "another"
    assert (await keys.delete(another.id, **within)).deleted
    assert await _ids(keys.list(project)) == [account.api_key.id]
    assert (await accounts.delete(account.id, **within)).deleted
    assert await _ids(accounts.list(project)) == []


async def _limits_and_retention(organization: Any, project: str) -> None:
    limits = organization.projects.rate_limits
    (first, *_) = [one async for one in limits.list_rate_limits(project)]
    await limits.update_rate_limit(first.id, project_id=project, max_requests_per_1_minute=3)
    listed = {one.id: one async for one in limits.list_rate_limits(project)}
    assert listed[first.id].max_requests_per_1_minute == 3
    retention = organization.projects.data_retention
    with pytest.raises(openai.PermissionDeniedError, match="zero_retention/applications"):
        await retention.update(project, retention_type="zero_data_retention")
    await retention.update(project, retention_type="none")
    assert (await retention.retrieve(project)).type == "none"
    await organization.data_retention.update(retention_type="none")
    assert (await organization.data_retention.retrieve()).type == "none"


async def _people(organization: Any, project: str, email: str) -> None:
    invites, users, members = organization.invites, organization.users, organization.projects.users
    invite = await invites.create(email="other@example.org", role="reader")
    assert (await invites.retrieve(invite.id)).status == "pending"
    assert invite.id in await _ids(invites.list())
    assert (await invites.delete(invite.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await invites.retrieve(invite.id)
    (person,) = [one async for one in users.list(emails=[email])]
    assert (await users.retrieve(person.id)).email == email
    assert (await users.update(person.id, role="owner")).role == "owner"
    within = {"project_id": project}
    await members.create(project, user_id=person.id, role="member")
    assert (await members.update(person.id, role="owner", **within)).role == "owner"
    assert (await members.retrieve(person.id, **within)).role == "owner"
    assert await _ids(members.list(project)) == [person.id]
    assert (await members.delete(person.id, **within)).deleted
    assert await _ids(members.list(project)) == []
    assert (await users.delete(person.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await users.retrieve(person.id)


async def _alerts(alerts: Any, *project: str) -> None:
    within = {"project_id": project[0]} if project else {}
    made = await alerts.create(*project, **_ALERT)
    await alerts.update(made.id, **(_ALERT | {"threshold_amount": 5}), **within)
    assert (await alerts.retrieve(made.id, **within)).threshold_amount == 5
    assert await _ids(alerts.list(*project)) == [made.id]
    assert (await alerts.delete(made.id, **within)).deleted
    assert await _ids(alerts.list(*project)) == []


async def _usage(usage: Any, start_s: int) -> None:
    async def results(kind: str) -> list[Any]:
        page = await getattr(usage, kind)(start_time=start_s)
        return [result for bucket in page.data for result in bucket.results]

    for kind in ("completions", "embeddings", "moderations", "costs"):
        await found(lambda kind=kind: results(kind), kind)  # type: ignore[misc]
    for kind in _IDLE:
        assert await results(kind) == [], kind
