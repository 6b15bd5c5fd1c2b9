"""The simulator as a process of its own: it says where it listens, and a signal ends it."""

import asyncio
import signal
import sys

import aiohttp
import pytest

from tests.contract.simulator.raw import chat

PROGRAM = """
from gateway.simulator.server import run
run("127.0.0.1", 0, on_listening=lambda running: print(running.url, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_run_until_a_signal(number: signal.Signals) -> None:
    """It answers, resets connections on uvloop as on asyncio, and ends with status 0 though a stream is open."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession() as session:
            async with session.get(url + "/health") as response:
                assert await response.json() == {"status": "ok"}
            assert (await chat(int(url.rsplit(":", 1)[1]), "sim-s05")).was_reset
            body = {"model": "sim-s06", "messages": [{"role": "user", "content": "x"}]}
            waiting = asyncio.create_task(session.post(url + "/chat/completions", json=body))
            await asyncio.sleep(0.1)
            process.send_signal(number)
            with pytest.raises(aiohttp.ClientError):
                await waiting
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
