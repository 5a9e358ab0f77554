"""What is stored is in the data catalogue, and the catalogue names nothing else (C01)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest
import sqlalchemy as sa

from bailee.application_state.batches import BatchDetails
from bailee.application_state.chat_completions import StoredChat
from bailee.application_state.files import FileDetails
from bailee.application_state.fine_tuning import AdapterDetails, JobDetails, JobEvent
from bailee.application_state.responses import StoredResponse
from bailee.application_state.uploads import UploadDetails
from bailee.custody.catalogue.coverage import compare, compare_stores, source_names
from bailee.custody.catalogue.entries import packaged_catalogue, parse_catalogue
from bailee.custody.journal.frames import JournalHeader, SignedRoot
from bailee.custody.keeper.state import Credential, Destruction, _Stored
from bailee.custody.seal.part import PartHeader, SealedPart, Wrap
from bailee.custody.seal.session import ScopeFrame, SessionFrame
from bailee.custody.segment import layout
from bailee.kernel.errors import InvalidInput
from bailee.ports.keeper import BootCertificate
from bailee.schema.tables import metadata
from bailee.serving.call import _Read
from bailee.settings import SecretText, Settings
from bailee.wiring import places, secrets

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "bailee"
CATALOGUE = packaged_catalogue()
TEXTS = [
    (SOURCE / "custody" / "catalogue" / name).read_text("utf-8")
    for name in ("catalogue.toml", "log_fields.toml")
]

NOT_STORED = {
    "application/": "a media type",
    "batch/": "the work that a grant is for",
    "batches/": "the name of a lease",
    "build/": "weights of the local model, made before anything is stored",
    "bailee/": "a label of what is hashed or signed",
    "census/": "the subject of a receipt",
    "endpoints/": "below the policy folder",
    "epoch/": "the subject of a statement",
    "harassment/": "a moderation category",
    "hate/": "a moderation category",
    "http/": "the name of a protocol",
    "illicit/": "a moderation category",
    "multipart/": "a media type",
    "object/": "the subject of a statement",
    "policy/": "the subject of a log entry",
    "scope/": "the subject of a statement",
    "sexual/": "a moderation category",
    "text/": "a media type",
    "training/": "the subject of a statement",
    "tile/": "below log/",
    "versions/": "below the policy folder",
    "violence/": "a moderation category",
}
"""Texts of the source that look like the beginning of a key or path, and are none."""


def stored_columns(tables: sa.MetaData) -> dict[str, set[str]]:
    return {
        name: {column.name for column in table.columns} for name, table in tables.tables.items()
    }


def sources() -> Iterator[tuple[Path, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path, path.read_text("utf-8")


def prefixes(source: str) -> set[str]:
    """What looks like the first name of an object's key or a path, in any text of the source."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            match = re.match(r"[a-z_]+/", node.value)
            if match:
                found.add(match[0])
    return found


def secret_settings(structure: type, place: str = "") -> set[str]:
    """Dotted names of the settings that hold secrets."""
    found: set[str] = set()
    for name, kind in get_type_hints(structure).items():
        kinds = {kind, *get_args(kind)}
        if SecretText in kinds:
            found.add(place + name)
        for inner in kinds:
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                found |= secret_settings(inner, f"{place}{name}.")
    return found


def test_database_columns() -> None:
    difference = compare_stores(CATALOGUE, "database", stored_columns(metadata))
    assert difference.none, difference


def test_sealed_parts() -> None:
    stored = {
        "header": set(PartHeader._fields),
        "wrap": set(Wrap._fields),
        "sealed": set(SealedPart._fields),
    }
    difference = compare_stores(CATALOGUE, "part", stored)
    assert difference.none, difference


def test_sealed_details() -> None:
    stored = {
        "file": FileDetails,
        "upload": UploadDetails,
        "batch": BatchDetails,
        "fine_tuning_job": JobDetails,
        "fine_tuning_event": JobEvent,
        "adapter": AdapterDetails,
        "response": StoredResponse,
        "chat_completion": StoredChat,
    }
    fields = {name: set(kind.__struct_fields__) for name, kind in stored.items()}
    difference = compare_stores(CATALOGUE, "held", fields)
    assert difference.none, difference


def test_what_callers_name_is_read_where_it_must_be() -> None:
    """None of it is a column, a log field or a label; what is salted is read to be salted."""
    named = CATALOGUE.names("request")
    elsewhere = CATALOGUE.names("database") | CATALOGUE.names("log") | CATALOGUE.names("metrics")
    assert not named & elsewhere
    assert named - {"metadata"} <= set(_Read.__struct_fields__)


def test_journal_frames() -> None:
    stored = {
        "header": set(JournalHeader._fields),
        "session": set(SessionFrame._fields),
        "scope": set(ScopeFrame._fields),
        "root": set(SignedRoot._fields),
        "certificate": set(BootCertificate.__struct_fields__),
    }
    difference = compare_stores(CATALOGUE, "journal", stored)
    assert difference.none, difference


def test_segment_columns() -> None:
    stored = {
        "segment": set(layout.SCHEMA.names),
        "metadata": set(layout.SegmentMetadata.__struct_fields__),
        "packed_journal": set(layout.PackedJournal.__struct_fields__),
    }
    difference = compare_stores(CATALOGUE, "segment", stored)
    assert difference.none, difference


def test_keyring_fields() -> None:
    stored = {
        "keyring": set(_Stored.__struct_fields__),
        "credential": set(Credential.__struct_fields__),
        "destruction": set(Destruction.__struct_fields__),
    }
    difference = compare_stores(CATALOGUE, "keyring", stored)
    assert difference.none, difference


def test_object_keys() -> None:
    found = {prefix for _, source in sources() for prefix in prefixes(source)}
    known = CATALOGUE.names("objects") | NOT_STORED.keys()
    folders = {f"{name}/" for name in CATALOGUE.names("files")}
    assert not found - known - folders, "catalogue them, or say why they are not stored"
    assert not known - found, "no source has them any more"


def test_files_of_the_data_folder() -> None:
    data = Path("/data")
    where = places.Places(data)
    named = {
        str(getattr(where, name).relative_to(data))
        for name, member in vars(places.Places).items()
        if isinstance(member, property)
    }
    named |= {
        f"secrets/{secrets.PEPPER}",
        f"secrets/{secrets.LOG_KEY}",
        f"secrets/{secrets.WEBHOOK_KEY}",
    }
    assert not named - CATALOGUE.names("files")
    texts = {
        node.value
        for _, source in sources()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    heads = {text.split("/")[0] for text in texts} | {text.rstrip("-") for text in texts}
    gone = {name for name in CATALOGUE.names("files") if name.rsplit("/", 1)[-1] not in heads}
    assert not gone, "no source names them any more"


def test_log_fields_and_metric_labels() -> None:
    fields, labels = set(CATALOGUE.always), set[str]()
    for path, source in sources():
        names = source_names(source)
        assert not names.unreadable, (path, names.unreadable)
        fields |= names.log_fields
        labels |= names.metric_labels
    assert compare(CATALOGUE.names("log"), fields).none, compare(CATALOGUE.names("log"), fields)
    assert compare(CATALOGUE.names("metrics"), labels).none


def test_settings_that_hold_secrets() -> None:
    difference = compare(CATALOGUE.names("settings"), secret_settings(Settings))
    assert difference.none, difference


def test_every_word_of_the_vocabulary_is_used() -> None:
    handlings = [entry.handling for store in CATALOGUE.stores for entry in store.entries]
    assert {handling.category for handling in handlings} == set(CATALOGUE.vocabulary["category"])
    assert {handling.region for handling in handlings} == set(CATALOGUE.vocabulary["region"])
    assert {handling.key for handling in handlings} == set(CATALOGUE.vocabulary["key"])
    retentions = {handling.retention for handling in handlings}
    assert retentions == set(CATALOGUE.vocabulary["retention"])


def test_api_data_opens_under_cell_keys_alone_and_stays_in_its_region() -> None:
    for store in CATALOGUE.stores:
        for entry in store.entries:
            if entry.handling.category == "api_data":
                kept = {"cell": "epoch", "object": "deletion"}
                assert entry.handling.key in kept, entry
                retention = kept[entry.handling.key]
                assert (entry.handling.region, entry.handling.retention) == ("project", retention)


# ---- that these tests can fail


def test_a_planted_column_is_found() -> None:
    planted = sa.MetaData()
    for table in metadata.tables.values():
        table.to_metadata(planted)
    planted.tables["projects"].append_column(sa.Column("favourite_colour", sa.Text))
    sa.Table("diaries", planted, sa.Column("entry", sa.Text))
    difference = compare_stores(CATALOGUE, "database", stored_columns(planted))
    assert difference.uncatalogued == {"projects.favourite_colour", "diaries.entry"}
    assert not difference.vanished


def test_a_column_that_is_gone_is_found() -> None:
    stored = stored_columns(metadata)
    stored["projects"].remove("name")
    del stored["leases"]
    difference = compare_stores(CATALOGUE, "database", stored)
    assert difference.vanished == {
        "projects.name",
        "leases.name",
        "leases.holder",
        "leases.token",
        "leases.expires_at",
    }


PLANTED = """
import structlog
from prometheus_client import Counter as Count, Histogram
from collections import Counter
log = structlog.get_logger()
log.info("answered", prompt="x")
self._log.bind(secret=1).warning("late", minutes=3)
structlog.contextvars.bind_contextvars(tenant="x")
requests = Count("requests", "All.", ["customer"])
seconds = Histogram("seconds", "All.", labelnames=("route",))
Counter([1], 2, ["not a label"])
other.info("fine", anything=1)
"""


def test_planted_log_fields_and_labels_are_found() -> None:
    names = source_names(PLANTED)
    assert names.log_fields == {"prompt", "secret", "minutes", "tenant"}
    assert names.metric_labels == {"customer", "route"}
    assert not names.unreadable
    assert compare(CATALOGUE.names("log"), names.log_fields).uncatalogued == names.log_fields


@pytest.mark.parametrize(
    "line",
    [
        'log.info("a", **fields)',
        'log.info(f"got {prompt}")',
        "log.info(prompt)",
        'log.info("got %s", prompt)',
        'import prometheus_client\nprometheus_client.Counter("a", "b", labels)',
        'import prometheus_client\nprometheus_client.Counter("a", "b", [prompt])',
    ],
)
def test_what_cannot_be_read_from_the_source_is_refused(line: str) -> None:
    assert source_names(line).unreadable


def test_a_planted_object_key_is_found() -> None:
    found = prefixes('key = f"diaries/{day}"\nother = "segments/us"')
    assert found - CATALOGUE.names("objects") == {"diaries/"}


def test_a_planted_secret_setting_is_found() -> None:
    class Planted(msgspec.Struct):
        inner: Settings
        token: SecretText

    assert {"token", "inner.database.url"} <= secret_settings(Planted)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('category = "account"', 'category = "gossip"', "allowed: api_data, key_material"),
        ('purposes = ["service"]', 'purposes = "service"', "a list is needed"),
        ('english = "Organisations."\n', "", "a text is needed"),
        ('key = "none"\n', "", "allowed: cell, object, root, none"),
        ('tenant = "The', 'owner.was = "The', "allowed: "),
    ],
)
def test_an_incomplete_entry_is_refused(old: str, new: str, message: str) -> None:
    assert TEXTS[0].count(old) >= 1
    with pytest.raises(InvalidInput, match=re.escape(message)):
        parse_catalogue(TEXTS[0].replace(old, new, 1), TEXTS[1])
