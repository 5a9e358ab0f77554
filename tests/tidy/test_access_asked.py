"""Every operation of administration asks the matrix for an action that is in it."""

from tests.fixtures.operations import ONES_OWN, PUBLIC, asking, every_operation
from tools.make_access_reference import IN_THE_COMMAND

from bailee.policy.access.matrix import packaged_matrix


def test_every_operation_names_its_action() -> None:
    asked = asking()
    assert every_operation() - asked.keys() == PUBLIC | ONES_OWN
    assert IN_THE_COMMAND.keys() <= every_operation()
    named = {one.action for every in asked.values() for one in every}
    assert named - packaged_matrix().permissions.keys() == set()


KEEPS_NOTHING = {
    "POST /bailee/v1/policy/drafts/{draft}/simulation",
    "POST /bailee/v1/policy/lint",
}
"""What reads, and is given more than a query holds."""


def test_reading_asks_for_reading_and_commands_for_more() -> None:
    """`agreement.review`: who reviews is shown what waits for review."""
    for operation, every in asking().items():
        for one in every:
            reads = one.action.endswith(".read") or one.action == "agreement.review"
            assert reads or not operation.startswith("GET "), (operation, one.action)
            asked = operation.startswith("GET ") or operation in KEEPS_NOTHING
            assert not one.action.endswith(".read") or asked, operation


def test_what_is_every_organisations_is_the_houses() -> None:
    permissions = packaged_matrix().permissions
    everywhere = [one for every in asking().values() for one in every if one.everywhere]
    assert everywhere
    assert all(permissions[one.action].any for one in everywhere)
