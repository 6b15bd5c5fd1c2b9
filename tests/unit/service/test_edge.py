"""The gRPC edge on a real server: metadata in and out, failures with details, deadlines, cancel, health, drain."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import CallContext, Head, Item, Method, Tail
from gateway.rpc.status import from_status
from gateway.service.dispatch import Dispatch
from gateway.service.server import GrpcServer
from gateway.wire.pb import chat_pb2, inference_pb2_grpc, models_pb2
from tests.support.waiting import eventually
from tests.unit.pipeline.kits import KEY, bench, config_of, model, provider

ASKED = chat_pb2.ChatRequest(model="m", messages=[{"role": "user"}])


def chunk(text: str, finish: str | None = None) -> chat_pb2.ChatChunk:
    """One chunk with a text."""
    delta = {"blocks": [{"text": text}]}
    return chat_pb2.ChatChunk(id="c", choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


class Scripted:
    """A `Caller` that gives what it was told to, then waits, fails or ends."""

    def __init__(self, *items: Item | GatewayError | str) -> None:
        self.items = items
        self.contexts: list[CallContext] = []
        self.closed = 0

    async def __call__(self, method: Method, request: Message, context: CallContext) -> AsyncGenerator[Item, None]:
        self.contexts.append(context)
        try:
            for item in self.items:
                if isinstance(item, GatewayError):
                    raise item
                if isinstance(item, str):
                    await asyncio.sleep(60)
                else:
                    yield item
        finally:
            self.closed += 1


@asynccontextmanager
async def served(caller: Any, **sections: Any) -> AsyncIterator[tuple[Any, GrpcServer]]:
    """A client's stub and the server."""
    config = config_of({}, {}, grpc={"port": 0, **sections})
    server = GrpcServer(config, caller)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield inference_pb2_grpc.InferenceStub(channel), server
    finally:
        await server.stop(0)


async def failed(call: Any) -> grpc.aio.AioRpcError:
    """The error of a call."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def collect(call: Any, into: list[Any]) -> None:
    """Every message, also of a stream that fails."""
    async for message in call:
        into.append(message)  # noqa: PERF401  # what came before the failure counts


def reason(error: grpc.aio.AioRpcError) -> GatewayError:
    """The failure as our own client reads it."""
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    return from_status(error.code().value[0], details if isinstance(details, bytes) else None, error.details() or "")


HEAD = Head({"x-gateway-generation": "7"})
WHOLE = chat_pb2.ChatResponse(id="r")


async def test_a_unary_call() -> None:
    """Headers are initial metadata with the request id, trailers trailing metadata."""
    caller = Scripted(HEAD, [WHOLE], Tail({"server-timing": "a;dur=1"}))
    async with served(caller) as (stub, _):
        call = stub.Chat(ASKED, metadata=(("authorization", f"Bearer {KEY}"), ("x-request-id", "mine-1")))
        assert await call == WHOLE
        head, tail = dict(await call.initial_metadata()), dict(await call.trailing_metadata())
    assert (head["x-gateway-generation"], head["x-request-id"], tail["server-timing"]) == ("7", "mine-1", "a;dur=1")
    (context,) = caller.contexts
    assert (context.credential, context.request_id, context.protocol) == (KEY, "mine-1", "grpc")
    assert context.peer
    assert not context.HasField("timeout_ms")


async def test_a_stream_of_whole_messages() -> None:
    """The link's shorthand is spelled out: every client gets messages."""
    caller = Scripted(HEAD, [chunk("a"), "b"], ["c", chunk("", "stop")], Tail({}))
    async with served(caller) as (stub, _):
        got = [message async for message in stub.StreamChat(ASKED)]
    assert got == [chunk("a"), chunk("b"), chunk("c"), chunk("", "stop")]
    assert caller.closed == 1


@pytest.mark.parametrize("given", ["", "spaces in it", "x" * 129, "a/b"])
async def test_a_request_id_is_made_where_none_fits(given: str) -> None:
    """`req_` and 32 hex digits."""
    caller = Scripted(HEAD, [WHOLE], Tail({}))
    async with served(caller) as (stub, _):
        await stub.Chat(ASKED, metadata=(("x-request-id", given),) if given else ())
    assert re.fullmatch(r"req_[0-9a-f]{32}", caller.contexts[0].request_id)


@pytest.mark.parametrize(
    ("value", "credential"),
    [("Bearer k", "k"), ("bearer  k ", "k"), ("Basic k", ""), ("k", ""), ("Bearer", ""), ("", "")],
)
async def test_credentials(value: str, credential: str) -> None:
    """Only a bearer's."""
    caller = Scripted(HEAD, [WHOLE], Tail({}))
    async with served(caller) as (stub, _):
        await stub.Chat(ASKED, metadata=(("authorization", value),))
    assert caller.contexts[0].credential == credential


FAILURE = GatewayError(Kind.RATE_LIMITED, "slow down ☃", param="n", code="c", retry_after_s=1.5, limit="tokens")


@pytest.mark.parametrize("before", [[], [HEAD], [HEAD, [chunk("a")]]], ids=["at once", "after the head", "mid-stream"])
async def test_a_failure_has_status_and_details(before: list[Any]) -> None:
    """Code, words, member, waiting time; the request id reaches the client in every case."""
    async with served(Scripted(*before, FAILURE)) as (stub, _):
        call = stub.StreamChat(ASKED)
        got = []
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await collect(call, got)
        head = dict(await call.initial_metadata())
    error = reason(caught.value)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (error.kind, error.message, error.param, error.retry_after_s) == (Kind.RATE_LIMITED, "slow down ☃", "n", 1.5)
    assert len(got) == len([item for item in before if isinstance(item, list)])
    assert "x-request-id" in head


async def test_a_request_that_contradicts_itself_is_refused() -> None:
    """`extra` may not smuggle in what was not checked; broken JSON there is the caller's fault, too."""
    caller = Scripted(HEAD, [WHOLE], Tail({}))
    async with served(caller) as (stub, _):
        for extra in ('{"n":99}', "{", "[1]"):
            error = await failed(stub.Chat(chat_pb2.ChatRequest(model="m", n=1, extra=extra)))
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caller.contexts == []


async def test_the_deadline_reaches_the_call() -> None:
    """As what is left of it."""
    caller = Scripted(HEAD, [WHOLE], Tail({}))
    async with served(caller) as (stub, _):
        await stub.Chat(ASKED, timeout=30)
    assert 25_000 < caller.contexts[0].timeout_ms <= 30_500  # grpc rounds up


@pytest.mark.parametrize("method", ["Chat", "StreamChat"])
async def test_a_deadline_that_passes_ends_the_call(method: str) -> None:
    """On both sides."""
    caller = Scripted("wait")
    async with served(caller) as (stub, _):
        call = getattr(stub, method)(ASKED, timeout=0.2)
        error = await failed(call if method == "Chat" else call.read())
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await eventually(lambda: caller.closed == len(caller.contexts))  # none, where it passed on the way


@pytest.mark.parametrize("items", [["wait"], [HEAD, [chunk("a")], "wait"]], ids=["before the head", "mid-stream"])
async def test_cancelling_closes_the_call(items: list[Any]) -> None:
    """Within a moment, and once."""
    caller = Scripted(*items)
    async with served(caller) as (stub, _):
        call = stub.StreamChat(ASKED)
        if len(items) > 1:
            await call.read()
        await eventually(lambda: caller.contexts)
        call.cancel()
        await eventually(lambda: caller.closed == 1)


async def test_a_message_over_the_bound_is_refused() -> None:
    """By the server, before it is read into a request."""
    caller = Scripted(HEAD, [WHOLE], Tail({}))
    async with served(caller, message_max_bytes=65_536) as (stub, _):
        error = await failed(stub.Chat(chat_pb2.ChatRequest(model="x" * 100_000)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caller.contexts == []


async def test_health_serves_until_the_drain() -> None:
    """The whole server and the service by name; an unknown name is not found."""
    async with served(Scripted()) as (_, server), grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("", "gateway.v1.Inference"):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert (await failed(stub.Check(health_pb2.HealthCheckRequest(service="x")))).code().name == "NOT_FOUND"
        watched = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.SERVING
        server.begin_stop(0.2)
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_port_in_use_is_an_oserror_that_names_the_key() -> None:
    """Not a traceback of grpc's."""
    async with served(Scripted()) as (_, server):
        second = GrpcServer(config_of({}, {}, grpc={"port": server.port}), Scripted())
        with pytest.raises(OSError, match=r"grpc\.port"):
            await second.start()
        await second.stop(0)


# --- dispatch --------------------------------------------------------------------------------------------------------


async def test_models_need_a_key_and_a_draining_service_takes_nothing() -> None:
    """The list is the key's; while draining every call is UNAVAILABLE and says when to come back."""
    config = config_of(
        {"p": provider("http://127.0.0.1:9/v1")}, {"m": model("p", names=["m", "n"])}, key={"models": ("m",)}
    )
    async with bench(config) as made:
        dispatch = Dispatch(made.kit)
        good = (("authorization", f"Bearer {KEY}"),)
        async with served(dispatch) as (stub, _):
            listed = await stub.ListModels(models_pb2.ListModelsRequest(), metadata=good)
            assert [each.id for each in listed.models] == ["m"]
            assert (await stub.GetModel(models_pb2.GetModelRequest(id="m"), metadata=good)).id == "m"
            hidden = await failed(stub.GetModel(models_pb2.GetModelRequest(id="n"), metadata=good))
            assert reason(hidden).kind is Kind.MODEL_NOT_FOUND
            nobody = await failed(stub.ListModels(models_pb2.ListModelsRequest()))
            assert nobody.code() is grpc.StatusCode.UNAUTHENTICATED
            dispatch.is_draining = True
            for call in (
                stub.ListModels(models_pb2.ListModelsRequest(), metadata=good),
                stub.Chat(ASKED, metadata=good),
            ):
                error = reason(await failed(call))
                assert (error.kind, error.code, error.retry_after_s) == (Kind.UNAVAILABLE, "draining", 1)


async def test_a_public_list_needs_no_key() -> None:
    """By profile."""
    models = {"m": model("p", names=["m"])}
    config = config_of(
        {"p": provider("http://127.0.0.1:9/v1")}, models, profiles={"default": {"is_model_list_public": True}}
    )
    async with bench(config) as made, served(Dispatch(made.kit)) as (stub, _):
        assert [each.id for each in (await stub.ListModels(models_pb2.ListModelsRequest())).models] == ["m"]


async def test_json_text_that_is_none_is_the_callers_fault() -> None:
    """A member `..._json` with broken text is INVALID_ARGUMENT, no bug of ours and no provider's."""
    config = config_of({"p": provider("http://127.0.0.1:9/v1")}, {"m": model("p", names=["m"])})
    request = chat_pb2.ChatRequest(model="m", messages=[{"role": "assistant"}])
    async with bench(config) as made, served(Dispatch(made.kit)) as (stub, _):
        for member in ("logit_bias_json", "audio_json", "prediction_json"):
            broken = chat_pb2.ChatRequest(**{member: "{"})
            broken.MergeFrom(request)
            error = await failed(stub.Chat(broken, metadata=(("authorization", f"Bearer {KEY}"),)))
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, (member, error.details())
        assert made.log.records("bug") == []
