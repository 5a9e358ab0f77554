"""Fixtures that tests of several layers share, and how property tests choose their examples."""

import pytest
from hypothesis import settings

pytest_plugins = ["tests.fixtures.postgres"]


def pytest_configure(config: pytest.Config) -> None:
    """Take the same examples on every run, and new ones in campaigns at full size."""
    settings.register_profile("repeatable", derandomize=True)
    if config.getoption("markexpr") != "soak":
        settings.load_profile("repeatable")
