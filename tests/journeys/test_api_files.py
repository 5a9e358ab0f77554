"""Files through the official SDK: kept sealed, read back, listed, and gone when deleted."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import httpx2
import openai
import pytest
from tests.fixtures.clients import trust
from tests.fixtures.installation import Installation, installation
from tests.fixtures.leftovers import contents_below
from tests.fixtures.waiting import until

pytestmark = pytest.mark.journey

SECRET = b"a sentence that must not lie anywhere in clear. "
VERIFIER: Final = Path(__file__).resolve().parents[2] / "verifier" / "bailee_verify.py"
NAME = "quarterly-figures-9f3b.jsonl"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("files")) as made:
        yield made


@pytest.fixture
def client(place: Installation) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=place.base_url,
        api_key=place.demo.key,
        http_client=httpx2.Client(verify=place.ssl_context(), timeout=30),
        max_retries=0,
    ) as made:
        yield made


def in_clear(place: Installation, *words: bytes) -> list[str]:
    return [
        str(file)
        for file, content in contents_below(place.root)
        if any(word in content for word in words)
    ]


def test_the_life_of_a_file(place: Installation, client: openai.OpenAI) -> None:
    content = SECRET * 20_000
    made = client.files.create(file=(NAME, content), purpose="user_data")
    assert (made.object, made.bytes, made.filename) == ("file", len(content), NAME)
    assert (made.purpose, made.expires_at) == ("user_data", None)
    assert re.fullmatch("file-[0-9a-f]{32}", made.id)
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).read() == content
    assert [file.id for file in client.files.list(purpose="user_data")] == [made.id]
    assert list(client.files.list(purpose="batch")) == []
    assert in_clear(place, SECRET, NAME.encode()) == []

    gone = client.files.delete(made.id)
    assert (gone.id, gone.object, gone.deleted) == (made.id, "file", True)
    for ask in (client.files.retrieve, client.files.delete, client.files.content):
        with pytest.raises(openai.NotFoundError):
            ask(made.id)
    assert list(client.files.list()) == []
    assert not list((place.data / "objects" / "held").rglob("*/*")), "its bytes are gone too"


def test_a_range_is_read_alone(place: Installation, client: openai.OpenAI) -> None:
    content = bytes(range(256)) * 3000
    made = client.files.create(file=("range.bin", content), purpose="user_data")
    with place.client() as plain:
        for first, last in ((0, 0), (262_143, 262_145), (700_000, 767_999)):
            got = plain.get(
                f"/v1/files/{made.id}/content",
                headers={**place.demo.headers, "range": f"bytes={first}-{last}"},
            )
            assert (got.status_code, got.content) == (206, content[first : last + 1])
            assert got.headers["content-range"] == f"bytes {first}-{last}/{len(content)}"
        for suffix in (3, 262_145, len(content), len(content) + 1, int("9" * 40)):
            asked = {**place.demo.headers, "range": f"bytes=-{suffix}"}
            got = plain.get(f"/v1/files/{made.id}/content", headers=asked)
            assert (got.status_code, got.content) == (206, content[-suffix:])
            first = len(content) - len(got.content)
            told = f"bytes {first}-{len(content) - 1}/{len(content)}"
            assert got.headers["content-range"] == told
        for range_ in ("bytes=999999999-", f"bytes={'9' * 5_000}-", "bytes=-0"):
            asked = {**place.demo.headers, "range": range_}
            got = plain.get(f"/v1/files/{made.id}/content", headers=asked)
            assert got.status_code == 416
            assert got.headers["content-range"] == f"bytes */{len(content)}"
        several = {**place.demo.headers, "range": "bytes=0-1,-3"}
        got = plain.get(f"/v1/files/{made.id}/content", headers=several)
        assert (got.status_code, got.content) == (200, content)
        empty = client.files.create(file=("empty", b""), purpose="user_data")
        for range_, status in (("bytes=-3", 200), ("bytes=0-", 416)):
            asked = {**place.demo.headers, "range": range_}
            got = plain.get(f"/v1/files/{empty.id}/content", headers=asked)
            assert (got.status_code, got.content) == (status, b"")
    client.files.delete(empty.id)
    client.files.delete(made.id)


def test_numbers_of_any_length_are_answered(place: Installation) -> None:
    digits = "9" * 5_000
    with place.client() as plain:
        for path in ("files", "batches", "fine_tuning/jobs"):
            got = plain.get(f"/v1/{path}?limit={digits}", headers=place.demo.headers)
            assert (got.status_code, got.json()["error"]["param"]) == (400, "limit")
        form = {"purpose": "user_data", "expires_after[seconds]": digits[:200]}
        form["expires_after[anchor]"] = "created_at"
        headers = {"authorization": place.demo.headers["authorization"]}
        got = plain.post("/v1/files", data=form, files={"file": ("a", b"a")}, headers=headers)
        assert (got.status_code, got.json()["error"]["param"]) == (400, "expires_after.seconds")


def test_expiry_and_lists(place: Installation, client: openai.OpenAI) -> None:
    made = [
        client.files.create(
            file=(f"{number}.txt", b"x"),
            purpose="assistants",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
        for number in range(3)
    ]
    assert made[0].expires_at == pytest.approx(made[0].created_at + 3600, abs=2)
    ids = [file.id for file in made]
    assert [file.id for file in client.files.list(limit=2)] == ids[::-1], "pages are followed"
    assert [file.id for file in client.files.list(limit=2, order="asc")] == ids
    batch = client.files.create(file=("b.jsonl", b"{}\n"), purpose="batch")
    assert batch.expires_at == pytest.approx(batch.created_at + 30 * 86400, abs=2)
    for one in (*ids, batch.id):
        client.files.delete(one)


def test_what_is_wrong_is_named(place: Installation, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(file=("a", SECRET), purpose="nonsense")  # type: ignore[arg-type]
    assert refused.value.param == "purpose"
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(
            file=("a", SECRET),
            purpose="batch",
            expires_after={"anchor": "created_at", "seconds": 60},
        )
    assert refused.value.param == "expires_after.seconds"
    assert list(client.files.list()) == []
    with place.client() as plain:
        headers = {"authorization": place.demo.headers["authorization"]}
        wrong: list[tuple[dict[str, Any], int]] = [
            ({"json": {}}, 415),
            ({"data": {"purpose": "batch"}, "files": {"other": ("a", b"x")}}, 400),
            ({"content": b"--b\r\nbroken", "headers": {"content-type": FORM}}, 400),
        ]
        for ask, status in wrong:
            asked = {**ask, "headers": headers | ask.get("headers", {})}
            got = plain.post("/v1/files", **asked)
            assert got.status_code == status, got.text
            assert got.json()["error"]["type"] == "invalid_request_error"
        assert plain.get("/v1/files?limit=0", headers=headers).status_code == 400
        assert plain.get("/v1/files").status_code == 401
        assert plain.get("/v1/nothing", headers=headers).status_code == 404
        assert plain.get("/v1/nothing").status_code == 401


FORM = "multipart/form-data; boundary=b"


def test_the_fields_may_follow_the_file(place: Installation, client: openai.OpenAI) -> None:
    body = (
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="late.txt"\r\n\r\nhello\r\n'
        b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nevals\r\n'
        b'--b\r\ncontent-disposition: form-data; name="expires_after[anchor]"\r\n\r\n'
        b"created_at\r\n"
        b'--b\r\ncontent-disposition: form-data; name="expires_after[seconds]"\r\n\r\n7200\r\n'
        b"--b--\r\n"
    )
    headers = {"authorization": place.demo.headers["authorization"], "content-type": FORM}
    with place.client() as plain:
        made = plain.post("/v1/files", content=body, headers=headers).json()
    assert (made["filename"], made["purpose"], made["bytes"]) == ("late.txt", "evals", 5)
    assert made["expires_at"] == pytest.approx(made["created_at"] + 7200, abs=2)
    client.files.delete(made["id"])


def test_another_project_sees_nothing(place: Installation, client: openai.OpenAI) -> None:
    made = client.files.create(file=("a.txt", SECRET), purpose="user_data")
    other = place.tenant("other")
    with place.client() as plain:
        for path in (f"/v1/files/{made.id}", f"/v1/files/{made.id}/content"):
            assert plain.get(path, headers=other.headers).status_code == 404
        assert plain.delete(f"/v1/files/{made.id}", headers=other.headers).status_code == 404
        assert plain.get("/v1/files", headers=other.headers).json()["data"] == []
    assert client.files.content(made.id).read() == SECRET
    client.files.delete(made.id)


def test_a_deletion_has_a_receipt(
    place: Installation, client: openai.OpenAI, tmp_path: Path
) -> None:
    made = client.files.create(file=("a.txt", SECRET), purpose="user_data")
    client.files.delete(made.id)
    with place.client() as plain:

        def receipt() -> httpx.Response | None:
            got = plain.get(f"/bailee/v1/deletions/{made.id}", headers=place.demo.headers)
            return got if got.status_code == 200 else None

        found = until(receipt, "the receipt")
        assert found is not None
        other = place.tenant("third")
        got = plain.get(f"/bailee/v1/deletions/{made.id}", headers=other.headers)
        assert got.status_code == 404
    log_key, keeper_key = trust(place)
    file = tmp_path / "receipt.json"
    file.write_bytes(found.content)
    keys = ["--log-key", log_key, "--keeper-key", keeper_key]
    done = subprocess.run(
        [sys.executable, str(VERIFIER), str(file), *keys],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "destroyed object/us/" in done.stdout
    said = json.loads(found.content)
    assert said["statement"]["subject"].startswith("object/us/")
    assert made.id.removeprefix("file-") not in found.text, "the log does not name the file"


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("size_mb", [64, pytest.param(512, marks=pytest.mark.soak)])
def test_a_large_file_takes_little_memory(
    place: Installation, client: openai.OpenAI, size_mb: int, tmp_path: Path
) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        for number in range(size_mb):
            file.write(bytes((number % 256,)) * 1_048_576)
    pid = place.pid("gateway-0")
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = peak_kb(pid)
    with large.open("rb") as file:
        made = client.files.create(file=file, purpose="user_data")
    assert made.bytes == size_mb * 1_048_576
    read = 0
    with client.files.with_streaming_response.content(made.id) as got:
        for part in got.iter_bytes(1_048_576):
            read += len(part)
    assert read == made.bytes
    assert peak_kb(pid) - before < 40_000
    assert peak_kb(pid) < 250_000
    client.files.delete(made.id)


def peak_kb(pid: int | None) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])
