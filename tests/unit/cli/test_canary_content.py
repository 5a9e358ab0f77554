"""Which objects the canary takes for content (by the catalogue, and in doubt), and their names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bailee.cli.canary import sealed
from bailee.cli.house import House
from bailee.drivers.objects.regional import MARK_KEY
from bailee.wiring.places import Places


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("segments/us/985321/abuse_monitoring.parquet", True),
        ("held/us/0001", True),
        ("unheard/of", True),
        (MARK_KEY, False),
        ("log/checkpoint", False),
        ("sequencer/batch", False),
    ],
)
def test_what_is_catalogued_as_api_data_is_content(name: str, content: bool) -> None:
    assert sealed.is_content(name) is content


async def test_each_place_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of an object says nothing of what is in it."""

    class Rows:
        async def fetchval(self, statement: str) -> int:
            return 1

    @asynccontextmanager
    async def as_owner(house: House) -> AsyncIterator[Rows]:
        yield Rows()

    monkeypatch.setattr(sealed, "as_owner", as_owner)
    house = House(tmp_path, "")
    for name in (MARK_KEY, ".lock", "log/checkpoint", "held/us/0001"):
        file = Places(house.data).objects / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert await sealed.sealed_anywhere(house) == ["objects/held/us/0001", "a row of held_objects"]
