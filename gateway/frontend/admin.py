"""What operators ask over HTTP: `GET /admin/explain` and `GET /admin/deployments`, the Admin service's two questions.

Rules:
    - Query parameters are the fields of the request; `header.NAME` and `metadata.NAME` fill its maps, `needs` is a list
      with commas.
    - The key is checked by the service, as over gRPC.
Not here:
    - The answers (service.admin).
"""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.frontend.context import query_of
from gateway.frontend.inference import answer_whole, context_of
from gateway.frontend.reply import Reply
from gateway.rpc.contract import EXPLAIN_ROUTE, LIST_DEPLOYMENTS, Caller
from gateway.wire.pb import admin_pb2

_TEXTS = ("request_id", "model", "key_id", "group", "user")
_NUMBERS = ("prompt_tokens", "output_tokens")
_TRUE = ("", "1", "true")


async def explain(caller: Caller, reply: Reply) -> None:
    """`GET /admin/explain?model=NAME` or `?request_id=ID`."""
    request = explain_request(query_of(reply.request.raw_path))
    await answer_whole(caller(EXPLAIN_ROUTE, request, context_of(reply)), _as_json, reply)


async def deployments(caller: Caller, reply: Reply) -> None:
    """`GET /admin/deployments`, all or of one `model` (its key in the configuration)."""
    request = admin_pb2.ListDeploymentsRequest(model=query_of(reply.request.raw_path).get("model", ""))
    await answer_whole(caller(LIST_DEPLOYMENTS, request, context_of(reply)), _as_json, reply)


def explain_request(query: dict[str, str]) -> admin_pb2.ExplainRouteRequest:
    """The request that query parameters spell. Raises GatewayError INVALID_REQUEST."""
    request = admin_pb2.ExplainRouteRequest()
    for name, value in query.items():
        kind, dot, member = name.partition(".")
        if name in _TEXTS:
            setattr(request, name, value)
        elif name in _NUMBERS:
            setattr(request, name, _number(name, value))
        elif name == "is_stream":
            request.is_stream = value in _TRUE
        elif name == "needs":
            request.needs.extend(filter(None, value.split(",")))
        elif dot and kind == "header":
            request.headers[member.lower()] = value
        elif dot and kind == "metadata":
            request.metadata[member] = value
        else:
            raise GatewayError(Kind.INVALID_REQUEST, f"Unknown parameter `{name[:64]}`.", param=name[:64])
    return request


def _number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise GatewayError(Kind.INVALID_REQUEST, f"`{name}` must be a whole number.", param=name)
    return int(value)


def _as_json(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
