"""The matrix of roles and actions, exhaustively."""

import itertools

import pytest

from bailee.kernel.errors import Conflict, Forbidden, InvalidInput
from bailee.kernel.ids import TenantId
from bailee.kernel.instants import Instant
from bailee.policy.access.matrix import (
    SignInAgain,
    allowed,
    check_together,
    packaged_matrix,
    parse_matrix,
    require,
)
from bailee.policy.access.model import FRESH_MS, HOUSE_ROLES, OPERATOR, Actor, ActorKind, Role

HOME, ELSEWHERE = TenantId(bytes(16)), TenantId(bytes(15) + b"\x01")
NOW = Instant(1_800_000_000_000)
MATRIX = packaged_matrix()


def person(*roles: Role, ago_ms: int = 0) -> Actor:
    return Actor(ActorKind.PERSON, "user_1", HOME, frozenset(roles), Instant(NOW - ago_ms))


@pytest.mark.parametrize("action", sorted(MATRIX.permissions))
def test_nobody_does_what_the_matrix_does_not_give(action: str) -> None:
    permission = MATRIX.permissions[action]
    for role in Role:
        actor = person(role)
        at_home = role in permission.own | permission.any
        assert allowed(actor, action, HOME) is at_home
        assert allowed(actor, action, ELSEWHERE) is (role in permission.any)
        assert allowed(actor, action, None) is (role in permission.any)
        if not at_home:
            with pytest.raises(Forbidden, match=f"`{action}`"):
                require(actor, action, HOME, NOW)
        elif role not in permission.any:
            with pytest.raises(Forbidden) as raised:
                require(actor, action, None, NOW)
            assert f"`{role.value}`" not in str(raised.value), "it sends them to themselves"
    at_the_machine = permission.machine or Role.OPERATOR in permission.any
    assert allowed(OPERATOR, action, ELSEWHERE) is at_the_machine


@pytest.mark.parametrize("action", sorted(MATRIX.permissions))
def test_what_asks_for_a_fresh_sign_in_gets_one(action: str) -> None:
    permission = MATRIX.permissions[action]
    role = min(permission.own | permission.any, key=lambda role: role.value)
    require(person(role, ago_ms=FRESH_MS), action, HOME, NOW)
    late = person(role, ago_ms=FRESH_MS + 1)
    if permission.fresh:
        with pytest.raises(SignInAgain, match="Sign in again"):
            require(late, action, HOME, NOW)
    else:
        require(late, action, HOME, NOW)


def test_no_organisations_role_reaches_another() -> None:
    for permission in MATRIX.permissions.values():
        assert permission.any <= HOUSE_ROLES


def test_who_runs_the_machines_decides_nothing_about_data() -> None:
    decisive = ("zero_retention.decide", "agreement.countersign", "consent.give", "policy.publish")
    for action in decisive:
        assert not allowed(OPERATOR, action, HOME)


def test_who_holds_the_role_operator_makes_no_owners_and_chooses_no_retention() -> None:
    """Owners give consent and sign; admin keys act as owners. At the machine, the first are."""
    operator = person(Role.OPERATOR)
    for action in ("roles.assign", "admin_key.administer", "retention.choose"):
        for tenant in (HOME, ELSEWHERE, None):
            assert not allowed(operator, action, tenant)
    assert allowed(OPERATOR, "roles.assign", HOME)
    assert allowed(OPERATOR, "admin_key.administer", HOME)
    assert not allowed(OPERATOR, "retention.choose", HOME)


def test_every_pair_of_roles_is_held_together_or_refused_with_a_reason() -> None:
    conflicting = {conflict.roles for conflict in MATRIX.conflicts}
    for one, other in itertools.combinations(Role, 2):
        if frozenset({one, other}) in conflicting:
            with pytest.raises(Conflict, match=one.value):
                check_together({one, other, Role.DEVELOPER})
        else:
            check_together({one, other})


def test_an_auditor_is_nothing_else_that_acts() -> None:
    for role in set(Role) - {Role.AUDITOR, Role.DEVELOPER}:
        with pytest.raises(Conflict):
            check_together({Role.AUDITOR, role})


@pytest.mark.parametrize(
    "text",
    [
        'roles = ["owner"]',
        'own = ["owner"]\nany = ["owner"]',
        'own = []\nany = []\nenglish = ""\nkorean = ""',
    ],
)
def test_a_matrix_that_says_too_much_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_matrix(f'[actions."a.b"]\n{text}\n'.encode())
