"""A real gRPC server with the official classes whose answers are chosen by model name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from gateway.core.errors import TABLE, Kind
from gateway.wire.pb import (
    accounts_pb2,
    accounts_pb2_grpc,
    chat_pb2,
    completions_pb2,
    embeddings_pb2,
    errors_pb2,
    inference_pb2,
    inference_pb2_grpc,
    models_pb2,
    types_pb2,
)

REPLY_TEXT = "Hello **there**"
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def rich(
    kind: Kind, message: str, *, param: str | None = None, retry_after_s: float | None = None, bare: bool = False
) -> grpc.StatusCode:
    """The rich status of a failure, as the gateway sends it; `bare` leaves out gateway.v1.Error."""
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=kind.name, domain="gateway")]
    if retry_after_s is not None:
        details.append(error_details_pb2.RetryInfo())
        details[-1].retry_delay.FromNanoseconds(int(retry_after_s * 1e9))
    if not bare:
        details.append(errors_pb2.Error(kind=int(kind), message=message, param=param))
    status = status_pb2.Status(code=int(TABLE[kind].status), message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return rpc_status.to_status(status)


def delta(text: str = "", finish_reason: str | None = None, index: int = 0) -> chat_pb2.ChatChunk:
    chunk = chat_pb2.ChatChunk(id="chatcmpl-1", object="chat.completion.chunk", created=1, model="scripted")
    choice = chunk.choices.add(index=index, finish_reason=finish_reason)
    if text:
        choice.delta.blocks.add(block=0, text=text)
    return chunk


class Scripted(inference_pb2_grpc.InferenceServicer):
    """Model names: echo, fail-KIND, flaky-N, slow, cut-..., tools, thinking, wordy, plain text otherwise."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Message, dict[str, str]]] = []
        self.cancelled = asyncio.Event()
        self.started = asyncio.Event()

    def reset(self) -> None:
        self.calls.clear()
        self.cancelled.clear()
        self.started.clear()

    @property
    def requests(self) -> list[Message]:
        return [request for _, request, _ in self.calls]

    async def _arrive(self, name: str, request: Message, context: grpc.aio.ServicerContext) -> None:
        metadata = {k: v for k, v in context.invocation_metadata() if isinstance(v, str)}
        self.calls.append((name, request, metadata))
        await context.send_initial_metadata(
            (("x-request-id", metadata.get("x-request-id", "req_made")), ("x-gateway-provider", "scripted"))
        )
        context.set_trailing_metadata((("server-timing", "total;dur=1"),))
        if metadata.get("authorization") == "Bearer bad":
            await context.abort_with_status(rich(Kind.INVALID_KEY, "this key is not known; see `gateway keys list`"))
        model = getattr(request, "model", None) or getattr(request, "id", "")
        if model == "no-such-model":
            await context.abort_with_status(
                rich(Kind.MODEL_NOT_FOUND, f"no model {model}; see ListModels", param="model")
            )
        if model.startswith("fail-"):
            await self._fail(model.removeprefix("fail-"), context)
        if model.startswith("flaky-") and len(self.calls) <= int(model.removeprefix("flaky-")):
            await context.abort_with_status(rich(Kind.OVERLOADED, "shed", retry_after_s=0.01))
        if model == "slow":
            self.started.set()
            await self._hang()

    async def _fail(self, what: str, context: grpc.aio.ServicerContext) -> None:
        if what == "plain":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "plain status")
        kind = Kind[what.removesuffix("-bare")]
        await context.abort_with_status(
            rich(kind, "scripted failure", param="messages[0]", retry_after_s=7.5, bare=what.endswith("-bare"))
        )

    async def _hang(self) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            self.cancelled.set()

    async def Chat(self, request: chat_pb2.ChatRequest, context: grpc.aio.ServicerContext) -> chat_pb2.ChatResponse:
        await self._arrive("Chat", request, context)
        reply = chat_pb2.ChatResponse(id="chatcmpl-1", object="chat.completion", created=1, model="scripted")
        choice = reply.choices.add(index=0, finish_reason="stop")
        choice.message.role = "assistant"
        if request.model == "echo":
            choice.message.blocks.add(text=json.dumps(self.calls[-1][2]))
        elif request.model == "tools":
            use = choice.message.blocks.add(is_beside_content=True).tool_use
            use.id, use.name, use.arguments = "call_1", "get_weather", '{"city":"Paris"}'
            choice.finish_reason = "tool_calls"
        else:
            choice.message.blocks.add(text=REPLY_TEXT)
        reply.usage.CopyFrom(_usage())
        return reply

    async def StreamChat(
        self, request: chat_pb2.ChatRequest, context: grpc.aio.ServicerContext
    ) -> AsyncGenerator[chat_pb2.ChatChunk, None]:
        await self._arrive("StreamChat", request, context)
        try:
            async with aclosing(self._chunks(request, context)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.set()
            raise

    async def _chunks(
        self, request: chat_pb2.ChatRequest, context: grpc.aio.ServicerContext
    ) -> AsyncGenerator[chat_pb2.ChatChunk, None]:
        if request.model == "cut-empty":
            return
        if request.model == "thinking":
            thought = delta()
            thought.choices[0].delta.blocks.add(block=0).thinking.text = "let me think"
            yield thought
        if request.model == "tools":
            for arguments in ('{"city":', '"Paris"}'):
                call = delta()
                tool = call.choices[0].delta.blocks.add(block=0).tool
                tool.index, tool.arguments = 0, arguments
                if arguments.startswith("{"):
                    tool.id, tool.name, tool.type = "call_1", "get_weather", "function"
                yield call
            yield delta(finish_reason="tool_calls")
            return
        for word in _words(request):
            yield delta(word)
        if request.model == "slow-end":
            self.started.set()
            await self._hang()
        if request.model == "cut-ok":
            return
        if request.model == "cut-abort":
            await context.abort_with_status(rich(Kind.STREAM_CUT, "the provider's stream ended early"))
        if request.model == "cut-second":
            yield delta("other", index=1)
            yield delta(finish_reason="stop")
            return
        yield delta(finish_reason="stop")
        final = chat_pb2.ChatChunk(id="chatcmpl-1", model="scripted", usage=_usage())
        if request.stream_options.include_usage:
            yield final

    async def Complete(
        self, request: completions_pb2.CompletionRequest, context: grpc.aio.ServicerContext
    ) -> completions_pb2.CompletionResponse:
        await self._arrive("Complete", request, context)
        reply = completions_pb2.CompletionResponse(id="cmpl-1", object="text_completion", model="scripted")
        for index, text in enumerate(request.prompt.texts or ["tokens"]):
            reply.choices.add(index=index, text=text.upper(), finish_reason="stop")
        return reply

    async def StreamComplete(
        self, request: completions_pb2.CompletionRequest, context: grpc.aio.ServicerContext
    ) -> AsyncGenerator[completions_pb2.CompletionResponse, None]:
        await self._arrive("StreamComplete", request, context)
        for letter in request.prompt.texts[0]:
            chunk = completions_pb2.CompletionResponse(id="cmpl-1")
            chunk.choices.add(index=0, text=letter)
            yield chunk
        if request.model != "cut-ok":
            end = completions_pb2.CompletionResponse(id="cmpl-1")
            end.choices.add(index=0, text="", finish_reason="stop")
            yield end

    async def Embed(
        self, request: embeddings_pb2.EmbeddingRequest, context: grpc.aio.ServicerContext
    ) -> embeddings_pb2.EmbeddingResponse:
        await self._arrive("Embed", request, context)
        reply = embeddings_pb2.EmbeddingResponse(object="list", model="scripted")
        count = len(request.input.texts) or len(request.input.tokens)
        for index in reversed(range(count)):
            item = reply.data.add(object="embedding", index=index)
            if request.encoding_format == "base64":
                item.packed = b"\x00\x00\x80\x3f\x00\x00\x00\xc0"
            else:
                item.values.extend([float(index), -2.0])
        return reply

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.ListModelsResponse:
        await self._arrive("ListModels", request, context)
        names = ("plain", "thinking")
        return models_pb2.ListModelsResponse(models=[models_pb2.Model(id=name, owned_by="scripted") for name in names])

    async def GetModel(
        self, request: models_pb2.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.Model:
        await self._arrive("GetModel", request, context)
        return models_pb2.Model(id=request.id, owned_by="scripted", context_window=128000)


class ScriptedAccounts(accounts_pb2_grpc.AccountsServicer):
    """The Accounts service beside it: `id` chooses as a model name does."""

    def __init__(self, beside: Scripted) -> None:
        self._arrive = beside._arrive

    async def GetMe(self, request: accounts_pb2.GetMeRequest, context: grpc.aio.ServicerContext) -> accounts_pb2.User:
        await self._arrive("GetMe", request, context)
        return accounts_pb2.User(id="u1", username="development key", role="admin")

    async def GetKey(
        self, request: accounts_pb2.GetKeyRequest, context: grpc.aio.ServicerContext
    ) -> accounts_pb2.ApiKey:
        await self._arrive("GetKey", request, context)
        return accounts_pb2.ApiKey(id=request.id)

    async def RotateKey(
        self, request: accounts_pb2.RotateKeyRequest, context: grpc.aio.ServicerContext
    ) -> accounts_pb2.ApiKey:
        await self._arrive("RotateKey", request, context)
        return accounts_pb2.ApiKey(id=request.id, key="new")


def _words(request: chat_pb2.ChatRequest) -> list[str]:
    if request.model == "turns":
        return [f"turn {len(request.messages)}: {request.messages[-1].blocks[0].text}"]
    if request.model == "wordy":
        return [f"paragraph {n}\n\n" for n in range(1, 61)]
    return ["Hello", " **there", "**"]


def _usage() -> types_pb2.Usage:
    return types_pb2.Usage(**USAGE)


@asynccontextmanager
async def serving(credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[tuple[Scripted, str]]:
    """(the servicer, its host:port) of a running server."""
    servicer, server = Scripted(), grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    inference_pb2_grpc.add_InferenceServicer_to_server(servicer, server)
    accounts_pb2_grpc.add_AccountsServicer_to_server(ScriptedAccounts(servicer), server)
    standing = health.aio.HealthServicer()  # type: ignore[attr-defined]  # missing in the stubs
    await standing.set("gateway.v1.Inference", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(standing, server)
    names = (inference_pb2.DESCRIPTOR.services_by_name["Inference"].full_name, health.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield servicer, f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
