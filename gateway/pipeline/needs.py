"""Does the model have what the request needs: the capabilities of the configuration against the request.

Rules:
    - A model that lacks something refuses with UNSUPPORTED_PARAMETER and the member that needs it,
      before any provider is asked.
    - Only what is plainly asked counts: an image needs vision, a tool needs function_calling.
Not here:
    - Ranges (pipeline.ranges); dropping single candidates (routing).
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.routing.catalogue import Entry
from gateway.rpc.contract import COMPLETE, EMBED, STREAM_COMPLETE, Method
from gateway.wire.pb import chat_pb2, embeddings_pb2

Need = tuple[str, str]  # capability, member that needs it


def check_needs(entry: Entry, method: Method, request: Message) -> None:
    """Raise GatewayError UNSUPPORTED_PARAMETER for the first capability the model lacks."""
    for capability, param in _needs(method, request):
        if capability not in entry.capabilities:
            raise _lacks(entry, capability, param)
    if isinstance(request, embeddings_pb2.EmbeddingRequest) and request.HasField("dimensions"):
        _check_dimensions(entry, request.dimensions)


def _needs(method: Method, request: Message) -> Iterator[Need]:
    if isinstance(request, chat_pb2.ChatRequest):
        yield "chat", "model"
        yield from _chat_needs(request)
    elif method in (COMPLETE, STREAM_COMPLETE):
        yield "completion", "model"
    elif method is EMBED:
        yield "embedding", "model"


def _chat_needs(request: chat_pb2.ChatRequest) -> Iterator[Need]:
    if request.tools:
        yield "function_calling", "tools"
    kind = request.response_format.type
    if kind in ("json_object", "json_schema"):
        yield ("json_mode" if kind == "json_object" else "json_schema"), "response_format"
    if "audio" in request.modalities:
        yield "audio", "modalities"
    for at, message in enumerate(request.messages):
        for place, block in enumerate(message.blocks):
            kind = block.WhichOneof("kind") or ""
            if kind == "image":
                yield "vision", f"messages[{at}].content[{place}]"
            elif kind == "audio" and not block.is_beside_content:
                yield "audio", f"messages[{at}].content[{place}]"


def _lacks(entry: Entry, capability: str, param: str) -> GatewayError:
    if param == "model":
        message = (
            f"The model `{entry.slug}` is not a {capability} model. It can do: {', '.join(entry.capability_list)}."
        )
    else:
        message = f"The model `{entry.slug}` does not support {capability}, which `{param}` needs."
    return GatewayError(Kind.UNSUPPORTED_PARAMETER, message, param=param)


def _check_dimensions(entry: Entry, asked: int) -> None:
    largest = entry.dimensions_default
    if not entry.has_dimensions:
        problem = f"The model `{entry.slug}` does not support `dimensions`."
    elif entry.dimensions_allowed and asked not in entry.dimensions_allowed:
        problem = f"`dimensions` must be one of {', '.join(map(str, entry.dimensions_allowed))}."
    elif largest is not None and asked > largest:
        problem = f"`dimensions` must be at most {largest} for the model `{entry.slug}`."
    else:
        return
    raise GatewayError(Kind.UNSUPPORTED_PARAMETER, problem, param="dimensions")
