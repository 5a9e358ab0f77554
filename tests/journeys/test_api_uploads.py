"""Uploads through the official SDK: parts become one file, or nothing."""

import hashlib
from collections.abc import Iterator

import openai
import pytest
from tests.fixtures.batches import sdk
from tests.fixtures.installation import Installation, installation
from tests.fixtures.waiting import until

from bailee.kernel.instants import MINUTE_MS, SECOND_MS, Instant

pytestmark = pytest.mark.journey

PARTS = [b"first part, " * 30_000, b"second part, " * 20_000, b"the end"]
WHOLE = b"".join(PARTS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("uploads")) as made:
        yield made


@pytest.fixture
def client(place: Installation) -> Iterator[openai.OpenAI]:
    with sdk(place, place.demo) as made:
        yield made


def begin(client: openai.OpenAI, size_bytes: int = len(WHOLE)) -> openai.types.Upload:
    return client.uploads.create(
        filename="whole.jsonl", purpose="batch", bytes=size_bytes, mime_type="application/jsonl"
    )


def add(client: openai.OpenAI, upload: str, *numbers: int) -> list[str]:
    return [
        client.uploads.parts.create(upload_id=upload, data=PARTS[number]).id for number in numbers
    ]


def kept(place: Installation) -> int:
    return sum(1 for file in (place.data / "objects" / "held").rglob("*") if file.is_file())


def test_parts_become_a_file_in_the_order_that_is_asked_for(
    place: Installation, client: openai.OpenAI
) -> None:
    upload = begin(client)
    assert (upload.object, upload.status, upload.file) == ("upload", "pending", None)
    assert upload.expires_at == pytest.approx(upload.created_at + 3600, abs=2)
    last, first, second = add(client, upload.id, 2, 0, 1)
    md5 = hashlib.md5(WHOLE, usedforsecurity=False).hexdigest()
    done = client.uploads.complete(upload.id, part_ids=[first, second, last], md5=md5)
    assert done.status == "completed"
    assert done.file is not None
    assert (done.file.bytes, done.file.filename) == (len(WHOLE), "whole.jsonl")
    assert done.file.purpose == "batch"
    assert client.files.content(done.file.id).read() == WHOLE
    assert kept(place) == 1, "the parts are gone"
    again = client.uploads.complete(upload.id, part_ids=[first, second, last])
    assert again.file is not None
    assert again.file.id == done.file.id, "asked twice, made once"
    with pytest.raises(openai.ConflictError):
        client.uploads.cancel(upload.id)
    client.files.delete(done.file.id)


def test_what_does_not_fit_is_refused_and_can_be_mended(
    place: Installation, client: openai.OpenAI
) -> None:
    upload = begin(client)
    parts = add(client, upload.id, 0, 1)
    for wrong in ([*parts], [*parts, parts[0]], [*parts, "part_" + "0" * 32]):
        with pytest.raises(openai.BadRequestError) as refused:
            client.uploads.complete(upload.id, part_ids=wrong)
        assert refused.value.param == "part_ids"
    parts += add(client, upload.id, 2)
    with pytest.raises(openai.BadRequestError) as refused:
        client.uploads.complete(upload.id, part_ids=parts, md5="0" * 32)
    assert refused.value.param == "md5"
    done = client.uploads.complete(upload.id, part_ids=parts)
    assert done.file is not None
    client.files.delete(done.file.id)
    with pytest.raises(openai.BadRequestError):
        begin(client, 9 * 1024**3)


def test_a_cancelled_upload_leaves_nothing(place: Installation, client: openai.OpenAI) -> None:
    before = kept(place)
    upload = begin(client)
    parts = add(client, upload.id, 0, 1, 2)
    assert client.uploads.cancel(upload.id).status == "cancelled"
    assert kept(place) == before
    with pytest.raises(openai.ConflictError):
        client.uploads.complete(upload.id, part_ids=parts)
    with pytest.raises(openai.ConflictError):
        add(client, upload.id, 0)
    with pytest.raises(openai.NotFoundError):
        client.uploads.cancel("upload_" + "0" * 32)


def test_an_upload_ends_with_its_hour(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("hour")
    with installation(root, simulated=True) as place, sdk(place, place.demo) as client:
        with place.time_passes():
            other_tenant = place.tenant("stranger")
            upload, other = begin(client), begin(client)
            parts = add(client, upload.id, 0, 1)
        assert place.clock is not None
        place.clock.set(Instant(1000 * upload.expires_at - MINUTE_MS))
        parts += add(client, upload.id, 2)
        assert kept(place) == 3
        place.clock.set(Instant(1000 * other.expires_at + SECOND_MS))
        for refused in (
            lambda: add(client, upload.id, 0),
            lambda: client.uploads.complete(upload.id, part_ids=parts),
            lambda: client.uploads.cancel(upload.id),
            lambda: add(client, other.id, 0),
        ):
            with pytest.raises(openai.BadRequestError, match="has expired") as expired:
                refused()
            assert expired.value.param == "upload_id"
        with place.time_passes():
            until(lambda: kept(place) == 0, "its parts are destroyed")
        with pytest.raises(openai.BadRequestError, match="has expired"):
            client.uploads.cancel(upload.id)
        with (
            sdk(place, other_tenant) as stranger,
            pytest.raises(openai.NotFoundError),
        ):
            stranger.uploads.cancel(upload.id)


def test_the_sdk_uploads_a_file_in_chunks(client: openai.OpenAI) -> None:
    done = client.uploads.upload_file_chunked(
        file=WHOLE,
        filename="chunked.bin",
        bytes=len(WHOLE),
        mime_type="application/octet-stream",
        purpose="user_data",
        part_size=100_000,
    )
    assert done.file is not None
    assert client.files.content(done.file.id).read() == WHOLE
    client.files.delete(done.file.id)
