"""When something stood, as the instants at which it began and ceased to, in turns.

What is agreed for an organisation or a project and changes at stated instants (consent, opt-outs)
is known to the request path in this form: it says of any instant whether it stood, so that every
process turns at the same one, however early it learned of it. Pure.
"""

from bisect import bisect_right
from collections.abc import Sequence


def stands(turns: Sequence[int], at: int) -> bool:
    """Whether it stood at an instant. `turns` never falls; the first one begins."""
    return bisect_right(turns, at) % 2 == 1


def effective(organisation: Sequence[int], own: Sequence[int] | None) -> tuple[int, ...]:
    """What holds for a project: its own turns, from the first of them on, else its organisation's.

    `own` is None while the project has stated nothing. One whose first statement was that it does
    not stand has that instant twice.
    """
    if not own:
        return tuple(organisation)
    before = [turn for turn in organisation if turn < own[0]]
    if len(before) % 2:
        before.append(own[0])
    return (*before, *own)
