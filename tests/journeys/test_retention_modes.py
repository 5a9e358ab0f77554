"""The retention modes of clause C08 side by side: what each keeps of the same calls.

By the answers' headers, by the tables, and by what can be read again.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import openai
import pytest
from tests.fixtures.batches import sdk
from tests.fixtures.clients import ask_command, client_environment, run_command
from tests.fixtures.echo import MODEL
from tests.fixtures.installation import CHAT, Installation, Tenant, chat_body, installation
from tests.fixtures.leftovers import files_below, search
from tests.fixtures.tables import look
from tests.fixtures.waiting import until

from bailee.custody.seal.held import KeyBlock
from bailee.kernel.ids import Purpose, RecordId, parse_project

pytestmark = pytest.mark.journey

DEFAULT, MODIFIED, ZERO = "default", "modified_abuse_monitoring", "zero_data_retention"
STATE, ABUSE = Purpose.APPLICATION_STATE, Purpose.ABUSE_MONITORING


class House(NamedTuple):
    """An installation, and an organisation of each mode."""

    place: Installation
    tenants: dict[str, Tenant]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with installation(tmp_path_factory.mktemp("modes")) as place:
        tenants = {mode: place.tenant(mode) for mode in (DEFAULT, MODIFIED, ZERO)}
        for mode, tenant in tenants.items():
            run_command(place, "projects", "set", tenant.project, "--retention", mode)
        yield House(place, tenants)


def purposes(house: House, mode: str, **more: object) -> set[str]:
    """What the answer to a call says it is held for; `none` when it is not."""
    tenant = house.tenants[mode]
    with house.place.client() as client:
        body = chat_body("hello", **more)
        headers = client.post(CHAT, content=body, headers=tenant.headers).headers
    assert ("bailee-record" in headers) == (mode == DEFAULT)
    members = headers["bailee-handling"].split(", ")
    return {member.partition("=")[0] for member in members if not member.endswith("=?0")}


WANTED: Final = {
    DEFAULT: ({"abuse_monitoring"}, {"abuse_monitoring", "application_state"}),
    MODIFIED: ({"none"}, {"application_state"}),
    ZERO: ({"none"}, {"none"}),
}


@pytest.mark.parametrize("mode", WANTED)
def test_each_answer_says_what_is_held(house: House, mode: str) -> None:
    plain, stored = WANTED[mode]
    until(lambda: purposes(house, mode) == plain, "the mode is known to every worker")
    assert purposes(house, mode) == plain
    assert purposes(house, mode, store=True) == stored


def test_a_file_has_a_copy_for_monitoring_only_where_it_is_monitored(house: House) -> None:
    wraps: dict[str, set[Purpose]] = {}
    for mode in (DEFAULT, MODIFIED):
        tenant = house.tenants[mode]
        with sdk(house.place, tenant) as client, house.place.client() as plain:
            file = client.files.create(file=("a.txt", b"some words"), purpose="user_data")
            (row,) = look(
                house.place, "SELECT key_block FROM held_objects WHERE public_id = $1", file.id
            )
            block = KeyBlock.decode(bytes(row["key_block"]))
            wraps[mode] = {wrap.purpose for wrap in block.wraps}
            asked = plain.post(CHAT, content=chat_body("now"), headers=tenant.headers)
            if mode == DEFAULT:
                now = RecordId.parse(asked.headers["bailee-record"]).epoch
                assert block.wrap_for(ABUSE).epoch in (now - 1, now)
            assert block.wrap_for(STATE).epoch is None, "it is held until it is deleted"
            assert client.files.content(file.id).read() == b"some words"
    assert wraps == {DEFAULT: {STATE, ABUSE}, MODIFIED: {STATE}}
    with sdk(house.place, house.tenants[ZERO]) as client:
        with pytest.raises(openai.PermissionDeniedError, match="C08") as refused:
            client.files.create(file=("a.txt", b"some words"), purpose="user_data")
        assert "/v1/files" in str(refused.value)


def test_what_an_application_stores_is_kept_where_nothing_is_monitored(house: House) -> None:
    with sdk(house.place, house.tenants[MODIFIED]) as client:
        made = client.responses.create(model=MODEL, input="hello", store=True)
        again = client.responses.create(
            model=MODEL, input="and again", previous_response_id=made.id
        )
        assert client.responses.retrieve(again.id).output_text == again.output_text
        chat = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "hello"}], store=True
        )
        assert client.chat.completions.retrieve(chat.id).id == chat.id
        client.responses.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)
    with sdk(house.place, house.tenants[ZERO]) as client:
        gone = client.responses.create(model=MODEL, input="hello", store=True)
        assert gone.output_text
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(gone.id)
    own = parse_project(house.tenants[ZERO].project)
    assert look(house.place, "SELECT object FROM held_objects WHERE project = $1", own) == []


def test_a_project_that_is_suspended_is_told_so(house: House) -> None:
    tenant = house.place.tenant("late with its bills")
    run_command(house.place, "projects", "set", tenant.project, "--status", "suspended")
    with sdk(house.place, tenant) as client:

        def refused() -> openai.PermissionDeniedError | None:
            try:
                client.models.list()
            except openai.PermissionDeniedError as error:
                return error
            return None

        error = until(refused, "the suspension is known")
        assert (error.code, "suspended" in str(error)) == ("project_suspended", True)
        run_command(house.place, "projects", "set", tenant.project, "--status", "active")

        def works() -> bool:
            try:
                return bool(client.models.list().data)
            except openai.PermissionDeniedError:
                return False

        until(works, "it is active again")


APPLICATIONS: Final = "/bailee/v1/zero_retention/applications"
CANARY: Final = b"canaryZr7applied00d41c"


def test_an_application_from_its_draft_to_nothing_being_kept(house: House) -> None:
    """What an agreement is wanted for is refused; the operator's word stands in the log."""
    place, tenant = house.place, house.place.tenant("applicant")
    admin = ask_command(place, "admin", "bootstrap", "--organisation", "applicant")["key"]
    variables = {**client_environment(place), "OPENAI_ADMIN_KEY": admin}

    def ask(*arguments: str, status: int = 0) -> Any:
        typed = ("zero-retention", *arguments, *place.arguments, "--json")
        done = run_command(place, *typed, environment=variables, status=status)
        return json.loads(done.stdout) if status == 0 else done.stderr

    wanted = ("--mode", ZERO, "--category", "internal_tools", "--use-case", "Search in own files")
    draft = ask("apply", *wanted, "--project", tenant.project, "--draft")
    assert (draft["state"], draft["assessment"]) == ("draft", None)
    assert "no executed enterprise agreement" in ask("submit", draft["id"], status=1)
    kept = ask("apply", *wanted, status=1)
    (second,) = (one for one in ask("show") if one["id"] != draft["id"])
    assert f"kept as the draft {second['id']}" in kept
    assert (second["state"], second["use_case"]) == ("draft", "Search in own files")
    assert "safety_lead" in ask("decide", draft["id"], "approve", "--reasons", "x", status=1)
    assert "internal_tools" in {one["id"] for one in ask("rules")["categories"]}
    with place.client() as client:
        client.headers["authorization"] = f"Bearer {admin}"
        facts = client.get(
            "/bailee/v1/zero_retention/assessment", params={"category": "internal_tools"}
        ).json()
        assert {one["fact"] for one in facts["reasons"]} == {
            *("account_age", "verified_domain", "flags", "category")
        }
        mode = f"/v1/organization/projects/{tenant.project}/data_retention"
        refused = client.post(mode, json={"retention_type": ZERO})
        assert refused.status_code == 403
        assert APPLICATIONS in refused.json()["error"]["message"]
        ask_command(place, "organisations", "verify-domain", "applicant", "example.org")
        ask_command(place, "projects", "set", tenant.project, "--retention", ZERO)
        (approved,) = client.get(APPLICATIONS, params={"state": "active"}).json()["data"]
        assert (approved["decided_by"], approved["project_id"]) == ("operator", tenant.project)
        sent = client.post(
            CHAT, content=chat_body(CANARY.decode(), store=True), headers=tenant.headers
        )
        assert "bailee-record" not in sent.headers
        assert search(files_below(place.data, place.temporary), (CANARY,)) == []
        assert client.post(mode, json={"retention_type": "none"}).status_code == 200
        assert client.post(mode, json={"retention_type": ZERO}).status_code == 200
    ask_command(place, "projects", "set", tenant.project, "--retention", "organization_default")
    assert [one["state"] for one in ask("show")] == ["draft", "draft", "revoked"]

    def told(kind: str) -> bool:
        tiles = files_below(place.data / "objects" / "log" / "tile" / "entries")
        return any(kind.encode() in data for _, data in tiles)

    until(lambda: told("zero_retention_revoked"), "the log says that it ended")
    assert told("zero_retention_approved")
