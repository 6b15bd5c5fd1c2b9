"""The endpoints that ask a model: chat completions, completions, embeddings; whole answers and event streams.

Rules:
    - A stream's head is sent with its first batch: a failure before that is an ordinary error answer.
    - Only a `Tail` makes a stream complete; a generator that just stops is a cut stream.
    - The generator of a call is closed when its request is over, however it ended.

Not here: members of the formats (gateway.wire.openai), the call itself (the service).
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.frontend import answer
from gateway.frontend.body import read_json
from gateway.frontend.context import call_context
from gateway.frontend.reply import Reply
from gateway.rpc import contract
from gateway.rpc.contract import CallContext, Caller, Event, Head, Item, Method, Raw
from gateway.wire import json
from gateway.wire.openai import chat, chunks, completions, embeddings


class Renderer(Protocol):
    """Events of one stream to the JSON of its chunks."""

    def render(self, event: Any) -> bytes:
        """The JSON of one event."""
        ...


@dataclass(frozen=True, slots=True)
class Family:
    """One endpoint: its methods, and the pure pair that translates its bodies."""

    whole: Method
    decode: Callable[[dict[str, Any]], Any]
    encode: Callable[[Any], Any]
    stream: Method | None = None
    renderer: Callable[[], Renderer] | None = None


CHAT = Family(contract.CHAT, chat.decode_request, chat.encode_response, contract.STREAM_CHAT, chunks.ChunkRenderer)
COMPLETIONS = Family(
    contract.COMPLETE,
    completions.decode_request,
    completions.encode_response,
    contract.STREAM_COMPLETE,
    completions.CompletionChunkRenderer,
)
EMBEDDINGS = Family(contract.EMBED, embeddings.decode_request, embeddings.encode_response)


async def infer(caller: Caller, family: Family, reply: Reply) -> None:
    """Read the request of `reply`, run its call, write its answer."""
    items, renderer = await _open(caller, family, reply)
    if renderer is None:
        await answer_whole(items, family.encode, reply)
    else:
        await _stream(items, renderer, reply)


async def _open(caller: Caller, family: Family, reply: Reply) -> tuple[AsyncGenerator[Item, None], Renderer | None]:
    """The call of a request, and its renderer if it is a stream; the body is not kept past this."""
    context = context_of(reply)
    body, reply.received_bytes = await read_json(reply.request, reply.http)
    request = family.decode(body)
    reply.accepted_s = time.perf_counter()
    if family.stream is not None and family.renderer is not None and request.stream:
        return caller(family.stream, request, context), family.renderer()
    return caller(family.whole, request, context), None


def context_of(reply: Reply, *, has_credential: bool = True) -> CallContext:
    """What the service must know of the request of `reply` beyond its body."""
    request = reply.request
    return call_context(
        request.headers,
        reply.http,
        reply.profile,
        call_id=reply.request_id,
        address=request.protocol.peername,
        has_credential=has_credential,
    )


async def answer_whole(items: AsyncGenerator[Item, None], encode: Callable[[Any], Any], reply: Reply) -> None:
    """Run a call that has one event and write it as JSON."""
    event: Event | None = None
    trailers: Mapping[str, str] = {}
    async with aclosing(items):
        async for item in items:
            if isinstance(item, list):
                event = item[-1]
            elif isinstance(item, Head):
                reply.headers = item.headers
            else:
                trailers = item.trailers
    render_s = time.perf_counter()
    if type(event) is Raw:
        body = event.json
    elif isinstance(event, Message):
        body = json.dumps(encode(event))
    else:
        raise GatewayError(Kind.INTERNAL, "The call ended without an answer.")
    render_ms = (time.perf_counter() - render_s) * 1000
    lines = answer.header_lines(reply.headers, reply.profile)
    if reply.http.has_server_timing:
        accept_ms = (reply.accepted_s - reply.started_s) * 1000
        stages = trailers.get("server-timing", "")
        lines += answer.timing_line(f"accept;dur={accept_ms:.2f}", stages, f"render;dur={render_ms:.2f}")
    lines += f"openai-processing-ms: {reply.elapsed_ms():.0f}\r\n"
    await reply.send(200, answer.JSON, body, lines)


async def _stream(items: AsyncGenerator[Item, None], renderer: Renderer, reply: Reply) -> None:
    render = renderer.render
    is_complete = False
    async with aclosing(items):
        async for item in items:
            if isinstance(item, list):
                reply.write_events(b"".join([b"data: %b\n\n" % render(event) for event in item]), len(item))
                if reply.is_paused():
                    await reply.drain()
            elif isinstance(item, Head):
                reply.headers = item.headers
            else:
                is_complete = True
                reply.end_stream()
    if not is_complete:
        raise GatewayError(Kind.STREAM_CUT, "The stream ended before its end.")
