"""Numbers as callers write them: no text is too long, too odd or too large to be refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailee.kernel.numbers import whole_number

FAR = 10**18


@given(st.integers(0, 10**12), st.integers(0, 40))
def test_a_number_is_read_whatever_zeros_lead_it(number: int, zeros: int) -> None:
    assert whole_number("0" * zeros + str(number), 0, FAR) == number


@given(st.text(max_size=30))
def test_anything_else_is_none(text: str) -> None:
    plain = text.isascii() and text.isdigit()
    found = whole_number(text, 0, FAR)
    assert found == (int(text) if plain and int(text) < FAR else None)


@pytest.mark.parametrize(("text", "found"), [("1", None), ("2", 2), ("5", 5), ("6", None)])
def test_bounds_are_included(text: str, found: int | None) -> None:
    assert whole_number(text, 2, 5) == found


@pytest.mark.parametrize(
    "text", ["9" * 5_000, "0" * 5_000 + "9" * 19, "٣", "²", "-1", "1.0", "1e3"]
)
def test_what_would_be_an_error_elsewhere_is_none(text: str) -> None:
    assert whole_number(text, 0, FAR) is None
