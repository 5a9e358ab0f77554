"""Properties of trees and receipts: every proof holds, and nothing changed holds."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailee.kernel.errors import InvalidInput
from bailee.transparency import receipt, tree
from bailee.transparency.note import VerifierKey

ROOT = Path(__file__).parents[2]
VECTORS: dict[str, str] = json.loads((ROOT / "tests/vectors/receipt.json").read_text())
LARGEST = 70
HASHES = [tree.leaf_hash(bytes([index])) for index in range(LARGEST)]
READ = tree.reader_of(HASHES)
ROOTS = [tree.root_of(HASHES[:size]) for size in range(LARGEST + 1)]


def recursive_root(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not hashes:
        return tree.EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    middle = 1
    while middle * 2 < len(hashes):
        middle *= 2
    return tree.node_hash(recursive_root(hashes[:middle]), recursive_root(hashes[middle:]))


def test_the_compact_range_is_the_recursive_definition() -> None:
    assert [recursive_root(HASHES[:size]) for size in range(LARGEST + 1)] == ROOTS


def test_every_inclusion_is_proved_and_no_other() -> None:
    for size in range(1, LARGEST + 1):
        for index in range(size):
            path = tree.inclusion_proof(index, size, READ)
            assert tree.verify_inclusion(HASHES[index], index, size, path, ROOTS[size])
            wrong = (index + 1) % size
            if wrong != index:
                assert not tree.verify_inclusion(HASHES[index], wrong, size, path, ROOTS[size])
                assert not tree.verify_inclusion(HASHES[wrong], index, size, path, ROOTS[size])
            assert not tree.verify_inclusion(HASHES[index], index, size, path, ROOTS[size - 1])
            assert not tree.verify_inclusion(
                HASHES[index], index, size, [*path, bytes(32)], ROOTS[size]
            )
            if path:
                assert not tree.verify_inclusion(HASHES[index], index, size, path[:-1], ROOTS[size])


def test_every_consistency_is_proved_and_no_other() -> None:
    for new in range(1, LARGEST + 1):
        for old in range(1, new + 1):
            proof = tree.consistency_proof(old, new, READ)
            assert tree.verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)
            assert not tree.verify_consistency(old, ROOTS[old - 1], new, ROOTS[new], proof)
            assert not tree.verify_consistency(old, ROOTS[old], new, ROOTS[new - 1], proof)
            assert not tree.verify_consistency(
                old, ROOTS[old], new, ROOTS[new], [*proof, bytes(32)]
            )
            if proof:
                assert not tree.verify_consistency(old, ROOTS[old], new, ROOTS[new], proof[:-1])


@given(st.data())
def test_a_flipped_bit_of_a_proof_fails(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, LARGEST))
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion_proof(index, size, READ)
    at = data.draw(st.integers(0, len(path) * 256 - 1))
    path[at // 256] = flipped(path[at // 256], at % 256)
    assert not tree.verify_inclusion(HASHES[index], index, size, path, ROOTS[size])


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def verifier() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "bailee_verify_for_properties", ROOT / "verifier/bailee_verify.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SINGLE_FILE = verifier()
LOG_KEY = VerifierKey.parse(VECTORS["log_key"])
KEEPER_KEY = bytes.fromhex(VECTORS["keeper_key"])
REFUSALS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


def check(kind: str, document: bytes) -> None:
    verify = receipt.verify_response if kind == "response" else receipt.verify_destruction
    verify(document, LOG_KEY, KEEPER_KEY)


def check_with_single_file(document: bytes) -> None:
    SINGLE_FILE.verify(json.loads(document), VECTORS["log_key"], KEEPER_KEY)


@pytest.mark.parametrize("kind", ["response", "destruction"])
def test_any_flipped_byte_of_a_receipt_fails(kind: str) -> None:
    whole = VECTORS[kind].encode()
    check(kind, whole)
    check_with_single_file(whole)
    for at in range(len(whole)):
        for bits in (0x01, 0x20, 0x80):
            changed = bytes([*whole[:at], whole[at] ^ bits, *whole[at + 1 :]])
            with pytest.raises(InvalidInput):
                check(kind, changed)
            with pytest.raises(REFUSALS):
                check_with_single_file(changed)


@given(st.data())
def test_any_changed_stretch_of_a_receipt_fails(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["response", "destruction"]))
    whole = VECTORS[kind]
    begin = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(begin, min(len(whole), begin + 50)))
    changed = whole[:begin] + data.draw(st.text(max_size=50)) + whole[end:]
    try:
        same = json.loads(changed) == json.loads(whole)
    except ValueError:
        same = False
    if not same:
        with pytest.raises(InvalidInput):
            check(kind, changed.encode())
        with pytest.raises(REFUSALS):
            check_with_single_file(changed.encode())
