"""Gateways for the journeys over HTTP."""

from collections.abc import Iterator

import pytest
from tests.fixtures.gateway import RunningGateway, running_gateway

SERVERS = ("http1", "granian")


@pytest.fixture(scope="module", params=SERVERS)
def shared_gateway(request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    """A gateway on each server, started once for a module."""
    with running_gateway(request.param) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared_gateway: RunningGateway) -> RunningGateway:
    """The module's gateway, with scripts and records empty."""

    def reset() -> None:
        for upstream in (shared_gateway.upstream, shared_gateway.second):
            upstream.script.clear()
            upstream.received.clear()
            upstream.left.clear()
            upstream.usual = type(upstream)().usual
        shared_gateway.recorder.records.clear()
        shared_gateway.recorder.broken = shared_gateway.recorder.full = False
        shared_gateway.recorder.disk.set()

    shared_gateway.do(reset)
    return shared_gateway
