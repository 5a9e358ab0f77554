"""The credential that an `authorization` header shows."""

import pytest

from bailee.serving.bearer import bearer_credential


@pytest.mark.parametrize(
    ("authorization", "shown"),
    [
        (None, None),
        ("", None),
        ("Basic c2s6", None),
        ("Bearer", None),
        ("Bearer ", ""),
        ("Bearer sk-1", "sk-1"),
        ("bEARER  sk-1 ", "sk-1"),
    ],
)
def test_only_a_bearer_shows_a_credential(authorization: str | None, shown: str | None) -> None:
    assert bearer_credential(authorization) == shown
