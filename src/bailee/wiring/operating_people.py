"""What an operator on the machine does for people of any organisation."""

from collections.abc import Mapping
from typing import Any

from bailee.api.bailee_v1.sessions import enrolment_address
from bailee.governance.people.roles import USER
from bailee.governance.people.service import INVITE
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.ids import TenantId, handle_text, parse_handle, tenant_text
from bailee.wiring.nouns import Nouns

Row = Mapping[str, Any]


async def accept_invite(nouns: Nouns, origin: str, invite: str, name: str) -> Row:
    """Make an invited person one of the organisation's, and let them enrol."""
    person = await nouns.people.accept_invite(_identifier(INVITE, invite, "invite"), name)
    return {
        "organisation": tenant_text(person.tenant),
        "id": handle_text(USER, person.person),
        "name": person.name,
        "role": person.role.value,
        **await _enrolment(nouns, origin, person.tenant, person.person),
    }


async def enrol(nouns: Nouns, origin: str, person: str) -> Row:
    """Let a person of any organisation set anew what they sign in with."""
    identifier = _identifier(USER, person, "person")
    for organisation in await nouns.tenancy.organisations():
        for known in await nouns.people.people(organisation.tenant):
            if known.person == identifier:
                return await _enrolment(nouns, origin, organisation.tenant, identifier)
    raise NotFound("there is no such person; `bailee people list` shows an organisation's")


async def _enrolment(nouns: Nouns, origin: str, tenant: TenantId, person: bytes) -> Row:
    token = (await nouns.enrolments.make(tenant, person)).decode()
    return {"enrolment": token, "address": enrolment_address(origin, token)}


def _identifier(prefix: str, text: str, field: str) -> bytes:
    try:
        return parse_handle(prefix, text)
    except ValueError as error:
        raise InvalidInput(str(error), field=field) from None
