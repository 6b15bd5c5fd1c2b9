"""The endpoints that ask a model: chat completions, completions, embeddings, messages; whole and streamed.

Rules:
    - A stream's head is sent with its first batch: a failure before that is an ordinary error answer.
    - Only a `Tail` makes a stream complete; a generator that just stops is a cut stream.
    - The generator of a call is closed when its request is over, however it ended.

Not here: members of the formats (gateway.wire.openai), the call itself (the service).
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Protocol

from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.frontend import answer
from gateway.frontend.body import read_json
from gateway.frontend.context import call_context, check_form, credential, query_credential
from gateway.frontend.reply import Reply
from gateway.frontend.restart import RestartFrames
from gateway.frontend.voice import ANTHROPIC, OPENAI, Voice
from gateway.rpc import contract
from gateway.rpc.contract import Batch, CallContext, Caller, Event, Head, Item, Method, Raw
from gateway.wire import json
from gateway.wire.anthropic import betas
from gateway.wire.anthropic import chat as messages
from gateway.wire.anthropic.rendering import EventRenderer
from gateway.wire.openai import chat, chunks, completions, embeddings
from gateway.wire.sse import encode_event

_OPENAI_VOICES = ("openai", "responses")


class Renderer(Protocol):
    """Events of one stream to the JSON of its chunks."""

    def render(self, event: Any) -> bytes:
        """The JSON of one event."""
        ...

    def texts(self, texts: Sequence[str], before: bytes, after: bytes) -> bytes:
        """The JSON of several texts in a row, each between `before` and `after`."""
        ...


class Frames(Protocol):
    """The events of one stream as the bytes of its client's format."""

    def frames(self, batch: Batch) -> bytes:
        """The frames of some events; may be none."""
        ...

    def end(self) -> bytes:
        """What ends a complete stream."""
        ...


class DataFrames:
    """OpenAI's frames: `data:` and the JSON of each chunk, and `[DONE]`."""

    __slots__ = ("_render", "_texts")

    def __init__(self, renderer: Renderer) -> None:
        self._render = renderer.render
        self._texts = renderer.texts

    def frames(self, batch: Batch) -> bytes:
        """One frame for each event."""
        render = self._render
        if len(batch) == 1:
            return b"data: %b\n\n" % render(batch[0])
        frames: list[bytes] = []
        for kind, run in groupby(batch, type):
            if kind is str:
                frames.append(self._texts(list(run), b"data: ", b"\n\n"))  # type: ignore[arg-type]  # all are texts
            else:
                frames += [b"data: %b\n\n" % render(event) for event in run]
        return b"".join(frames)

    def end(self) -> bytes:
        """`[DONE]`."""
        return answer.DONE


class NamedFrames:
    """Anthropic's frames: named events, any number of them for each event of the call."""

    __slots__ = ("_renderer",)

    def __init__(self) -> None:
        self._renderer = EventRenderer()

    def frames(self, batch: Batch) -> bytes:
        """The frames of some events."""
        render = self._renderer.render
        return b"".join([encode_event(data, name) for event in batch for name, data in render(event)])  # type: ignore[arg-type]  # of a chat

    def end(self) -> bytes:
        """The events that close a stream of another format; none where the provider said them itself."""
        return b"".join([encode_event(data, name) for name, data in self._renderer.finish()])


@dataclass(frozen=True, slots=True)
class Family:
    """One endpoint: its methods, and the pure pair that translates its bodies.

    For a format whose answers repeat their request and may be continued: `prepare` completes a body from what is kept,
    `of_request` (body, request id) gives the family of one request, whose `keep` passes its items and keeps the answer.
    """

    whole: Method
    decode: Callable[[dict[str, Any]], Any]
    encode: Callable[[Any], Any]
    stream: Method | None = None
    frames: Callable[[], Frames] | None = None
    voice: Voice = OPENAI
    prepare: Callable[[Caller, CallContext, dict[str, Any]], Awaitable[dict[str, Any]]] | None = None
    of_request: Callable[[dict[str, Any], str], Family] | None = None
    can_restart: bool = True
    """Whether its stream is events that stand for themselves, so that another may follow after `gateway.restart`."""
    opt_ins: str = ""
    """The header that opts into more of the format; `with_betas` reads it."""
    keep: Callable[[Caller, CallContext, AsyncGenerator[Item, None]], AsyncGenerator[Item, None]] | None = None


CHAT = Family(
    contract.CHAT,
    chat.decode_request,
    chat.encode_response,
    contract.STREAM_CHAT,
    lambda: DataFrames(chunks.ChunkRenderer()),
)
COMPLETIONS = Family(
    contract.COMPLETE,
    completions.decode_request,
    completions.encode_response,
    contract.STREAM_COMPLETE,
    lambda: DataFrames(completions.CompletionChunkRenderer()),
)
EMBEDDINGS = Family(contract.EMBED, embeddings.decode_request, embeddings.encode_response)
MESSAGES = Family(
    contract.CHAT, messages.decode_request, messages.encode_response, contract.STREAM_CHAT, NamedFrames, ANTHROPIC,
    opt_ins=betas.HEADER,
)  # fmt: skip
MESSAGE_COUNT = Family(contract.COUNT_TOKENS, messages.decode_request, messages.encode_count, voice=ANTHROPIC)


async def infer(caller: Caller, family: Family, reply: Reply) -> None:
    """Read the request of `reply`, run its call, write its answer."""
    reply.speak(family.voice)
    items, frames, encode = await _open(caller, family, reply)
    if frames is None:
        await answer_whole(items, encode, reply)
    else:
        await _stream(items, frames, reply)


async def _open(
    caller: Caller, family: Family, reply: Reply
) -> tuple[AsyncGenerator[Item, None], Frames | None, Callable[[Any], Any]]:
    """The call of a request, its frames if it is a stream, its encoder; the body is not kept past this."""
    context = context_of(reply)
    body, reply.received_bytes = await read_json(reply.request, reply.http, reply.hold)
    if family.prepare is not None:
        body = await family.prepare(caller, context, body)
    if family.opt_ins and family.opt_ins in reply.request.headers:
        body = betas.with_betas(body, reply.request.headers.getall(family.opt_ins))
    request = family.decode(body)
    if family.of_request is not None:
        family = family.of_request(body, reply.request_id)
        reply.voice = family.voice
    reply.accepted_s = time.perf_counter()
    is_stream = family.stream is not None and family.frames is not None and request.stream
    frames = _frames(family, reply, context) if is_stream else None
    items = caller(family.stream if is_stream and family.stream is not None else family.whole, request, context)
    if family.keep is not None:
        items = family.keep(caller, context, items)
    return items, frames, family.encode


def _frames(family: Family, reply: Reply, context: CallContext) -> Frames | None:
    """The frames of one stream, which may begin anew where the client said that it understands that."""
    if family.frames is None:
        return None
    if family.can_restart and reply.request.headers.get(contract.ON_CUT) == contract.RESTART:
        context.headers[contract.ON_CUT] = contract.RESTART
        return RestartFrames(family.frames)
    return family.frames()


def context_of(reply: Reply, *, has_credential: bool = True) -> CallContext:
    """What the service must know of the request of `reply` beyond its body."""
    request = reply.request
    voice = reply.voice
    context = call_context(
        request.headers,
        reply.http,
        reply.profile,
        call_id=reply.request_id,
        address=request.protocol.peername,
        dialect=voice.dialect,
        has_credential=has_credential,
    )
    if has_credential and not context.credential and voice.carriers:
        context.credential = credential(request.headers, replace(reply.profile, key_carriers=voice.carriers))
        if not context.credential and voice.query_key:
            context.credential = query_credential(request.raw_path, voice.query_key)
    if context.credential and (reply.profile.key_prefixes or not reply.profile.has_sessions):
        check_form(context.credential, reply.profile)
    return context


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
    render = "render;dur=0.00"
    if type(event) is Raw:
        body = event.json
    elif isinstance(event, Message):
        render_s = time.perf_counter()
        body = json.dumps(encode(event))
        render = f"render;dur={(time.perf_counter() - render_s) * 1000:.2f}"
    else:
        raise GatewayError(Kind.INTERNAL, "The call ended without an answer.")
    lines = reply.call_lines()
    if reply.http.has_server_timing:
        accept_ms = (reply.accepted_s - reply.started_s) * 1000
        stages = f"{told}, " if (told := trailers.get("server-timing")) else ""
        lines += answer.timing_line(f"accept;dur={accept_ms:.2f}, {stages}{render}")
    if reply.voice.dialect in _OPENAI_VOICES:
        lines += f"openai-processing-ms: {round(reply.elapsed_ms())}\r\n"
    await reply.send(200, answer.JSON, body, lines)


async def _stream(items: AsyncGenerator[Item, None], frames: Frames, reply: Reply) -> None:
    is_complete = False
    async with aclosing(items):
        async for item in items:
            if isinstance(item, list):
                if data := frames.frames(item):
                    reply.write_events(data, len(item))
                if reply.is_paused():
                    await reply.drain()
            elif isinstance(item, Head):
                reply.headers = item.headers
                if contract.BUFFERED in item.headers:  # its events come late: the head and pings meanwhile
                    reply.write_events(b"", 0)
            else:
                is_complete = True
                reply.end_stream(frames.end())
    if not is_complete:
        raise GatewayError(Kind.STREAM_CUT, "The stream ended before its end.")
