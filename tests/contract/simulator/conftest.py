"""A running simulator for every test of this folder."""

from collections.abc import AsyncIterator

import pytest

from gateway.simulator.server import Running, serve


@pytest.fixture(scope="session")
async def shared_simulator() -> AsyncIterator[Running]:
    running = await serve()
    try:
        yield running
    finally:
        await running.stop()


@pytest.fixture
def simulator(shared_simulator: Running) -> Running:
    """The shared simulator with nothing counted yet."""
    shared_simulator.observed.reset()
    return shared_simulator
