"""The life of links: settings, drain, loss, reconnect, several services."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from gateway.core.errors import Kind
from gateway.rpc.contract import CallContext, Head, Item, Tail
from gateway.rpc.link_client import LinkClient
from gateway.rpc.link_server import LinkServer, serve
from gateway.rpc.options import LinkOptions
from gateway.wire.pb import chat_pb2
from tests.e2e.link_toy import (
    WAIT_S,
    Toy,
    begin,
    events,
    failure_of,
    for_ever,
    linked,
    never,
    serving,
    socket_address,
    take_all,
    until,
)

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def service_process(address: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "tests.e2e.link_service", address], cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_two_services_cannot_share_a_port() -> None:
    """A second service on the same port fails to bind instead of stealing half of the links."""
    first, port = await serve(LinkServer(Toy()), "127.0.0.1:0")
    with pytest.raises(RuntimeError):
        await serve(LinkServer(Toy()), f"127.0.0.1:{port}")
    await first.stop(0)


# --- settings -------------------------------------------------------------------------------------------------------


async def test_settings_reach_every_frontend_now_and_later() -> None:
    """Settings published before a frontend came arrive with the greeting, later ones when published."""
    got: dict[str, list[tuple[int, str]]] = {"a": [], "b": []}

    def bad(generation: int, json: str) -> None:
        got["a"].append((generation, json))
        raise ValueError("a frontend that cannot use it keeps its link")

    async with linked(Toy(), on_settings=bad) as link:
        link.server.publish('{"n":1}', 7)
        async with LinkClient([link.address], on_settings=lambda g, j: got["b"].append((g, j))) as later:
            assert await later.ready(WAIT_S)
            await until(lambda: got["a"] and got["b"])
            link.server.publish('{"n":2}', 8)
            await until(lambda: all(len(seen) == 2 for seen in got.values()))
        assert got["a"] == got["b"] == [(7, '{"n":1}'), (8, '{"n":2}')]
        assert len(await take_all(link.call("echo"))) == 3
        with pytest.raises(ValueError, match="over 1 MiB"):
            link.server.publish("x" * 2_000_000, 9)


# --- drain ----------------------------------------------------------------------------------------------------------


async def test_a_draining_service_finishes_its_calls_and_takes_no_new_ones() -> None:
    """Running calls complete; new ones are refused as UNAVAILABLE with no attempt; drain returns 0 when all ended."""
    release = asyncio.Event()

    async def slow(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
        yield Head({})
        await release.wait()
        yield ["last"]
        yield Tail({})

    toy = Toy(slow=slow)
    async with linked(toy, LinkOptions(connect_wait_s=0.1)) as link:
        running = link.call("slow", name="running")
        await anext(running)
        draining = asyncio.create_task(link.server.drain(WAIT_S))
        await until(lambda: link.client.state != "ready")
        assert (await failure_of(link.call("echo", name="new"))).kind is Kind.UNAVAILABLE
        assert not draining.done()
        release.set()
        assert events(await take_all(running))[-1] == "last"
        assert await draining == 0
        assert toy.began == ["running"]


async def test_what_does_not_finish_in_time_is_cut() -> None:
    """drain(timeout) cancels the rest and says how many: readers get UNAVAILABLE, generators are closed."""
    async with linked(Toy(for_ever=for_ever), LinkOptions(connect_wait_s=0.1)) as link:
        running = [link.call("for_ever", name=str(n)) for n in range(3)]
        for call in running:
            await anext(call)
        assert await link.server.drain(0.05) == 3
        for call in running:
            assert (await failure_of(call)).kind is Kind.UNAVAILABLE
        await until(lambda: len(link.toy.closed) == 3)


async def test_while_one_service_drains_the_other_takes_the_calls() -> None:
    """With two services a drain of one loses no call."""
    with socket_address() as first, socket_address() as second:
        one, two = Toy(), Toy()
        client = LinkClient([first, second])
        async with serving(one, first) as (draining, _), serving(two, second) as (other, _), client:
            await until(lambda: draining.links == other.links == 1)
            calls = [asyncio.create_task(take_all(begin(client, "echo", name=str(n)))) for n in range(200)]
            await asyncio.sleep(0)
            assert await draining.drain(WAIT_S) == 0
            calls += [asyncio.create_task(take_all(begin(client, "echo"))) for _ in range(50)]
            assert all(len(items) == 3 for items in await asyncio.gather(*calls))
        assert len(one.began) + len(two.began) == 250


async def test_a_successor_at_the_same_address_is_used_while_the_old_one_drains() -> None:
    """New calls reach the new service although a call still runs on the old one, which finishes undisturbed."""
    release = asyncio.Event()

    async def slow(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
        yield Head({})
        await release.wait()
        yield Tail({})

    old, new = Toy(slow=slow), Toy()
    async with linked(old, LinkOptions(connect_wait_s=WAIT_S)) as link:
        running = link.call("slow", name="running")
        await anext(running)
        async with serving(new, link.address):
            draining = asyncio.create_task(link.server.drain(WAIT_S))
            assert len(await take_all(link.call("echo", name="new"))) == 3
            assert (old.began, new.began) == (["running"], ["new"])
            release.set()
            assert await take_all(running) == [Tail({})]
            assert await draining == 0
            assert len(await take_all(link.call("echo", name="later"))) == 3
            assert new.began == ["new", "later"]


# --- loss -----------------------------------------------------------------------------------------------------------


async def test_calls_spread_over_services() -> None:
    """The link with the fewest open calls takes the next."""
    with socket_address() as first, socket_address() as second:
        one, two = Toy(for_ever=for_ever), Toy(for_ever=for_ever)
        async with serving(one, first) as (a, _), serving(two, second) as (b, _), LinkClient([first, second]) as client:
            await until(lambda: a.links == b.links == 1 and client.state == "ready")
            calls = [begin(client, "for_ever") for _ in range(10)]
            for call in calls:
                await anext(call)
            assert (len(one.began), len(two.began)) == (5, 5)
            for call in calls:
                await call.aclose()


async def test_a_killed_service_ends_started_calls_and_loses_no_other() -> None:
    """kill -9: a call that had its head fails with UNAVAILABLE, one that had not runs on another service."""
    with socket_address() as doomed, socket_address() as spare:
        toy = Toy()
        with service_process(doomed) as process:
            async with LinkClient([doomed, spare], LinkOptions(connect_wait_s=WAIT_S)) as client:
                assert await client.ready(WAIT_S)
                started, unstarted = begin(client, "for_ever"), begin(client, "never", name="moved")
                await anext(started)
                waiting = asyncio.create_task(anext(unstarted))
                await until(lambda: client.calls == 2)

                async def answer(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
                    yield Head({"from": "spare"})

                toy.scripts["never"] = answer
                async with serving(toy, spare):
                    process.send_signal(signal.SIGKILL)
                    failure = await failure_of(started)
                    assert (failure.kind, failure.retry_after_s) == (Kind.UNAVAILABLE, 1)
                    head = await waiting
                    assert head.headers == {"from": "spare"}
                    assert toy.began == ["moved"]
                    await unstarted.aclose()


async def test_a_service_that_comes_back_is_used_again() -> None:
    """A call made while the service is away waits for it and succeeds; nothing has to be restarted."""
    with socket_address() as address:
        async with LinkClient([address], LinkOptions(connect_wait_s=WAIT_S)) as client:
            for _ in range(3):
                call = asyncio.create_task(take_all(begin(client, "echo")))
                with service_process(address):
                    assert len(await call) == 3
                await until(lambda: client.state == "connecting")


@contextlib.contextmanager
def supervised_service(address: str) -> Iterator[subprocess.Popen[str]]:
    code = (
        "import sys; from gateway.supervisor import ChildSpec, run;"
        "run([ChildSpec('service', [sys.executable, '-m', 'tests.e2e.link_service', sys.argv[1]], 'service')])"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code, address], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        yield supervisor
    finally:
        supervisor.terminate()
        supervisor.communicate(timeout=WAIT_S)


async def test_under_the_supervisor_a_killed_service_is_back(tmp_path: Path) -> None:
    """kill -9 of the service: the next call is answered by its successor, on the same socket."""
    address = f"unix:{tmp_path / 'link'}"
    with supervised_service(address) as supervisor:
        async with LinkClient([address]) as client:
            assert await client.ready(WAIT_S)
            started = begin(client, "for_ever")
            await anext(started)
            assert supervisor.stderr is not None
            os.kill(json.loads(supervisor.stderr.readline())["pid"], signal.SIGKILL)
            assert (await failure_of(started)).kind is Kind.UNAVAILABLE
            async with asyncio.timeout(WAIT_S):
                assert len(await take_all(begin(client, "echo"))) == 3


async def test_a_call_is_tried_twice_not_more() -> None:
    """A call whose service dies on it each time ends with UNAVAILABLE after the second."""
    with socket_address() as address:
        async with LinkClient([address], LinkOptions(connect_wait_s=WAIT_S)) as client:
            call = asyncio.create_task(failure_of(begin(client, "never")))
            for _ in range(2):
                toy = Toy(never=never)
                async with serving(toy, address):
                    await until(lambda toy=toy: toy.began)
                await until(lambda toy=toy: toy.closed)
            assert (await call).kind is Kind.UNAVAILABLE


async def test_without_a_service_calls_fail_within_their_wait() -> None:
    """UNAVAILABLE with retry-after; past waiting_max at once; after aclose at once."""
    with socket_address() as address:
        options = LinkOptions(connect_wait_s=0.1, waiting_max=2)
        async with LinkClient([address], options) as client:
            failures = await asyncio.gather(*[failure_of(begin(client, "echo")) for _ in range(5)])
            assert {(f.kind, f.retry_after_s) for f in failures} == {(Kind.UNAVAILABLE, 1)}
            assert not await client.ready(0.01)
        assert client.state == "closed"
        assert (await failure_of(begin(client, "echo"))).kind is Kind.UNAVAILABLE


async def test_closing_the_frontend_ends_its_calls() -> None:
    """aclose fails open calls with UNAVAILABLE and closes their generators in the service."""
    async with linked(Toy(for_ever=for_ever, never=never)) as link:
        started, unstarted = link.call("for_ever", name="1"), link.call("never", name="2")
        await anext(started)
        waiting = asyncio.create_task(failure_of(unstarted))
        await until(lambda: len(link.toy.began) == 2)
        await link.client.aclose()
        assert (await failure_of(started)).kind is Kind.UNAVAILABLE
        assert (await waiting).kind is Kind.UNAVAILABLE
        await until(lambda: sorted(link.toy.closed) == ["1", "2"])
        await until(lambda: link.server.links == 0)


async def test_an_observer_sees_batches_stalls_and_links() -> None:
    """Every hook is called, with counts that add up to the frames that travelled."""

    class Seen:
        def __init__(self) -> None:
            self.sent, self.received, self.stalls, self.links = 0, 0, 0, [0]

        def batch_sent(self, frames: int, size_bytes: int, waiting: int) -> None:
            self.sent += frames
            assert size_bytes > 0
            assert waiting >= 0

        def batch_received(self, frames: int, size_bytes: int) -> None:
            self.received += frames

        def call_stalled(self) -> None:
            self.stalls += 1

        def links_changed(self, links: int) -> None:
            self.links.append(links)

    ours, theirs = Seen(), Seen()
    with socket_address() as address:
        options = LinkOptions(credit_bytes=10)
        grpc_server, _ = await serve(LinkServer(Toy(), options, theirs), address)
        async with LinkClient([address], options, observer=ours) as client:
            assert await client.ready(WAIT_S)
            for _ in range(5):
                await take_all(begin(client, "echo"))
            assert ours.received == 15
            assert ours.sent == theirs.received
            assert theirs.sent == 15 + 1  # and the Hello
        await until(lambda: theirs.links[-1] == 0)
        await grpc_server.stop(0)
    assert ours.links[-1] == 0
    assert max(ours.links) == max(theirs.links) == 1
