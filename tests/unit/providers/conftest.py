"""A transport for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.providers.transport import Transport


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """A transport; at the end no reply is open."""
    made = Transport()
    yield made
    await made.close()
    assert made.open_replies == 0
