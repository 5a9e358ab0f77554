"""The retention modes of clause C08 side by side: what each keeps of the same calls.

By the answers' headers, by the tables, and by what can be read again.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import openai
import pytest
from tests.fixtures.batches import sdk
from tests.fixtures.clients import run_command
from tests.fixtures.echo import MODEL
from tests.fixtures.installation import CHAT, Installation, Tenant, chat_body, installation
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
