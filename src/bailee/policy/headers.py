"""The two headers that say on every answer what happens to its content.

`bailee-policy` is the id of the governing version, as it is. `bailee-handling` is a dictionary
of RFC 9651, keyed by purpose. A member's value is the inner list of the clauses (tokens), with the
parameters `until` (a date, or the token `on-delete`) and `region` (a string):

    abuse_monitoring=(C05 C06 C15);until=@1798012800;region="us"

When nothing is held, the dictionary has the one member `none`. Where `store` was asked for and
left out, the member `application_state` is false.

A header depends on the decision alone; the caller keeps it beside the decision.
"""

from typing import Final

from bailee.kernel.ids import Purpose
from bailee.policy.model import Decision, Handling

POLICY_HEADER: Final = "bailee-policy"
HANDLING_HEADER: Final = "bailee-handling"


def policy_header(decision: Decision) -> str:
    """The value of `bailee-policy`."""
    return decision.policy_version


def handling_header(decision: Decision) -> str:
    """The value of `bailee-handling`: a serialised RFC 9651 dictionary, ASCII."""
    members = [_member(handling) for handling in decision.handlings] or ["none"]
    if decision.store_left_out:
        members.append(f"{Purpose.APPLICATION_STATE.value}=?0")
    return ", ".join(members)


def _member(handling: Handling) -> str:
    until = "on-delete" if handling.until is None else f"@{handling.until // 1000}"
    clauses = " ".join(handling.clauses)
    return f'{handling.purpose.value}=({clauses});until={until};region="{handling.region}"'
