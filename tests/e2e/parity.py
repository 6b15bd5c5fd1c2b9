"""One call made over HTTP and over gRPC, each told in the same words, so that the two can be compared.

Rules: the gRPC side uses the official generated classes; requests and replies are translated by the wire room, the same
    that the HTTP edge uses, so what differs is the path of the call and nothing else.
Not here: which calls (test_parity).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc

from gateway.core.errors import TABLE, GatewayError
from gateway.frontend.settings import Profile
from gateway.frontend.voice import GEMINI
from gateway.rpc.status import from_status
from gateway.wire.gemini import chat as gemini_chat
from gateway.wire.gemini import embeddings as gemini_embeddings
from gateway.wire.openai import chat, chunks, completions, embeddings, models
from gateway.wire.pb import inference_pb2_grpc, models_pb2
from tests.support.raw import Answer, ask
from tests.support.served import Served

DETAILS = "grpc-status-details-bin"
SHARED = ("x-request-id", "x-gateway-generation", "x-gateway-provider")


@dataclass(frozen=True, slots=True)
class Call:
    """`path` is chat, completions, embeddings, models or models/ID, or `gemini:` and a method of that format.

    `key` None sends no credential.
    """

    path: str
    body: Mapping[str, Any] | None = None
    key: str | None = ""
    """Empty: the gateway's key."""
    timeout_s: float | None = None

    @property
    def is_stream(self) -> bool:
        """Whether the answer streams."""
        return bool(self.body and self.body.get("stream")) or self.path == "gemini:streamGenerateContent"


@dataclass(slots=True)
class Told:
    """What a call came to. `answer` is the JSON of the answer or of all chunks; `error` the failure's members."""

    answer: Any = None
    error: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    stages: list[str] = field(default_factory=list)
    is_complete: bool = False


GEMINI_PREFIX = "gemini:"
PATHS = {"chat": "chat/completions", "completions": "completions", "embeddings": "embeddings"}
WORDS = ("message", "type", "param", "code")


async def over_http(gateway: Served, call: Call, request_id: str) -> Told:
    """Make it with aiohttp."""
    headers = {"x-request-id": request_id}
    if call.timeout_s is not None:
        headers["x-request-timeout"] = str(call.timeout_s)
    key = gateway.key if call.key == "" else call.key
    body = None if call.body is None else dict(call.body)
    url = f"{gateway.base_url}/{PATHS.get(call.path, call.path)}"
    if is_gemini := call.path.startswith(GEMINI_PREFIX):
        model = (body or {}).pop("model", "")
        url = f"{gateway.base_url}beta/models/{model}:{call.path.removeprefix(GEMINI_PREFIX)}?alt=sse"
    answer = await ask(url, body, key, headers=headers)
    told = Told(headers=_shared(answer.headers), stages=_stages(answer.headers))
    if answer.events:
        return _http_stream(answer, told, has_mark=not is_gemini)
    if answer.status == 200:
        told.answer, told.is_complete = answer.body, True
        return told
    told.error = answer.body["error"] if is_gemini else {**answer.body["error"], "status": answer.status}
    if "retry-after" in answer.headers:
        told.error["has_retry_after"] = True
    return told


def _http_stream(answer: Answer, told: Told, *, has_mark: bool) -> Told:
    found = answer.chunks
    told.is_complete = (answer.is_done or not has_mark) and not answer.is_cut
    if found and "error" in found[-1]:
        assert not answer.is_done, "an error and the end marker"
        told.error = dict(found.pop()["error"])
    told.answer = found
    return told


async def over_grpc(gateway: Served, call: Call, request_id: str) -> Told:
    """Make it with the official stub."""
    metadata = [("x-request-id", request_id)]
    key = gateway.key if call.key == "" else call.key
    if key is not None:
        metadata.append(("authorization", f"Bearer {key}"))
    told = Told()
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        rpc = _rpc(inference_pb2_grpc.InferenceStub(channel), call, metadata)
        try:
            told.answer = await _answer(rpc, call, told)
            told.is_complete = True
        except grpc.aio.AioRpcError as error:
            trailing = dict(error.trailing_metadata() or ())
            failure = from_status(error.code().value[0], trailing.get(DETAILS), error.details() or "")
            told.error = _words(failure, call, is_begun=bool(told.answer))
        initial, trailing = dict(await rpc.initial_metadata() or ()), dict(await rpc.trailing_metadata() or ())
    told.headers = _shared(initial or trailing)  # a failure says them in both: the client may lose the first
    told.stages = _stages(trailing)
    return told


def _rpc(stub: Any, call: Call, metadata: list[tuple[str, str]]) -> Any:
    options: dict[str, Any] = {"metadata": metadata, "timeout": call.timeout_s or 30}
    body = json.loads(json.dumps(call.body))
    if call.path.startswith(GEMINI_PREFIX):
        return _gemini_rpc(stub, call.path.removeprefix(GEMINI_PREFIX), body, options)
    if call.path == "chat":
        return (stub.StreamChat if call.is_stream else stub.Chat)(chat.decode_request(body), **options)
    if call.path == "completions":
        method = stub.StreamComplete if call.is_stream else stub.Complete
        return method(completions.decode_request(body), **options)
    if call.path == "embeddings":
        return stub.Embed(embeddings.decode_request(body), **options)
    if call.path == "models":
        return stub.ListModels(models_pb2.ListModelsRequest(), **options)
    return stub.GetModel(models_pb2.GetModelRequest(id=call.path.removeprefix("models/")), **options)


def _gemini_rpc(stub: Any, method: str, body: Any, options: dict[str, Any]) -> Any:
    model = body.pop("model", "")
    request: Any
    if "Embed" in method or "embed" in method:
        request = gemini_embeddings.decode_request(body, is_batch=method == "batchEmbedContents")
    else:
        request = gemini_chat.decode_request(body)
    request.model = model
    if method == "streamGenerateContent":
        request.stream_options.include_usage = True
        return stub.StreamChat(request, **options)
    rpc = {"generateContent": stub.Chat, "countTokens": stub.CountTokens}.get(method, stub.Embed)
    return rpc(request, **options)


def _gemini_answer(message: Any, method: str) -> Any:
    if method == "countTokens":
        return {"totalTokens": message.input_tokens}
    if method == "generateContent":
        return gemini_chat.encode_response(message)
    return gemini_embeddings.encode_response(message, is_batch=method == "batchEmbedContents")


async def _gemini_frames(rpc: Any, told: Told) -> list[Any]:
    renderer = gemini_chat.ChunkRenderer()
    told.answer = []
    async for message in rpc:
        told.answer += [json.loads(data) for _, data in renderer.render(message)]
    told.answer += [json.loads(data) for _, data in renderer.finish()]
    return list(told.answer)


async def _answer(rpc: Any, call: Call, told: Told) -> Any:
    if call.path.startswith(GEMINI_PREFIX):
        if call.is_stream:
            return await _gemini_frames(rpc, told)
        return json.loads(json.dumps(_gemini_answer(await rpc, call.path.removeprefix(GEMINI_PREFIX))))
    if call.is_stream:
        renderer = chunks.ChunkRenderer() if call.path == "chat" else completions.CompletionChunkRenderer()
        told.answer = []
        async for message in rpc:
            told.answer.append(json.loads(renderer.render(message)))
        return told.answer
    message = await rpc
    encode = {
        "chat": chat.encode_response,
        "completions": completions.encode_response,
        "embeddings": embeddings.encode_response,
        "models": models.encode_list,
    }.get(call.path, models.encode_model)
    return json.loads(json.dumps(encode(message)))


def _words(failure: GatewayError, call: Call, *, is_begun: bool) -> dict[str, Any]:
    """The failure as the HTTP edge would tell it."""
    if call.path.startswith(GEMINI_PREFIX):
        google: dict[str, Any] = json.loads(GEMINI.failure(failure, Profile(), "")[1])["error"]
        return google | ({"has_retry_after": True} if failure.retry_after_s is not None and not is_begun else {})
    row = TABLE[failure.kind]
    code = failure.code if failure.code is not None else row.openai_code
    words: dict[str, Any] = dict(zip(WORDS, (failure.message, row.openai_type, failure.param, code), strict=True))
    if is_begun:
        return words
    words["status"] = failure.http_status or row.http_status
    if failure.retry_after_s is not None:
        words["has_retry_after"] = True
    return words


def _shared(headers: Mapping[str, str]) -> dict[str, str]:
    """What both protocols tell of a call. How long until a window is empty depends on the moment of asking."""
    names = (name for name in headers if name in SHARED or name.startswith("x-ratelimit-"))
    return {name: "*" if "-reset-" in name else headers[name] for name in names}


def _stages(headers: Mapping[str, str]) -> list[str]:
    """The names of the stages, but those that only the HTTP edge has, each once."""
    entries = headers.get("server-timing", "").split(",")
    names = [entry.partition(";")[0].strip() for entry in entries]
    return sorted({name for name in names if name and name not in ("accept", "render")})
