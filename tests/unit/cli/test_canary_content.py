"""Which objects the canary takes for content: by the catalogue, and in doubt."""

import pytest

from bailee.cli.canary.sealed import is_content
from bailee.drivers.objects.regional import MARK_KEY


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
    assert is_content(name) is content
