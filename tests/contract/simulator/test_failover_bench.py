"""Each FailoverBench fault, seen on a raw socket, streamed and not."""

import asyncio

import orjson
import pytest

from gateway.simulator.server import Running
from tests.contract.simulator.raw import chat

BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "json"])


@BOTH
async def test_s01_rate_limited_with_retry_after(simulator: Running, *, stream: bool) -> None:
    """429, an OpenAI error object, and the seconds to wait."""
    seen = await chat(simulator.port, "sim-s01", stream=stream)
    assert (seen.status, seen.headers["retry-after"]) == (429, "2")
    assert seen.json["error"]["code"] == "rate_limit_exceeded"
    scaled = await chat(simulator.port, "sim-s01-scale-10", stream=stream)
    assert (scaled.headers["retry-after"], scaled.headers["retry-after-ms"]) == ("1", "200")


@BOTH
async def test_s02_rate_limited_without_retry_after(simulator: Running, *, stream: bool) -> None:
    """429 and no hint."""
    seen = await chat(simulator.port, "sim-s02", stream=stream)
    assert seen.status == 429
    assert "retry-after" not in seen.headers


@BOTH
async def test_s03_fails_once(simulator: Running, *, stream: bool) -> None:
    """500, then healthy; a reset starts over, and other names have their own count."""
    statuses = [(await chat(simulator.port, "sim-s03", stream=stream)).status for _ in range(3)]
    assert statuses == [500, 200, 200]
    assert (await chat(simulator.port, "sim-s03-tag-other", stream=stream)).status == 500
    simulator.observed.reset()
    assert (await chat(simulator.port, "sim-s03", stream=stream)).status == 500


@BOTH
@pytest.mark.parametrize("model", ["sim-s04", "sim-s16"])
async def test_s04_s16_unavailable(simulator: Running, model: str, *, stream: bool) -> None:
    """503 every time."""
    assert [(await chat(simulator.port, model, stream=stream)).status for _ in range(2)] == [503, 503]


@BOTH
async def test_s05_reset_before_headers(simulator: Running, *, stream: bool) -> None:
    """The connection is reset and not one byte comes."""
    seen = await chat(simulator.port, "sim-s05", stream=stream)
    assert (seen.head, seen.was_reset) == (b"", True)


@BOTH
async def test_s06_silence(simulator: Running, *, stream: bool) -> None:
    """Nothing comes and nothing closes; scaled down, the connection is closed in the end."""
    with pytest.raises(TimeoutError):
        await chat(simulator.port, "sim-s06", stream=stream, within_s=0.2)
    seen = await chat(simulator.port, "sim-s06-scale-0", stream=stream)
    assert (seen.head, seen.was_closed) == (b"", True)


async def test_s07_first_token_is_late(simulator: Running) -> None:
    """Headers come at once, the first event after 20 s (here 1 percent of it)."""
    delays_s: list[float] = []  # of several tries, where the machine stands still
    while len(delays_s) < 5 and (not delays_s or max(delays_s) <= 0.15):
        delays_s.append(await _first_token_s(simulator))
    assert max(delays_s) > 0.15


async def _first_token_s(simulator: Running) -> float:
    """From the headers to the first event."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    body = b'{"model":"sim-s07-scale-1","stream":true,"messages":[{"role":"user","content":"x"}]}'
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    clock = asyncio.get_running_loop().time
    await reader.readuntil(b"\r\n\r\n")
    headers_at = clock()
    assert b"data:" in await reader.readuntil(b"\n\n")
    writer.close()
    return clock() - headers_at


@pytest.mark.parametrize("model", ["sim-s08", "sim-s14"])
async def test_s08_s14_cut_in_mid_stream(simulator: Running, model: str) -> None:
    """40 of 60 tokens, then the connection ends inside the body: no end of the transfer coding, no [DONE]."""
    seen = await chat(simulator.port, model)
    assert (seen.status, len(seen.texts)) == (200, 40)
    assert seen.was_closed
    assert not seen.is_whole
    assert b"[DONE]" not in seen.body


async def test_s08_cut_in_a_json_answer(simulator: Running) -> None:
    """Half the announced bytes come."""
    seen = await chat(simulator.port, "sim-s08", stream=False)
    assert seen.was_closed
    assert len(seen.rest) == int(seen.headers["content-length"]) // 2


@BOTH
async def test_s09_stall(simulator: Running, *, stream: bool) -> None:
    """Content, then silence, then the rest: with a short clock it is whole, with the real one nothing more comes."""
    seen = await chat(simulator.port, "sim-s09-scale-1", stream=stream)
    assert seen.is_whole
    with pytest.raises(TimeoutError):
        await chat(simulator.port, "sim-s09", stream=stream, within_s=3)
    assert simulator.observed.requests("sim-s09")[0]["phase"] == "streaming"


async def test_s10_malformed_chunk(simulator: Running) -> None:
    """The 30th content chunk is no JSON, the stream around it is fine."""
    events = (await chat(simulator.port, "sim-s10")).events
    broken = [at for at, event in enumerate(events[:-1]) if not _is_json(event.data)]
    assert broken == [30]
    assert events[-1].data == b"[DONE]"
    assert not _is_json((await chat(simulator.port, "sim-s10", stream=False)).body)


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


async def test_s11_no_done(simulator: Running) -> None:
    """All content and the finish reason, a clean end of the transfer, but no [DONE]."""
    seen = await chat(simulator.port, "sim-s11")
    assert seen.is_whole
    assert len(seen.texts) == 60
    assert orjson.loads(seen.events[-1].data)["choices"][0]["finish_reason"] == "stop"


@BOTH
async def test_s12_context_length(simulator: Running, *, stream: bool) -> None:
    """400 with the structured code."""
    seen = await chat(simulator.port, "sim-s12", stream=stream)
    assert (seen.status, seen.json["error"]["code"]) == (400, "context_length_exceeded")


@BOTH
async def test_s13_content_filter(simulator: Running, *, stream: bool) -> None:
    """400 with the structured code."""
    seen = await chat(simulator.port, "sim-s13", stream=stream)
    assert (seen.status, seen.json["error"]["code"]) == (400, "content_filter")


@BOTH
async def test_s14_prefill_refused(simulator: Running, *, stream: bool) -> None:
    """A conversation that ends with the assistant's words is a 400, by the faulty model and by its fallback."""
    prefilled = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "and so"}]
    for model in ("sim-s14", "sim-noprefill"):
        assert (await chat(simulator.port, model, stream=stream, messages=prefilled)).status == 400
    assert (await chat(simulator.port, "sim-noprefill", stream=stream)).status == 200


@BOTH
async def test_s15_down_for_a_while(simulator: Running, *, stream: bool) -> None:
    """503 until 60 s (here 1 percent of it) after the first attempt, then healthy."""
    clock = asyncio.get_running_loop().time
    started = clock()
    statuses = [(await chat(simulator.port, "sim-s15-scale-1", stream=stream)).status]
    while statuses[-1] != 200 and clock() - started < 20:
        await asyncio.sleep(0.05)
        statuses.append((await chat(simulator.port, "sim-s15-scale-1", stream=stream)).status)
    assert set(statuses[:-1]) == {503}
    assert statuses[-1] == 200
    assert clock() - started >= 0.59
