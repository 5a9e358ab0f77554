"""Entries: one of each type by its vector, and what cannot be one."""

import json
from pathlib import Path
from typing import Any

import pytest

from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import EpochKeyName, Purpose, Region
from bailee.kernel.instants import Epoch, Instant, from_rfc3339
from bailee.transparency import entry
from bailee.transparency.entry_fields import FIELDS

LEAVES: dict[str, str] = json.loads((Path(__file__).parents[2] / "vectors/leaf.json").read_text())


def test_every_type_has_a_vector() -> None:
    assert LEAVES.keys() == FIELDS.keys()


@pytest.mark.parametrize("kind", LEAVES)
def test_reads_what_was_written(kind: str) -> None:
    leaf = LEAVES[kind].encode()
    assert len(leaf) <= entry.MAX_LEAF_BYTES
    found = entry.parse_entry(leaf)
    assert found.type == kind
    assert found.instant == from_rfc3339(found.fields["instant"])
    assert entry.canonical(found.fields) == leaf
    assert found.fields == entry.parse(leaf)


@pytest.mark.parametrize("kind", LEAVES)
def test_refuses_a_missing_an_additional_and_a_wrong_field(kind: str) -> None:
    whole: dict[str, Any] = json.loads(LEAVES[kind])
    for name in whole:
        for changed in (
            {key: value for key, value in whole.items() if key != name},
            {**whole, f"{name}_too": whole[name]},
            {**whole, name: [whole[name]]},
            {**whole, name: "\u00fc"},
            {**whole, name: -1},
            {**whole, name: 1.5},
        ):
            with pytest.raises(InvalidInput):
                entry.parse(entry.canonical(changed))


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        LEAVES["key_root_rolled"].replace(":42", ": 42").encode(),
        LEAVES["key_root_rolled"].replace(":42", ":4.2e1").encode(),
        LEAVES["key_root_rolled"].replace('"version":1', '"version":2').encode(),
        LEAVES["key_root_rolled"].replace('"version":1', '"version":true').encode(),
        LEAVES["key_root_rolled"].replace("rolled", "rotted").encode(),
        LEAVES["key_root_rolled"].replace(".000Z", "Z").encode(),
        LEAVES["key_root_rolled"].replace("42", "9007199254740992").encode(),
        LEAVES["census"].encode() + b" " * 1024,
    ],
)
def test_refuses_what_is_not_canonical_or_not_known(leaf: bytes) -> None:
    with pytest.raises(InvalidInput):
        entry.parse(leaf)


@pytest.mark.parametrize(
    "subject",
    [
        "scope/us/abuse_monitoring/00112233445566778899aabbccddeeff/0",
        "epoch/us/abuse_monitoring/0994000",
        "epoch/us/curiosity/994000",
        "epoch/us/abuse_monitoring/999999999",
        "epoch/us/abuse_monitoring/994000\n",
    ],
)
def test_names_epochs_and_never_projects(subject: str) -> None:
    with pytest.raises(InvalidInput):
        entry.segments_removed(Instant(0), subject, objects=0)


def test_refuses_a_region_that_could_say_anything() -> None:
    name = EpochKeyName(Region("Someone's name"), Purpose.TRAINING, Epoch(1))
    with pytest.raises(InvalidInput):
        entry.epoch_opened(Instant(0), name, bytes(32))


def test_an_epoch_s_deadline_is_its_own() -> None:
    name = EpochKeyName(Region("us"), Purpose.TRAINING, Epoch(0))
    leaf = entry.parse(entry.epoch_opened(Instant(0), name, bytes(32)))
    assert leaf["deadline"] == "1970-01-31T00:00:00.000Z"
