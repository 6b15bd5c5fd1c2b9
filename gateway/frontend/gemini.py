"""The endpoints of Gemini's format: their paths, and the family of each method of a model.

Rules:
    - The model is in the path, decoded once, so it may contain `/` and `:`; the method is what follows its last `:`.
    - All versions (`/v1`, `/v1beta`, ...) and Vertex's paths mean the same and have one route each.
    - A stream with `alt=sse` is an event stream without end mark, else one JSON array. Either is complete when its
      connection was not cut and its last element is no error.
    - What is kept at Google (tuned models, files, cached contents) is refused in Google's shape.

Not here: members of the format (gateway.wire.gemini), the call (inference.py), how failures are told (voice.py).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

from gateway.core.errors import GatewayError, Kind
from gateway.frontend import pages
from gateway.frontend.context import query_of
from gateway.frontend.inference import Family, infer
from gateway.frontend.reply import Reply
from gateway.frontend.voice import GEMINI, GEMINI_ARRAY
from gateway.rpc import contract
from gateway.rpc.contract import Batch, Caller
from gateway.wire.gemini import array, chat, embeddings
from gateway.wire.pb import chat_pb2, embeddings_pb2

Endpoint = Callable[[Reply], Awaitable[None]]
Families = Callable[[str, dict[str, str]], Family]

DIALECT: Final = GEMINI.dialect
MODELS: Final = "/v1beta/models"
MODEL: Final = "/v1beta/models/{id}"
_OWN: Final = re.compile(r"/v1(?:beta|alpha)\d*/|/v1/(?:projects|publishers|tunedModels)/")
_MODELS: Final = re.compile(
    r"/(?P<version>v1(?:(?:beta|alpha)\d*)?)(?:/projects/[^/]+/locations/[^/]+)?(?P<vertex>/publishers/google)?/models"
    r"(?:/(?P<rest>.+))?"
)


class EventFrames:
    """The frames of a stream with `alt=sse`: unnamed events, and no end mark."""

    __slots__ = ("_renderer",)

    def __init__(self) -> None:
        self._renderer = chat.ChunkRenderer()

    def frames(self, batch: Batch) -> bytes:
        """The frames of some events; calls of other formats are held back until they are whole."""
        render = self._renderer.render
        return b"".join([b"data: %b\n\n" % data for event in batch for _, data in render(event)])  # type: ignore[arg-type]  # of a chat

    def end(self) -> bytes:
        """What was held back."""
        return b"".join([b"data: %b\n\n" % data for _, data in self._renderer.finish()])


class ArrayFrames:
    """The elements of a stream that is one JSON array."""

    __slots__ = ("_before", "_renderer")

    def __init__(self) -> None:
        self._renderer = chat.ChunkRenderer()
        self._before = array.OPEN

    def frames(self, batch: Batch) -> bytes:
        """The elements of some events, each behind what separates it from the one before."""
        render = self._renderer.render
        return self._joined([data for event in batch for _, data in render(event)])  # type: ignore[arg-type]  # of a chat

    def end(self) -> bytes:
        """What was held back, and the bracket that says the stream is complete."""
        data = self._joined([data for _, data in self._renderer.finish()])
        opening = array.OPEN if self._before == array.OPEN else b""
        return data + opening + array.CLOSE

    def _joined(self, elements: list[bytes]) -> bytes:
        if not elements:
            return b""
        data = self._before + array.BETWEEN.join(elements)
        self._before = array.BETWEEN
        return data


def find(caller: Caller, path: str) -> tuple[str, dict[str, Endpoint]] | None:
    """The route of a path of this format and its methods; None for others, and for models of all formats."""
    found = _MODELS.fullmatch(path)
    if found is None:
        return None
    rest = decoded(found["rest"] or "")
    model, _, name = rest.rpartition(":")
    if model and name in METHODS:
        return METHOD_ROUTES[name], {"POST": partial(_call, caller, name, model)}
    if found["vertex"] or found["version"] == "v1":
        return None
    if not rest:
        return MODELS, _get(partial(pages.list_models, caller, spoken=GEMINI))
    endpoint = partial(pages.show_model, caller, model_id=rest, spoken=GEMINI)
    return MODEL, {**_get(endpoint), "POST": partial(_no_method, name or rest)}


def is_own(path: str) -> bool:
    """Whether only a Gemini client asks for such a path, answered here or not."""
    return _OWN.match(path) is not None


def decoded(part: str) -> str:
    """A part of a path, percent-decoded once."""
    return unquote(part.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def _get(endpoint: Endpoint) -> dict[str, Endpoint]:
    return {"GET": endpoint, "HEAD": endpoint}


async def _no_method(name: str, reply: Reply) -> None:
    reply.speak(GEMINI)
    raise GatewayError(
        Kind.NOT_FOUND, f"Models here have no method `{name[:100]}`. They have {', '.join(METHODS)}; see their list."
    )


async def _call(caller: Caller, name: str, model: str, reply: Reply) -> None:
    """One method of a model."""
    reply.speak(GEMINI)
    await infer(caller, METHODS[name](model, query_of(reply.request.raw_path)), reply)


def _generate(model: str, _query: dict[str, str]) -> Family:
    return Family(contract.CHAT, partial(_chat, model), chat.encode_response, voice=GEMINI)


def _stream(model: str, query: dict[str, str]) -> Family:
    is_sse = query.get("alt", query.get("$alt")) == "sse"
    return Family(
        contract.CHAT,
        partial(_chat, model, is_stream=True),
        chat.encode_response,
        contract.STREAM_CHAT,
        EventFrames if is_sse else ArrayFrames,
        GEMINI if is_sse else GEMINI_ARRAY,
        can_restart=is_sse,
    )


def _count(model: str, _query: dict[str, str]) -> Family:
    def encode(count: chat_pb2.TokenCount) -> dict[str, Any]:
        return {"totalTokens": count.input_tokens}

    def decode(body: dict[str, Any]) -> chat_pb2.ChatRequest:
        inner = body.get("generateContentRequest", body.get("generate_content_request"))
        return _chat(model, inner if isinstance(inner, dict) else body)

    return Family(contract.COUNT_TOKENS, decode, encode, voice=GEMINI)


def _chat(model: str, body: dict[str, Any], *, is_stream: bool = False) -> chat_pb2.ChatRequest:
    request = chat.decode_request(body)
    request.model = model
    if is_stream:
        request.stream = True
        request.stream_options.include_usage = True
    return request


def _embed(model: str, _query: dict[str, str], *, is_batch: bool) -> Family:
    def decode(body: dict[str, Any]) -> embeddings_pb2.EmbeddingRequest:
        requests = body.get("requests") if is_batch else [body]
        if not isinstance(requests, list) or not requests or not all(isinstance(item, dict) for item in requests):
            raise _invalid("requests", "`requests` must be a list of objects.")
        for at, item in enumerate(requests):
            if item.get("content") is None:
                path = f"requests[{at}].content" if is_batch else "content"
                raise _invalid(path, f"`{path}` is missing: the content to embed.")
        request = embeddings.decode_request(body, is_batch=is_batch)
        request.model = model
        return request

    return Family(contract.EMBED, decode, partial(embeddings.encode_response, is_batch=is_batch), voice=GEMINI)


def _invalid(param: str, message: str) -> GatewayError:
    return GatewayError(Kind.INVALID_REQUEST, message, param=param)


METHODS: Final[dict[str, Families]] = {
    "generateContent": _generate,
    "streamGenerateContent": _stream,
    "countTokens": _count,
    "embedContent": partial(_embed, is_batch=False),
    "batchEmbedContents": partial(_embed, is_batch=True),
}
METHOD_ROUTES: Final = {name: f"/v1beta/models/{{model}}:{name}" for name in METHODS}
"""The route of each method, whichever version or Vertex's path was asked for."""
