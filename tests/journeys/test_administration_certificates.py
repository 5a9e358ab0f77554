"""Client certificates with the official SDK: two workers, real database, TLS on both ports."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import openai
import pytest
from openai import OpenAI
from tests.fixtures.authorities import Identity
from tests.fixtures.installation import Installation, Tenant, installation
from tests.fixtures.office import Office, chat, open_office, status_of, takes_s, user_of
from tests.fixtures.waiting import until

pytestmark = pytest.mark.journey

WITHIN_S: Final = 1.0
SLACK_S: Final = 1.0
"""For what runs beside the tests; the promise itself is a second."""
WORKERS: Final = 2
TRIES: Final = 6 * WORKERS
OURS: Final = Identity.authority("Acme")
CLIENT: Final = Identity.client("client", Identity.authority("Acme issuing", OURS))
STRANGER: Final = Identity.client("client", Identity.authority("Rival"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("certificates")
    with installation(folder, workers=WORKERS, asks=True) as made:
        yield made


@pytest.fixture(scope="module")
def http(place: Installation) -> Iterator[httpx2.Client]:
    with httpx2.Client(verify=place.ssl_context(), trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def office(place: Installation, http: httpx2.Client) -> Office:
    return open_office(place, http, "Acme")


@pytest.fixture(scope="module")
def other(place: Installation, http: httpx2.Client) -> Office:
    return open_office(place, http, "Rival")


class Door:
    """The port that asks for certificates, as clients that show one come to it."""

    def __init__(self, place: Installation, folder: Path) -> None:
        self._place = place
        self._folder = folder

    def user(self, key: str, identity: Identity | None) -> OpenAI:
        """The SDK with a project's key, on connections of its own: one for each request."""
        context = self._place.ssl_context()
        if identity is not None:
            identity.show(context, self._folder)
        http = httpx2.Client(
            verify=context,
            trust_env=False,
            timeout=30,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )
        url = f"https://127.0.0.1:{self._place.asking_port}/v1"
        return OpenAI(api_key=key, base_url=url, http_client=http, max_retries=0)


@pytest.fixture
def door(place: Installation, tmp_path: Path) -> Door:
    return Door(place, tmp_path)


def key_of(office: Office, name: str) -> tuple[str, str]:
    """A new project of an organisation, and a key of it."""
    projects = office.client.admin.organization.projects
    project = projects.create(name=name).id
    account = projects.service_accounts.create(project, name="caller")
    assert account.api_key is not None
    return project, account.api_key.value


def code_of(user: OpenAI) -> tuple[int, str | None]:
    try:
        chat(user)
    except openai.APIStatusError as error:
        return error.status_code, error.code
    return 200, None


def everywhere(user: OpenAI, wanted: tuple[int, str | None]) -> bool:
    """Whether as many connections as reach every worker are answered so."""
    return all(code_of(user) == wanted for _ in range(TRIES))


def test_a_certificate_from_upload_to_deletion(office: Office) -> None:
    organization = office.client.admin.organization
    certificates = organization.certificates
    named = certificates.create(certificate=OURS.pem, name="first")
    nameless = certificates.create(certificate=CLIENT.pem)
    assert (named.object, named.name, named.active) == ("certificate", "first", None)
    assert nameless.name is None
    assert named.certificate_details.content is None
    assert named.certificate_details.expires_at == int(
        OURS.certificate.not_valid_after_utc.timestamp()
    )
    bare = certificates.retrieve(named.id)
    assert bare.certificate_details.content is None
    whole = certificates.retrieve(named.id, include=["content"])
    assert whole.certificate_details.content == OURS.pem
    assert certificates.update(named.id, name="renamed").name == "renamed"
    assert [one.id for one in certificates.list(limit=1)] == [nameless.id, named.id]
    listed = certificates.list(order="asc").data
    assert [(one.object, one.active) for one in listed] == [("organization.certificate", False)] * 2
    toggled = certificates.activate(certificate_ids=[named.id, nameless.id]).data
    assert [(one.id, one.active) for one in toggled] == [(named.id, True), (nameless.id, True)]
    with pytest.raises(openai.ConflictError):
        certificates.delete(named.id)
    certificates.deactivate(certificate_ids=[named.id, nameless.id])
    assert certificates.delete(named.id).object == "certificate.deleted"
    certificates.delete(nameless.id)
    assert certificates.list().data == []
    for gone in (lambda: certificates.retrieve(named.id), lambda: certificates.delete(named.id)):
        with pytest.raises(openai.NotFoundError):
            gone()
    with pytest.raises(openai.BadRequestError) as refused:
        certificates.create(certificate=OURS.key_pem)
    assert refused.value.param == "certificate"
    audited = organization.audit_logs.list(
        event_types=[
            *("certificate.created", "certificate.updated", "certificate.deleted"),
            *("certificates.activated", "certificates.deactivated"),
        ],
    )
    events: list[Any] = list(audited)
    assert [event.type for event in events] == [
        *("certificate.deleted", "certificate.deleted"),
        *("certificates.deactivated", "certificates.activated"),
        *("certificate.updated", "certificate.created", "certificate.created"),
    ]
    assert events[1].certificate_deleted.certificate == OURS.pem
    assert [one.id for one in events[3].certificates_activated.certificates] == [
        named.id,
        nameless.id,
    ]
    assert events[4].certificate_updated.name == "renamed"


def test_an_active_certificate_is_wanted_of_the_projects_clients_alone(
    place: Installation, http: httpx2.Client, office: Office, other: Office, door: Door
) -> None:
    organization = office.client.admin.organization
    project, key = key_of(office, "guarded")
    _, beside = key_of(office, "beside")
    _, rival = key_of(other, "rival")
    plain = user_of(place, http, key)
    shows, strange = door.user(key, CLIENT), door.user(key, STRANGER)
    for user in (plain, shows, strange):
        until(lambda user=user: status_of(lambda: chat(user)) == 200, "the key")  # type: ignore[misc]
    uploaded = organization.certificates.create(certificate=OURS.pem)
    assert everywhere(plain, (200, None)), "what is not active wants nothing"
    activated = organization.projects.certificates.activate(
        project, certificate_ids=[uploaded.id]
    ).data
    assert [(one.object, one.active) for one in activated] == [
        ("organization.project.certificate", True)
    ]
    required, refused = (401, "client_certificate_required"), (401, "client_certificate_refused")
    took_s = takes_s(lambda: everywhere(door.user(key, None), required), "wanted")
    assert took_s <= WITHIN_S + SLACK_S
    until(lambda: everywhere(plain, required), "on a connection that was there before, too")
    until(lambda: everywhere(shows, (200, None)), "let in")
    until(lambda: everywhere(strange, refused), "kept out")
    for unaffected in (beside, rival, place.demo.key):
        until(lambda key=unaffected: code_of(user_of(place, http, key)) == (200, None), "free")  # type: ignore[misc]
        assert code_of(door.user(unaffected, STRANGER)) == (200, None)
    with pytest.raises(openai.AuthenticationError, match=f"port {place.asking_port} "):
        plain.models.list()
    assert shows.models.list().data
    record = chat(shows).headers["bailee-record"]
    opening = f"/bailee/v1/records/{record}"
    assert http.get(place.origin + opening, headers=Tenant(key, "", "").headers).status_code == 401
    assert [one.active for one in organization.projects.certificates.list(project)] == [True]
    assert [one.active for one in organization.certificates.list()] == [False]
    organization.projects.certificates.deactivate(project, certificate_ids=[uploaded.id])
    took_s = takes_s(lambda: everywhere(plain, (200, None)), "wanted no more")
    assert took_s <= WITHIN_S + SLACK_S
    until(lambda: everywhere(strange, (200, None)), "whatever is shown")
    organization.certificates.delete(uploaded.id)


def test_the_organisations_certificate_is_wanted_of_each_project_and_not_of_administrators(
    place: Installation, http: httpx2.Client, office: Office, door: Door
) -> None:
    organization = office.client.admin.organization
    project, key = key_of(office, "everything")
    uploaded = organization.certificates.create(certificate=OURS.pem).id
    stranger = Identity.client("one", None)
    own = organization.certificates.create(certificate=stranger.pem).id
    organization.certificates.activate(certificate_ids=[uploaded])
    plain = user_of(place, http, key)
    until(lambda: code_of(plain) == (401, "client_certificate_required"), "wanted")
    late = key_of(office, "made later")[1]
    until(
        lambda: code_of(user_of(place, http, late)) == (401, "client_certificate_required"),
        "wanted of a new project",
    )
    until(lambda: code_of(door.user(late, CLIENT)) == (200, None), "shown")
    assert code_of(door.user(key, stranger)) == (401, "client_certificate_refused")
    organization.projects.certificates.activate(project, certificate_ids=[own])
    until(lambda: code_of(door.user(key, stranger)) == (200, None), "the project's counts too")
    assert code_of(door.user(key, CLIENT)) == (200, None), "and the organisation's still does"
    assert code_of(door.user(late, stranger)) == (401, "client_certificate_refused")
    organization.certificates.deactivate(certificate_ids=[uploaded])
    organization.projects.certificates.deactivate(project, certificate_ids=[own])
    until(lambda: code_of(plain) == (200, None), "the administrator was not locked out")


def test_without_a_port_that_asks_nothing_is_activated(tmp_path: Path) -> None:
    with (
        installation(tmp_path) as place,
        httpx2.Client(verify=place.ssl_context(), trust_env=False, timeout=30) as http,
    ):
        office = open_office(place, http, "Acme")
        certificates = office.client.admin.organization.certificates
        uploaded = certificates.create(certificate=OURS.pem)
        with pytest.raises(openai.ConflictError, match=r"server\.client_certificate_port"):
            certificates.activate(certificate_ids=[uploaded.id])
        assert [one.active for one in certificates.list()] == [False]
