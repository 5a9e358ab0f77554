"""What a supervisor hands to a child."""

import io

import pytest

from bailee.cli.handover import Handover, read_handover
from bailee.kernel.errors import InvalidInput


def test_what_was_written_is_read() -> None:
    handover = Handover(secrets={"role": b"t0ken"}, descriptors={"keeper": 7})
    assert read_handover(io.BytesIO(handover.encoded())) == handover
    assert handover.secret("role") == b"t0ken"
    assert handover.secret("other") is None


def test_tokens_are_not_printed() -> None:
    handover = Handover(secrets={"role": b"t0ken"})
    assert "t0ken" not in repr(handover)
    assert "t0ken" not in f"{handover.secret('role')!r} {handover.secret('role')}"


def test_anything_else_is_refused() -> None:
    with pytest.raises(InvalidInput, match="--supervised"):
        read_handover(io.BytesIO(b"GET / HTTP/1.1"))
