"""The rows of the Accounts service: all of the contract, and tried again only where nothing changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.client import AsyncClient, Client, GatewayError, accounts, v1
from gateway.client.call import Method
from gateway.wire.pb import accounts_pb2
from tests.unit.client.scripted import Scripted, serving

ROWS = {row.name: row for row in vars(accounts).values() if isinstance(row, Method)}


@pytest.fixture
async def server() -> AsyncIterator[tuple[Scripted, str]]:
    """A scripted service and its address."""
    async with serving() as running:
        yield running


def test_the_rows_are_the_contract() -> None:
    """Every RPC, with its request and reply."""
    declared = accounts_pb2.DESCRIPTOR.services_by_name["Accounts"].methods
    assert {m.name: (m.input_type.name, m.output_type.name) for m in declared} == {
        name: (row.request.__name__, row.reply.__name__) for name, row in ROWS.items()
    }


def test_what_reads_has_no_effect() -> None:
    """Get and List are tried again, everything else is sent once."""
    assert {name for name, row in ROWS.items() if not row.has_effect} == {
        name for name in ROWS if name.startswith(("Get", "List"))
    }


async def test_a_reading_call_is_tried_again_and_a_changing_one_is_not(server: tuple[Scripted, str]) -> None:
    """Unless the caller says so."""
    scripted, address = server
    async with AsyncClient(address, key="k") as client:
        found = await client.call(accounts.GET_KEY, v1.GetKeyRequest(id="flaky-1"))
        assert (found.id, len(scripted.calls)) == ("flaky-1", 2)
        scripted.reset()
        with pytest.raises(GatewayError):
            await client.call(accounts.ROTATE_KEY, v1.RotateKeyRequest(id="flaky-1"))
        assert len(scripted.calls) == 1
        scripted.reset()
        made = await client.call(accounts.ROTATE_KEY, v1.RotateKeyRequest(id="flaky-1"), max_retries=1)
        assert made.key == "new"


async def test_the_sync_client_has_the_same_rows(server: tuple[Scripted, str]) -> None:
    """`Client.call`."""
    import asyncio

    def ask() -> Any:
        with Client(server[1], key="k") as client:
            with pytest.raises(GatewayError):
                client.call(accounts.ROTATE_KEY, v1.RotateKeyRequest(id="flaky-1"))
            return client.call(accounts.GET_ME, v1.GetMeRequest())

    assert (await asyncio.to_thread(ask)).role == "admin"
