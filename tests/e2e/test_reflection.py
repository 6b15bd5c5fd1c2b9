"""A gRPC client that knows nothing but the address: it reads the contract by reflection and chats with it.

Rules: messages are made from the reflected descriptors in a pool of their own; none of our generated code is imported.
Not here: what calls answer (test_parity), the public client (test_client_*).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.support.served import Served, served
from tests.support.simulated import unique
from tests.support.waiting import PATIENCE_S

INFERENCE = "gateway.v1.Inference"


class Reflected:
    """A channel, and the contract as the server tells it."""

    def __init__(self, channel: grpc.Channel, key: str) -> None:
        self.database = ProtoReflectionDescriptorDatabase(channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {key}"),)

    def new(self, name: str, **fields: Any) -> Any:
        """A message of that full name."""
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))(**fields)

    def call(self, name: str, request: Any) -> Any:
        """Call a method of the Inference service; a message, or an iterator of them."""
        method = self.pool.FindServiceByName(INFERENCE).methods_by_name[name]
        reply = message_factory.GetMessageClass(method.output_type)
        make = self._channel.unary_stream if method.server_streaming else self._channel.unary_unary
        stub = make(
            f"/{INFERENCE}/{name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=reply.FromString,
        )
        return stub(request, metadata=self._metadata, timeout=20)

    def chat_request(self, model: str, text: str) -> Any:
        """One user message."""
        block = self.new("gateway.v1.Block", text=text)
        message = self.new("gateway.v1.Message", role="user", blocks=[block])
        return self.new("gateway.v1.ChatRequest", model=model, messages=[message])


@pytest.fixture
def reflected(gateway: Served) -> Iterator[Reflected]:
    """A client of the shared gateway; development, so reflection is on."""
    with grpc.insecure_channel(gateway.grpc_address) as channel:
        yield Reflected(channel, gateway.key)


def test_services_are_listed(reflected: Reflected) -> None:
    """All that callers and operators may ask; the link between our own processes is nobody's business."""
    assert set(reflected.database.get_services()) == {
        INFERENCE,
        "gateway.v1.Accounts",
        "gateway.v1.Admin",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


def test_every_method_is_described(reflected: Reflected) -> None:
    """The descriptors name every call, and which of them stream."""
    methods = reflected.pool.FindServiceByName(INFERENCE).methods_by_name
    assert {name: method.server_streaming for name, method in methods.items()} == {
        "Chat": False,
        "StreamChat": True,
        "Complete": False,
        "StreamComplete": True,
        "Embed": False,
        "CountTokens": False,
        "StoreResponse": False,
        "GetResponse": False,
        "DeleteResponse": False,
        "ListModels": False,
        "GetModel": False,
    }
    assert not any(method.client_streaming for method in methods.values())


def test_chat_by_reflection(reflected: Reflected) -> None:
    """A whole answer, read by names the server told."""
    reply = reflected.call("Chat", reflected.chat_request(unique(), "hello reflection"))
    [choice] = reply.choices
    assert "".join(block.text for block in choice.message.blocks) == "You said: hello reflection"
    assert choice.finish_reason == "stop"
    assert reply.usage.total_tokens == 6


def test_stream_by_reflection(reflected: Reflected) -> None:
    """A streamed answer: text in pieces, one finish reason, OK at the end."""
    stream = reflected.call("StreamChat", reflected.chat_request(unique("sim-chunks-12"), "hello reflection"))
    chunks = list(stream)
    pieces = [block.text for c in chunks for choice in c.choices for block in choice.delta.blocks if block.text]
    assert len("".join(pieces).split()) == 12
    assert len(pieces) >= 12
    assert [choice.finish_reason for c in chunks for choice in c.choices if choice.finish_reason] == ["stop"]
    assert stream.code() is grpc.StatusCode.OK


def test_models_and_embeddings_by_reflection(reflected: Reflected) -> None:
    """The rest of the contract answers, too."""
    models = reflected.call("ListModels", reflected.new("gateway.v1.ListModelsRequest")).models
    assert "gpt-4o-mini" in [model.id for model in models]
    one = reflected.call("GetModel", reflected.new("gateway.v1.GetModelRequest", id="gpt-4o-mini"))
    assert one in list(models)
    given = reflected.new("gateway.v1.TextInput", texts=["a", "b"])
    embedded = reflected.call("Embed", reflected.new("gateway.v1.EmbeddingRequest", model=unique(), input=given))
    assert [item.index for item in embedded.data] == [0, 1]


def test_errors_by_reflection(gateway: Served) -> None:
    """A wrong key is UNAUTHENTICATED with words, for a client that knows no details."""
    with grpc.insecure_channel(gateway.grpc_address) as channel:
        stranger = Reflected(channel, "gw-wrong.key")
        with pytest.raises(grpc.RpcError) as caught:
            stranger.call("Chat", stranger.chat_request("sim", "hi"))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "API key" in caught.value.details()


@pytest.fixture
async def health(gateway: Served) -> AsyncIterator[Any]:
    """A health client of the shared gateway."""
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        yield health_pb2_grpc.HealthStub(channel)


@pytest.mark.parametrize("service", ["", INFERENCE])
async def test_health_serves(health: Any, service: str) -> None:
    """The standard health check says that the server and the service serve."""
    answer = await health.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_S)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_of_an_unknown_service(health: Any) -> None:
    """An unknown name is NOT_FOUND, as the standard says."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=PATIENCE_S)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_watch_sees_the_drain() -> None:
    """A watcher is told NOT_SERVING while a running stream still goes on and ends well; it does not hold the stop."""
    with served({"process": {"drain_s": 60}}) as running, grpc.insecure_channel(running.grpc_address) as channel:
        client = Reflected(channel, running.key)
        stream = client.call("StreamChat", client.chat_request(unique("sim-chunks-40-pace-50"), "hello"))
        next(stream)
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=INFERENCE), timeout=30)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        running.process.terminate()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not stream.done()
        assert [c.finish_reason for chunk in stream for c in chunk.choices if c.finish_reason] == ["stop"]
        assert stream.code() is grpc.StatusCode.OK
        with pytest.raises(grpc.RpcError) as caught:
            next(watch)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert running.stop() == 0, "killed, because it did not stop before its drain time was over"


async def test_reflection_is_off_in_production() -> None:
    """Outside development nobody is told the contract unless the configuration says so."""
    with served({"process": {"drain_s": 1}}, environment="production", environ={"OPENAI_API_KEY": "none"}) as running:
        with grpc.insecure_channel(running.grpc_address) as channel, pytest.raises(grpc.RpcError) as caught:
            Reflected(channel, running.key).database.get_services()
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
