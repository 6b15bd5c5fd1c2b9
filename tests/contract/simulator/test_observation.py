"""The simulator tells what it saw: requests, and clients that left, in every phase."""

import asyncio
from typing import Any

import aiohttp
import pytest

from gateway.simulator.server import Running, serve
from tests.contract.simulator.raw import MESSAGES, chat, request_bytes


async def get(simulator: Running, path: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(simulator.url + path) as response:
        return await response.json()


async def until_phase(simulator: Running, phase: str) -> None:
    for _ in range(500):
        requests = await get(simulator, "/_sim/requests")
        if requests and requests[0]["phase"] == phase:
            return
        await asyncio.sleep(0.005)
    pytest.fail(f"the request never came to the phase {phase}")


async def until_aborted(simulator: Running, count: int = 1) -> dict[str, Any]:
    stats: dict[str, Any] = {}
    for _ in range(500):
        stats = await get(simulator, "/_sim/stats")
        if stats["aborted"] >= count:
            return stats
        await asyncio.sleep(0.005)
    pytest.fail(f"{stats['aborted']} of {count} clients were seen leaving")


@pytest.mark.parametrize(
    ("model", "phase"),
    [
        ("sim-slow-headers-60000", "waiting"),
        ("sim-s06", "waiting"),
        ("sim-first-60000", "headers"),
        ("sim-chunks-9-pace-60000", "streaming"),
        ("sim-chunks-100000-pace-1", "streaming"),
        ("bench-slow-9-60000", "streaming"),
        ("bench-wait-60000", "waiting"),
    ],
)
async def test_a_client_that_leaves_is_counted_in_its_phase(simulator: Running, model: str, phase: str) -> None:
    """Whatever the answer waits for, the loss of the client is seen, once, and nothing stays open."""
    _, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(request_bytes(model, stream=True))
    await until_phase(simulator, phase)
    assert (await get(simulator, "/_sim/stats"))["streams_open"] == 1
    writer.close()
    stats = await until_aborted(simulator)
    assert (stats["requests"], stats["aborted"], stats["completed"], stats["streams_open"]) == (1, 1, 0, 0)
    counts = {"requests": 1, "attempts": 1, "completed": 0, "faulted": 0, "aborted": 1, "streams_open": 0}
    counted = stats["by_model"][model]
    assert (counted.pop("chunks") > 0) is (phase == "streaming" and model.startswith("sim"))
    assert counted == counts
    request = stats["last_requests"][0]
    assert (request["phase"], request["outcome"]) == (phase, "aborted")
    assert request["t_received"] < request["t_aborted"] <= stats["now_ms"]


async def test_a_client_that_leaves_before_its_body_is_whole(simulator: Running) -> None:
    """Also the first phase, reading, is seen; it belongs to no model yet."""
    _, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(request_bytes("sim", stream=True)[:-5])
    await until_phase(simulator, "reading")
    writer.close()
    stats = await until_aborted(simulator)
    assert (stats["last_requests"][0]["phase"], stats["by_model"]) == ("reading", {})


async def test_clients_that_leave_at_any_moment_leave_nothing(
    simulator: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether a write or the cancel finds it out, a leaving client is counted, not logged, and nothing stays open."""

    async def leave(after_s: float) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(request_bytes("sim-chunks-100000", stream=True))
        await asyncio.sleep(after_s)
        writer.transport.abort()

    await asyncio.gather(*(leave(number / 10_000) for number in range(100)))
    stats = await until_aborted(simulator, 100)
    assert (stats["requests"], stats["completed"], stats["faulted"], stats["streams_open"]) == (100, 0, 0, 0)
    assert caplog.records == []


async def test_the_catalogue_is_no_attempt(simulator: Running) -> None:
    """Looking a faulty model up neither fails nor uses up its fault."""
    assert (await get(simulator, "/v1/models/sim-s03"))["id"] == "sim-s03"
    stats = await get(simulator, "/_sim/stats")
    assert (stats["requests"], stats["by_model"]) == (1, {})


async def test_requests_are_kept_as_they_came(simulator: Running) -> None:
    """Method, path, lower-case headers and the JSON body, by model; a reset forgets."""
    await chat(simulator.port, "sim-tag-a", temperature=0.5)
    await chat(simulator.port, "sim-tag-b", stream=False)
    (request,) = await get(simulator, "/_sim/requests?model=sim-tag-a")
    assert (request["method"], request["path"]) == ("POST", "/v1/chat/completions")
    assert request["headers"]["content-type"] == "application/json"
    assert request["body"] == {"model": "sim-tag-a", "stream": True, "messages": MESSAGES, "temperature": 0.5}
    assert len(await get(simulator, "/_sim/requests")) == 2
    async with aiohttp.ClientSession() as session:
        await session.post(simulator.url + "/_sim/reset")
    stats = await get(simulator, "/_sim/stats")
    assert (stats["requests"], stats["by_model"], stats["last_requests"]) == (0, {}, [])
    assert stats["connections_open"] >= 1


async def test_a_followed_redirect_is_counted(simulator: Running) -> None:
    """A client that follows a redirect with its request is found out."""
    async with aiohttp.ClientSession() as session:
        await session.post(simulator.url + "/v1/chat/completions", json={"model": "sim-redirect", "messages": MESSAGES})
    assert (await get(simulator, "/_sim/stats"))["redirects_followed"] == 1


async def test_keys() -> None:
    """With a key, a bearer token or Azure's header must match; the refusal is OpenAI's."""
    running = await serve(key="k-1")
    path = running.url + "/openai/deployments/sim/chat/completions?api-version=2024-10-21"
    try:
        async with aiohttp.ClientSession() as session:
            for headers, status in (
                ({"authorization": "Bearer k-1"}, 200),
                ({"api-key": "k-1"}, 200),
                ({"api-key": "k-2"}, 401),
                ({"authorization": "Bearer k-2"}, 401),
                ({}, 401),
            ):
                async with session.post(path, json={"messages": MESSAGES}, headers=headers) as response:
                    body = await response.json()
                    assert response.status == status
                    assert status == 200 or body["error"]["code"] == "invalid_api_key"
    finally:
        await running.stop()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param"),
    [
        ("POST", "/v1/nowhere", b"{}", 404, None),
        ("GET", "/v1/chat/completions", b"", 405, None),
        ("POST", "/v1/chat/completions", b"{", 400, None),
        ("POST", "/v1/chat/completions", b"[]", 400, None),
        ("POST", "/v1/chat/completions", b"{}", 400, "model"),
        ("POST", "/v1/chat/completions", b'{"model":"sim"}', 400, "messages"),
        ("POST", "/v1/chat/completions", b'{"model":"sim","messages":[{}],"n":0.5}', 400, "n"),
        ("POST", "/v1/embeddings", b'{"model":"sim","input":""}', 400, "input"),
        ("POST", "/v1/embeddings", b'{"model":"sim","input":"x","dimensions":99999}', 400, "dimensions"),
        ("GET", "/v1/models/sim-typo", b"", 404, "model"),
        ("POST", "/v1/chat/completions", b'{"model":"sim","messages":[{"role":"user"}],"tools":[7]}', 400, None),
    ],
)
async def test_errors_have_the_shape(
    simulator: Running, method: str, path: str, body: bytes, status: int, param: str | None
) -> None:
    """Every failure is an error object that names the parameter."""
    async with aiohttp.ClientSession() as session, session.request(method, simulator.url + path, data=body) as response:
        error = (await response.json())["error"]
        assert response.status == status
        assert set(error) == {"message", "type", "param", "code"}
        assert error["param"] == param
