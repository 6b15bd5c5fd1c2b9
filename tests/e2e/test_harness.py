"""The harness itself: what it promises about starting, stopping and looking must hold before anything else counts."""

from __future__ import annotations

import aiohttp
import psutil
import pytest

from gateway.core.clock import ManualClock
from tests.support.recorder import recording
from tests.support.served import Served, served
from tests.support.simulated import unique
from tests.support.single import single
from tests.support.waiting import eventually


async def _chat(url: str, key: str, model: str) -> tuple[int, dict[str, object]]:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response,
    ):
        return response.status, await response.json()


async def test_served_gateway_chats_and_counts(gateway: Served) -> None:
    """The shared gateway answers, its simulator counts under the test's own name, and its processes are known."""
    model = unique()
    status, body = await _chat(gateway.url, gateway.key, model)
    assert status == 200, body
    assert (await gateway.simulator.counts(model)).completed == 1
    assert (await gateway.simulator.last(model))["body"]["messages"] == [{"role": "user", "content": "hi"}]
    assert set(gateway.pids()) >= {"supervisor", "service", "frontend-1", "simulator"}
    assert all(psutil.pid_exists(pid) for pid in gateway.pids().values())


async def test_stop_leaves_nothing_behind() -> None:
    """Stopping ends every process, frees the directory, and the exit code is 0."""
    with served({"process": {"drain_s": 1}}) as running:
        pids = running.pids()
        assert (await _chat(running.url, running.key, "sim"))[0] == 200
        assert running.stop() == 0, running.log_text()
        await eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids.values()), "all processes gone")
    assert not running.root.exists()


async def test_a_gateway_that_cannot_start_says_why() -> None:
    """A wrong layer fails at once, with the gateway's own words."""
    with pytest.raises(AssertionError, match="no_such_section"), served({"no_such_section": 1}):
        pass


async def test_single_runs_here_on_a_manual_clock() -> None:
    """The gateway in process sees the test's clock, and its reservations can be counted."""
    clock = ManualClock()
    async with single({"limits": {"requests_per_minute": 1}}, clock=clock) as running:
        assert (await _chat(running.url, running.key, "sim"))[0] == 200
        assert (await _chat(running.url, running.key, "sim"))[0] == 429
        clock.advance(60)
        assert (await _chat(running.url, running.key, "sim"))[0] == 200
        assert running.quota.open_count == 0


async def test_recorder_keeps_what_was_sent() -> None:
    """An upstream of the test's own sees the bytes and answers them."""
    async with recording() as upstream, single(upstream.layer("recorded")) as running:
        status, body = await _chat(running.url, running.key, "recorded")
        assert status == 200, body
        assert upstream.last.json["messages"] == [{"role": "user", "content": "hi"}]
        assert upstream.last.header("Content-Type") == "application/json"
