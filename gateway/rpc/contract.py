"""What both ends of the link share: the method table and the shape of a call.

Rules:
    - A call is an async generator of items, in this order: one `Head`, any number of batches
      (non-empty lists of events), one `Tail`. A failure is a `GatewayError` raised in place of the
      rest; whatever came before it still holds.
    - An event is a message of the method's reply type, or a `str`: the previous message of this call
      again, with this text in its one increment: text, reasoning or tool arguments (see `with_text`).
    - The one event of a call without stream may be a `Raw` instead, if its context `takes_json`.
    - Closing the generator cancels the call. Of the dispatch itself (and in process) it returns when the
      provider's connection is closed and the reservation is settled; over the link, at once.
Not here:
    - How items travel (link_client, link_server, inprocess) and what a call does (pipeline).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.core.errors import GatewayError, Kind
from gateway.wire.pb import (
    accounts_pb2,
    admin_pb2,
    chat_pb2,
    completions_pb2,
    embeddings_pb2,
    link_pb2,
    models_pb2,
    responses_pb2,
)

CallContext: TypeAlias = link_pb2.CallContext

ON_CUT, RESTART = "x-gateway-on-cut", "restart"
"""The request header of a caller that understands a stream which begins anew, and its value."""
BUFFERED = "x-gateway-buffered"
"""The response header of a stream whose first event comes when the answer is complete."""


@dataclass(slots=True)  # not frozen, and the next two: made in every call on both sides, at half the price
class Raw:
    """A whole answer as the provider sent it: JSON of the context's dialect, of the right shape."""

    json: bytes


Event: TypeAlias = Message | str | Raw
Batch: TypeAlias = list[Event]


@dataclass(slots=True)
class Head:
    """Response headers (lower case), known before the first event."""

    headers: Mapping[str, str]


@dataclass(slots=True)
class Tail:
    """Trailers (lower case) of a complete call."""

    trailers: Mapping[str, str]


Item: TypeAlias = Head | Batch | Tail


class Caller(Protocol):
    """Anything that can run a call: the service's dispatch, the link, the in-process link."""

    def __call__(self, method: Method, request: Message, context: CallContext) -> AsyncGenerator[Item, None]:
        """Run one call; see the module's rules."""
        ...


INFERENCE, ACCOUNTS, ADMIN = "gateway.v1.Inference", "gateway.v1.Accounts", "gateway.v1.Admin"


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """One row of the method table. Names are unique over all services: they travel alone on the link."""

    name: str
    request: type[Message]
    reply: type[Message]
    is_stream: bool
    service: str = INFERENCE


CHAT = Method("Chat", chat_pb2.ChatRequest, chat_pb2.ChatResponse, is_stream=False)
STREAM_CHAT = Method("StreamChat", chat_pb2.ChatRequest, chat_pb2.ChatChunk, is_stream=True)
COMPLETE = Method("Complete", completions_pb2.CompletionRequest, completions_pb2.CompletionResponse, is_stream=False)
STREAM_COMPLETE = Method(
    "StreamComplete", completions_pb2.CompletionRequest, completions_pb2.CompletionResponse, is_stream=True
)
EMBED = Method("Embed", embeddings_pb2.EmbeddingRequest, embeddings_pb2.EmbeddingResponse, is_stream=False)
COUNT_TOKENS = Method("CountTokens", chat_pb2.ChatRequest, chat_pb2.TokenCount, is_stream=False)
STORE_RESPONSE = Method(
    "StoreResponse", responses_pb2.StoredResponse, responses_pb2.StoreResponseReply, is_stream=False
)
GET_RESPONSE = Method("GetResponse", responses_pb2.GetResponseRequest, responses_pb2.StoredResponse, is_stream=False)
DELETE_RESPONSE = Method(
    "DeleteResponse", responses_pb2.DeleteResponseRequest, responses_pb2.DeleteResponseReply, is_stream=False
)
LIST_MODELS = Method("ListModels", models_pb2.ListModelsRequest, models_pb2.ListModelsResponse, is_stream=False)
GET_MODEL = Method("GetModel", models_pb2.GetModelRequest, models_pb2.Model, is_stream=False)

EXPLAIN_ROUTE = Method(
    "ExplainRoute", admin_pb2.ExplainRouteRequest, admin_pb2.ExplainRouteReply, is_stream=False, service=ADMIN
)
LIST_DEPLOYMENTS = Method(
    "ListDeployments", admin_pb2.ListDeploymentsRequest, admin_pb2.ListDeploymentsReply, is_stream=False, service=ADMIN
)


def _account_methods() -> Iterator[Method]:
    """The rows of the Accounts service, as its contract declares them."""
    of = GetMessageClass
    for each in accounts_pb2.DESCRIPTOR.services_by_name["Accounts"].methods:
        yield Method(each.name, of(each.input_type), of(each.output_type), is_stream=False, service=ACCOUNTS)


ACCOUNT_METHODS: dict[str, Method] = {method.name: method for method in _account_methods()}
METHODS: dict[str, Method] = ACCOUNT_METHODS | {
    m.name: m
    for m in (
        CHAT, STREAM_CHAT, COMPLETE, STREAM_COMPLETE, EMBED, COUNT_TOKENS,
        STORE_RESPONSE, GET_RESPONSE, DELETE_RESPONSE, LIST_MODELS, GET_MODEL,
        EXPLAIN_ROUTE, LIST_DEPLOYMENTS,
    )
}  # fmt: skip


def with_text(template: Message | None, text: str) -> Message:
    """The whole message a `str` event stands for: `template` with `text` in its one increment.

    Raises GatewayError INTERNAL when there is no template yet: the sender broke the rule.
    """
    if template is None:
        raise GatewayError(Kind.INTERNAL, "A shorthand event came before the message it repeats.")
    whole = type(template)()
    whole.CopyFrom(template)
    if isinstance(whole, chat_pb2.ChatChunk):
        block = whole.choices[0].delta.blocks[0]
        kind = block.WhichOneof("kind")
        if kind == "thinking":
            block.thinking.text = text
        elif kind == "tool":
            block.tool.arguments = text
        else:
            block.text = text
    else:
        whole.choices[0].text = text  # type: ignore[attr-defined]  # CompletionResponse
    return whole
