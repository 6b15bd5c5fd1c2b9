"""The async client against a real gRPC server made of the official classes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import grpc
import pytest

from gateway.client import (
    AsyncClient,
    BadRequestError,
    CallCancelledError,
    ChatRequest,
    DeadlineExceededError,
    ErrorKind,
    GatewayError,
    NotFoundError,
    RateLimitError,
    StreamCutError,
    UnavailableError,
    message,
    text_of,
    tool_calls_of,
    vectors_of,
)
from gateway.core.errors import TABLE, Kind
from tests.support.waiting import PATIENCE_S
from tests.unit.client.scripted import REPLY_TEXT, Scripted, serving


@pytest.fixture
async def client(server: tuple[Scripted, str]) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server[1], key="gw-test.secret", timeout_s=20) as made:
        yield made


async def test_chat_answers(client: AsyncClient, servicer: Scripted) -> None:
    """A whole answer comes back typed; the server sees exactly the message that was meant."""
    reply = await client.chat(model="plain", messages=[("system", "be brief"), ("user", "hi")], temperature=0.0)
    assert text_of(reply) == REPLY_TEXT
    assert reply.usage is not None
    assert reply.usage.total_tokens == 7
    seen = servicer.requests[0]
    assert [(m.role, m.blocks[0].text) for m in seen.messages] == [("system", "be brief"), ("user", "hi")]
    assert seen.HasField("temperature")
    assert not seen.HasField("top_p")


async def test_typed_request_and_keywords_combine(client: AsyncClient, servicer: Scripted) -> None:
    """A ready request is sent as it is, keywords on top, and is not changed itself."""
    request = ChatRequest(model="plain", messages=[message("user", "hi")], seed=7)
    await client.chat(request, seed=8, stop="END")
    seen = servicer.requests[0]
    assert (seen.seed, list(seen.stop), seen.is_stop_string) == (8, ["END"], True)
    assert request.seed == 7
    assert request.stop == []


async def test_stream_yields_chunks_and_facts(client: AsyncClient, servicer: Scripted) -> None:
    """Chunks arrive in order; headers and trailers of the call are readable on the stream."""
    stream = client.stream_chat(model="plain", messages="hi", request_id="req-42")
    texts = [text_of(chunk) async for chunk in stream]
    assert "".join(texts) == REPLY_TEXT
    assert stream.request_id == stream.headers["x-request-id"] == "req-42"
    assert stream.headers["x-gateway-provider"] == "scripted"
    assert stream.trailers["server-timing"]


async def test_metadata_reaches_the_server(client: AsyncClient, servicer: Scripted) -> None:
    """The key, the request id and further headers travel as metadata."""
    reply = await client.chat(model="echo", messages="hi", request_id="req-7", headers={"X-Team": "search"})
    seen = json.loads(text_of(reply))
    assert seen["authorization"] == "Bearer gw-test.secret"
    assert (seen["x-request-id"], seen["x-team"]) == ("req-7", "search")


async def test_environment_fills_in_address_and_key(
    server: tuple[Scripted, str], servicer: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without arguments GATEWAY_GRPC_ADDRESS and GATEWAY_API_KEY are used."""
    monkeypatch.setenv("GATEWAY_GRPC_ADDRESS", f"grpc://{server[1]}")
    monkeypatch.setenv("GATEWAY_API_KEY", "gw-env.secret")
    async with AsyncClient() as client:
        seen = json.loads(text_of(await client.chat(model="echo", messages="hi")))
    assert seen["authorization"] == "Bearer gw-env.secret"


async def test_other_methods(client: AsyncClient, servicer: Scripted) -> None:
    """Completions, embeddings and models answer with their own types."""
    assert text_of(await client.complete(model="m", prompt=["a", "b"]), choice=1) == "B"
    assert "".join([text_of(c) async for c in client.stream_complete(model="m", prompt="abc")]) == "abc"
    assert vectors_of(await client.embed(model="m", input=["x", "y"])) == [[0.0, -2.0], [1.0, -2.0]]
    assert vectors_of(await client.embed(model="m", input=[1, 2], encoding_format="base64")) == [[1.0, -2.0]]
    assert [model.id for model in await client.list_models()] == ["plain", "thinking"]
    assert (await client.get_model("plain")).context_window == 128000


async def test_tool_calls(client: AsyncClient, servicer: Scripted) -> None:
    """Tools in the OpenAI form arrive typed, and the answer's calls are readable."""
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
    reply = await client.chat(model="tools", messages="weather?", tools=[tool], tool_choice="auto")
    assert [(call.name, call.arguments) for call in tool_calls_of(reply)] == [("get_weather", '{"city":"Paris"}')]
    seen = servicer.requests[0]
    assert (seen.tools[0].function.name, seen.tool_choice.mode) == ("get_weather", "auto")


# --- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)
async def test_every_kind_has_its_class(client: AsyncClient, servicer: Scripted, kind: Kind) -> None:
    """Each kind arrives with its class, reason, HTTP status, parameter and waiting time, on both kinds of call."""
    for call in (
        client.chat(model=f"fail-{kind.name}", messages="hi", max_retries=0),
        anext(client.stream_chat(model=f"fail-{kind.name}", messages="hi", max_retries=0)),
    ):
        with pytest.raises(GatewayError) as caught:
            await call
        error = caught.value
        assert type(error) is not GatewayError
        assert (error.kind, error.reason) == (ErrorKind(kind.value), kind.name)
        assert error.http_status == TABLE[kind].http_status
        assert error.status.value[0] == TABLE[kind].status
        assert (error.message, error.param, error.retry_after_s) == ("scripted failure", "messages[0]", 7.5)
        assert error.request_id == servicer.calls[-1][2]["x-request-id"]


async def test_error_info_alone_is_enough(client: AsyncClient, servicer: Scripted) -> None:
    """Without gateway.v1.Error the reason of ErrorInfo gives the kind."""
    with pytest.raises(RateLimitError) as caught:
        await client.chat(model="fail-RATE_LIMITED-bare", messages="hi")
    assert (caught.value.kind, caught.value.retry_after_s) == (ErrorKind.RATE_LIMITED, 7.5)


async def test_server_gone_is_said_with_its_address() -> None:
    """Nobody listening: UnavailableError that names the address; kind is unknown."""
    async with AsyncClient("127.0.0.1:1", max_retries=0) as client:
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1") as caught:
            await client.chat(model="m", messages="hi")
    assert caught.value.kind is ErrorKind.UNSPECIFIED
    assert caught.value.reason == "UNAVAILABLE"


@pytest.mark.parametrize("model", ["cut-ok", "cut-empty", "cut-abort", "cut-second"])
async def test_cut_stream_raises(client: AsyncClient, servicer: Scripted, model: str) -> None:
    """A stream that ends before every choice has its finish_reason raises, whatever its status was."""
    with pytest.raises(StreamCutError):
        async for _ in client.stream_chat(model=model, messages="hi"):
            pass


async def test_cut_completion_stream_raises(client: AsyncClient, servicer: Scripted) -> None:
    """The same holds for legacy completions."""
    with pytest.raises(StreamCutError):
        async for _ in client.stream_complete(model="cut-ok", prompt="abc"):
            pass


async def test_connection_cut_anywhere_never_ends_silently(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """However many bytes get through before the connection dies: all chunks or an error, never a short success."""
    ends = set()
    for byte_count in [0, 20, 60, 100, 140, 180, 220, 260, 300, 340, 380, 420, 500, 5000]:
        async with cutting_proxy(server[1], byte_count) as address, AsyncClient(address, max_retries=0) as client:
            texts: list[str] = []
            try:
                async for chunk in client.stream_chat(model="plain", messages="hi"):
                    texts.append(text_of(chunk))  # noqa: PERF401 - what came before the cut counts
                ends.add("complete")
                assert "".join(texts) == REPLY_TEXT
            except GatewayError:
                ends.add("error")
    assert ends == {"complete", "error"}


@contextlib.asynccontextmanager
async def cutting_proxy(target: str, byte_count: int) -> AsyncIterator[str]:
    """A TCP proxy that drops the connection after `byte_count` bytes of the answer."""
    host, port = target.split(":")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        sending = asyncio.create_task(_pump(reader, up_writer, 1 << 30))
        await _pump(up_reader, writer, byte_count)
        sending.cancel()
        for one in (writer, up_writer):
            one.transport.abort()

    proxy = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    finally:
        proxy.close()


async def test_a_gateway_that_is_far_away_is_reached(server: tuple[Scripted, str]) -> None:
    """What a connection's first round trip takes - another continent, TLS, a busy machine - is no failure."""
    async with distant_proxy(server[1], 0.7) as address, AsyncClient(address, max_retries=0) as client:
        assert text_of(await client.chat(model="plain", messages="hi")) == REPLY_TEXT


@contextlib.asynccontextmanager
async def distant_proxy(target: str, seconds: float) -> AsyncIterator[str]:
    """A TCP proxy that keeps the first bytes of each connection for that long."""
    host, port = target.split(":")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        await asyncio.sleep(seconds)
        await asyncio.gather(_pump(reader, up_writer, 1 << 30), _pump(up_reader, writer, 1 << 30))

    proxy = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    finally:
        proxy.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int) -> None:
    with contextlib.suppress(OSError):
        while left > 0 and (data := await reader.read(min(left, 4096))):
            writer.write(data)
            await writer.drain()
            left -= len(data)


# --- retries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_stream", [False, True])
async def test_unavailable_is_retried_before_anything_arrived(
    client: AsyncClient, servicer: Scripted, is_stream: bool
) -> None:
    """Two refusals with RetryInfo, then an answer: the caller sees only the answer, and one request id."""
    if is_stream:
        text = "".join([text_of(chunk) async for chunk in client.stream_chat(model="flaky-2", messages="hi")])
    else:
        text = text_of(await client.chat(model="flaky-2", messages="hi"))
    assert text == REPLY_TEXT
    assert len(servicer.calls) == 3
    assert len({metadata["x-request-id"] for _, _, metadata in servicer.calls}) == 1


async def test_retries_are_bounded_and_can_be_off(client: AsyncClient, servicer: Scripted) -> None:
    """The third refusal ends the call; max_retries=0 ends it at the first."""
    with pytest.raises(UnavailableError):
        await client.chat(model="flaky-9", messages="hi")
    assert len(servicer.calls) == 3
    servicer.reset()
    with pytest.raises(UnavailableError):
        await client.chat(model="flaky-9", messages="hi", max_retries=0)
    assert len(servicer.calls) == 1


@pytest.mark.parametrize("model", ["fail-RATE_LIMITED", "fail-INVALID_REQUEST", "fail-INTERNAL"])
async def test_other_failures_are_not_retried(client: AsyncClient, servicer: Scripted, model: str) -> None:
    """Only UNAVAILABLE is tried again."""
    with pytest.raises(GatewayError):
        await client.chat(model=model, messages="hi")
    assert len(servicer.calls) == 1


async def test_started_stream_is_not_retried(client: AsyncClient, servicer: Scripted) -> None:
    """After the first chunk a failure is the caller's to see."""
    with pytest.raises(StreamCutError):
        async for _ in client.stream_chat(model="cut-abort", messages="hi"):
            pass
    assert len(servicer.calls) == 1


async def test_client_outlives_a_restart_of_the_server() -> None:
    """The same client answers again after the server came back on its port."""
    async with serving() as (_, address):
        client = AsyncClient(address)
        assert await client.list_models()
    with pytest.raises(UnavailableError):
        await client.list_models(max_retries=0)
    async with again(address):
        assert await client.list_models(max_retries=6)
    await client.aclose()


@contextlib.asynccontextmanager
async def again(address: str) -> AsyncIterator[None]:
    from gateway.wire.pb import inference_pb2_grpc

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    inference_pb2_grpc.add_InferenceServicer_to_server(Scripted(), server)
    server.add_insecure_port(address)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


# --- deadlines and cancellation ------------------------------------------------------------------------------------


async def test_deadline_covers_the_whole_call(client: AsyncClient, servicer: Scripted) -> None:
    """timeout_s ends the call here and at the server."""
    with pytest.raises(DeadlineExceededError):
        await client.chat(model="slow", messages="hi", timeout_s=2.0)
    await asyncio.wait_for(servicer.cancelled.wait(), PATIENCE_S)


@pytest.mark.parametrize("way", ["aclose", "break", "async with"])
async def test_leaving_a_stream_cancels_it(client: AsyncClient, servicer: Scripted, way: str) -> None:
    """Closing, dropping or leaving the stream is seen by the server."""
    stream = client.stream_chat(model="slow-end", messages="hi")
    if way == "async with":
        async with stream:
            await anext(stream)
    else:
        async for _ in stream:
            break
        if way == "aclose":
            await stream.aclose()
    del stream
    await asyncio.wait_for(servicer.cancelled.wait(), PATIENCE_S)


@pytest.mark.parametrize("model", ["slow", "slow-end"])
async def test_cancelling_the_task_cancels_the_call(client: AsyncClient, servicer: Scripted, model: str) -> None:
    """A cancelled task stays CancelledError and reaches the server, before and after the first chunk."""

    async def read() -> None:
        async for _ in client.stream_chat(model=model, messages="hi"):
            pass

    task = asyncio.create_task(read())
    await asyncio.wait_for(servicer.started.wait(), PATIENCE_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(servicer.cancelled.wait(), PATIENCE_S)


async def test_closing_the_client_ends_its_calls(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """aclose() ends a running call with an error of ours, not with a cancellation nobody asked for."""
    client = AsyncClient(server[1])
    task = asyncio.create_task(client.chat(model="slow", messages="hi"))
    await asyncio.wait_for(servicer.started.wait(), PATIENCE_S)
    await client.aclose()
    with pytest.raises(CallCancelledError):
        await task
    with pytest.raises(RuntimeError, match="closed"):
        await client.list_models()


async def test_wrong_arguments_are_refused_before_sending(client: AsyncClient, servicer: Scripted) -> None:
    """A typo, a missing model or a wrong type never becomes a call."""
    with pytest.raises(TypeError, match="did you mean temperature"):
        await client.chat(model="m", messages="hi", temprature=1)  # type: ignore[call-arg]  # wrong on purpose
    with pytest.raises(ValueError, match="model: required"):
        await client.chat(messages="hi")
    with pytest.raises(TypeError, match="wrong type"):
        await client.chat(model="m", messages="hi", user=3)  # type: ignore[arg-type]  # wrong on purpose
    assert servicer.calls == []


async def test_unknown_model_is_not_found(client: AsyncClient, servicer: Scripted) -> None:
    """get_model of an unknown name is NotFoundError."""
    with pytest.raises(NotFoundError):
        await client.get_model("fail-MODEL_NOT_FOUND")
    with pytest.raises(BadRequestError):
        await client.get_model("fail-INVALID_REQUEST")
