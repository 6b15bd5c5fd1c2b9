"""Answers of the Responses format that the service keeps: read, deleted, listed, continued.

Rules:
    - Continuing puts what was asked and answered before ahead of a body's own input; instructions are not carried on.
    - An answer is kept before its end is sent: whoever has read it can continue it.
    - Keeping is best effort: when the service cannot keep an answer, the client has it all the same.

Not here: how long, how much and for whom (the service); a new answer (responses.py).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from gateway.core.errors import GatewayError, Kind
from gateway.frontend.inference import answer_whole, context_of
from gateway.frontend.reply import Reply
from gateway.frontend.voice import RESPONSES
from gateway.rpc.contract import DELETE_RESPONSE, GET_RESPONSE, STORE_RESPONSE, CallContext, Caller, Event, Item, Tail
from gateway.wire import json
from gateway.wire.pb import responses_pb2

log = logging.getLogger("gateway.frontend")

PREFIX: Final = "/v1/responses/"
ONE, ITEMS, CANCEL = f"{PREFIX}{{id}}", f"{PREFIX}{{id}}/input_items", f"{PREFIX}{{id}}/cancel"
ITEMS_MAX_BYTES: Final = 4 * 1024 * 1024
_PAGE, _PAGE_MAX = 20, 100
_DEPTH_MAX = 900  # of what was within its own limit before it was kept

Endpoint = Callable[[Reply], Awaitable[None]]


def find(caller: Caller, path: str) -> tuple[str, dict[str, Endpoint]] | None:
    """The route of a path of one answer, and its methods."""
    raw, slash, action = path.removeprefix(PREFIX).partition("/")
    if not path.startswith(PREFIX) or not raw:
        return None
    response_id = unquote(raw, errors="replace")

    def get(endpoint: Callable[[Caller, str, Reply], Awaitable[None]]) -> dict[str, Endpoint]:
        return {method: partial(endpoint, caller, response_id) for method in ("GET", "HEAD")}

    if not slash:
        return ONE, {**get(_show), "DELETE": partial(_delete, caller, response_id)}
    if action == "input_items":
        return ITEMS, get(_list_items)
    return (CANCEL, {"POST": partial(_cancel, caller, response_id)}) if action == "cancel" else None


async def _show(caller: Caller, response_id: str, reply: Reply) -> None:
    reply.speak(RESPONSES)
    if _query(reply).get("stream") == "true":
        text = "A kept answer cannot be streamed again; ask without `stream`."
        raise GatewayError(Kind.UNSUPPORTED_PARAMETER, text, param="stream")
    await answer_whole(_got(caller, response_id, reply), lambda kept: _value(kept.response_json), reply)


async def _delete(caller: Caller, response_id: str, reply: Reply) -> None:
    reply.speak(RESPONSES)
    items = caller(DELETE_RESPONSE, responses_pb2.DeleteResponseRequest(id=response_id), context_of(reply))
    await answer_whole(items, lambda gone: {"id": gone.id, "object": "response", "deleted": True}, reply)


async def _list_items(caller: Caller, response_id: str, reply: Reply) -> None:
    reply.speak(RESPONSES)
    query = _query(reply)
    await answer_whole(_got(caller, response_id, reply), lambda kept: page_of(_value(kept.items_json), query), reply)


async def _cancel(caller: Caller, response_id: str, reply: Reply) -> None:
    """Nothing that is kept still runs."""
    reply.speak(RESPONSES)
    await _one(_got(caller, response_id, reply))
    text = "Only an answer made with `background` can be cancelled; to cancel a call that runs, close its connection."
    raise GatewayError(Kind.INVALID_REQUEST, text)


def _got(caller: Caller, response_id: str, reply: Reply) -> AsyncGenerator[Item, None]:
    return caller(GET_RESPONSE, responses_pb2.GetResponseRequest(id=response_id), context_of(reply))


def _query(reply: Reply) -> dict[str, str]:
    """The last value of each member of the query."""
    given = reply.request.raw_path.partition("?")[2]
    return {name: values[-1] for name, values in parse_qs(given, max_num_fields=100).items()}


def page_of(items: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    """One page of items: newest first unless `order` is asc, from behind `after`, at most `limit`."""
    limit, order, after = query.get("limit", str(_PAGE)), query.get("order", "desc"), query.get("after")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= _PAGE_MAX:
        raise GatewayError(Kind.INVALID_REQUEST, f"`limit` must be between 1 and {_PAGE_MAX}.", param="limit")
    if order not in ("asc", "desc"):
        raise GatewayError(Kind.INVALID_REQUEST, "`order` must be `asc` or `desc`.", param="order")
    listed = items if order == "asc" else items[::-1]
    start = next((at + 1 for at, item in enumerate(listed) if item["id"] == after), 0)
    shown = listed[start : start + int(limit)]
    ids = [item["id"] for item in shown] or [None]
    has_more = start + len(shown) < len(listed)
    return {"object": "list", "data": shown, "first_id": ids[0], "last_id": ids[-1], "has_more": has_more}


async def complete(caller: Caller, context: CallContext, body: dict[str, Any]) -> dict[str, Any]:
    """A body with what it continues ahead of its own input. Raises GatewayError when that is not kept."""
    previous = body.get("previous_response_id")
    if not isinstance(previous, str) or not isinstance(body.get("input"), str | list):
        return body
    try:
        asked = caller(GET_RESPONSE, responses_pb2.GetResponseRequest(id=previous), context)
        kept: Any = await _one(asked)
    except GatewayError as error:
        if error.kind is not Kind.NOT_FOUND:
            raise
        text = f"Previous response with id '{previous[:200]}' not found."
        code = "previous_response_not_found"
        raise GatewayError(Kind.INVALID_REQUEST, text, param="previous_response_id", code=code) from None
    said = _value(kept.response_json).get("output", [])
    own = [{"role": "user", "content": body["input"]}] if isinstance(body["input"], str) else body["input"]
    return {**body, "input": [*_value(kept.items_json), *said, *own]}


async def passing(
    items: AsyncGenerator[Item, None],
    caller: Caller,
    context: CallContext,
    items_json: bytes,
    finished: Callable[[Event | None], dict[str, Any]],
    forget: Callable[[], None],
) -> AsyncGenerator[Item, None]:
    """The items of a call, its answer kept before its end.

    `finished` makes the answer of the last event; `forget` is called when it could not be kept.
    """
    last: Event | None = None
    async with aclosing(items):
        async for item in items:
            if isinstance(item, list):
                last = item[-1]
            elif isinstance(item, Tail) and not await _is_stored(caller, context, items_json, finished(last)):
                forget()
            yield item


async def _is_stored(caller: Caller, context: CallContext, items_json: bytes, answer: dict[str, Any]) -> bool:
    """Keep an answer; whether that could be done."""
    response_id = answer.get("id")
    if not isinstance(response_id, str):
        log.warning("request %s: its answer is not kept: it has no id", context.request_id)
        return False
    stored = responses_pb2.StoredResponse(
        id=response_id, response_json=json.text(answer), items_json=items_json.decode()
    )
    try:
        result: Any = await _one(caller(STORE_RESPONSE, stored, context))
    except GatewayError as error:
        log.warning("request %s: its answer is not kept: %s", context.request_id, error.message)
        return False
    return bool(result.is_stored)


async def _one(items: AsyncGenerator[Item, None]) -> Event | None:
    """The one event of a call."""
    event: Event | None = None
    async with aclosing(items):
        async for item in items:
            if isinstance(item, list):
                event = item[-1]
    return event


def _value(text: str) -> Any:
    return json.loads(text.encode(), depth_max=_DEPTH_MAX)
