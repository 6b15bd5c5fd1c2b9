"""The endpoint of OpenAI's Responses format: what is refused before a call, and answers that repeat their request.

Rules:
    - What needs more than a kept answer (`conversation`, `prompt`, `background`, items by reference) is refused with
      `unsupported_parameter`, never left out.
    - A provider of this format gets the body as it came, and its answers go out as they came; but one that continues a
      kept answer names that, not what the provider says.
    - An answer is kept unless `store` is false, or its input is too large to be.
    - A stream that fails after its head ends with `error` and `response.failed`, numbered like every event.

Not here: members of the format (gateway.wire.responses), the call (inference.py), kept answers (kept.py).
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Final

from gateway.core.errors import GatewayError, Kind
from gateway.frontend import kept
from gateway.frontend.inference import Family
from gateway.frontend.voice import RESPONSES, in_own_words, told_by
from gateway.rpc import contract
from gateway.rpc.contract import Batch, CallContext, Caller, Item
from gateway.wire import json
from gateway.wire.pb import chat_pb2
from gateway.wire.responses import answers, native
from gateway.wire.responses.events import EventRenderer, NamedEvent
from gateway.wire.responses.listed import items_of
from gateway.wire.responses.names import outline, own_path
from gateway.wire.responses.request import decode_request
from gateway.wire.sse import encode_event

_ELSEWHERE: Final = ("conversation", "prompt")
_FORMATS: Final = ("text", "json_object", "json_schema")


class ResponseFrames:
    """The frames of one stream: named events, any number of them for each event of the call."""

    __slots__ = ("_end", "_own", "_renderer", "_told")

    def __init__(self, told: answers.About, own: Callable[[str], str]) -> None:
        self._own = own
        self._told = told
        self._renderer = EventRenderer(told)
        self._end: list[NamedEvent] | None = None

    def anew(self) -> ResponseFrames:
        """Itself, at the beginning of a stream: what was rendered before counts no more."""
        self._renderer, self._end = EventRenderer(self._told), None
        return self

    def frames(self, batch: Batch) -> bytes:
        """The frames of some events."""
        render = self._renderer.render
        return b"".join([_bytes(render(event)) for event in batch])  # type: ignore[arg-type]  # of a chat

    def end(self) -> bytes:
        """The ends of open items and the last event; this format has no `[DONE]`."""
        return _bytes(self._ended())

    def finished(self) -> dict[str, Any]:
        """The whole answer, once its stream is complete."""
        self._ended()
        return self._renderer.response

    def whole(self, message: Any) -> dict[str, Any]:
        """The answer that is no stream."""
        return answers.encode_response(message, told=self._told)

    def forget(self) -> None:
        """The answer is not kept after all: its end must say so."""
        self._told = replace(self._told, is_kept=False)
        if self._end is not None:
            self._end = self._renderer.unkept(self._end)

    def _ended(self) -> list[NamedEvent]:
        if self._end is None:
            self._end = self._renderer.finish()
        return self._end

    def error(self, error: GatewayError, _request_id: str) -> bytes:
        """What ends a stream that failed."""
        error = in_own_words(error, self._own)
        code = error.code or error.row.openai_code or "server_error"
        return _bytes(self._renderer.failed(code, error.message, error.param))


def _bytes(events: list[NamedEvent]) -> bytes:
    return b"".join([encode_event(data, name) for name, data in events])


def family(body: dict[str, Any], request_id: str) -> Family:
    """The family of one request: its answers repeat members of `body`, their ids are made of the request's."""
    told = answers.about(body, request_id.removeprefix("req_"), int(time.time()))
    items_json = json.dumps(items_of(body["input"], told.suffix)) if told.is_kept else b""
    if len(items_json) > kept.ITEMS_MAX_BYTES:
        told, items_json = replace(told, is_kept=False), b""
    own = partial(own_path, items=outline(body["input"]), is_continued=body.get("previous_response_id") is not None)
    frames = ResponseFrames(told, own)
    previous = told.members[native.PREVIOUS]
    is_stream = body.get("stream") is True

    def finished(last: Any) -> dict[str, Any]:
        if is_stream:
            return frames.finished()
        return json.loads(last.json) if type(last) is contract.Raw else frames.whole(last)

    def keep(caller: Caller, context: CallContext, items: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
        if previous is not None:
            items = _continuing(items, previous)
        return kept.passing(items, caller, context, items_json, finished, frames.forget) if told.is_kept else items

    return replace(
        RESPONSES_FAMILY,
        encode=frames.whole,
        frames=frames.anew,
        voice=replace(told_by(own), error_event=frames.error),
        keep=keep if told.is_kept or previous is not None else None,
    )


async def _continuing(items: AsyncGenerator[Item, None], previous: str) -> AsyncGenerator[Item, None]:
    """The items of a call, a provider's whole answer with the id of the one it continues."""
    async with aclosing(items):
        async for item in items:
            if isinstance(item, list) and type(item[0]) is contract.Raw:
                yield [contract.Raw(native.continuing(item[0].json, previous))]
            else:
                yield item


def decode(body: dict[str, Any]) -> chat_pb2.ChatRequest:
    """The request in a body. Raises GatewayError for what is missing, malformed, or needs a kept answer."""
    for name in _ELSEWHERE:
        if body.get(name) is not None:
            raise _unsupported(name, f"`{name}` is not supported: it is kept at OpenAI; send the whole input.")
    if not isinstance(body.get("previous_response_id", ""), str | None):
        raise _invalid("previous_response_id", "`previous_response_id` must be a string.")
    if body.get("background"):
        raise _unsupported("background", "`background` is not supported: the answer comes with the request.")
    _check_input(body.get("input"))
    if not isinstance(body.get("instructions", ""), str | None):
        raise _invalid("instructions", "`instructions` must be a string.")
    form = body["text"].get("format") if isinstance(body.get("text"), dict) else None
    if isinstance(form, dict) and form.get("type") not in _FORMATS:
        raise _invalid("text.format.type", f"`text.format.type` must be one of {', '.join(_FORMATS)}.")
    return decode_request({name: value for name, value in body.items() if name != "previous_response_id"})


def _check_input(given: Any) -> None:
    if given is None:
        text = "`input` is missing; send a string or a list of items."
        raise GatewayError(Kind.INVALID_REQUEST, text, param="input", code="missing_required_parameter")
    if not isinstance(given, str | list) or not given:
        raise _invalid("input", "`input` must be a string or a list of items, and not empty.")
    for at, item in enumerate(given if isinstance(given, list) else ()):
        _check_item(f"input[{at}]", item)


def _check_item(path: str, item: Any) -> None:
    if not isinstance(item, dict):
        raise _invalid(path, f"`{path}` must be an object.")
    kind = item.get("type", "message")
    if kind == "item_reference":
        raise _unsupported(path, f"`{path}` refers to an earlier item, which is not kept; send the item itself.")
    if kind == "message" and not isinstance(item.get("content"), str | list):
        raise _invalid(f"{path}.content", f"`{path}.content` must be a string or a list of parts.")
    is_call = kind in ("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output")
    if is_call and not isinstance(item.get("call_id"), str):
        raise _invalid(f"{path}.call_id", f"`{path}.call_id` must be the id of a call.")


def _unsupported(param: str, message: str) -> GatewayError:
    return GatewayError(Kind.UNSUPPORTED_PARAMETER, message, param=param)


def _invalid(param: str, message: str) -> GatewayError:
    return GatewayError(Kind.INVALID_REQUEST, message, param=param)


RESPONSES_FAMILY = Family(
    contract.CHAT,
    decode,
    partial(answers.encode_response, told=answers.about({}, "", 0)),
    contract.STREAM_CHAT,
    voice=RESPONSES,
    prepare=kept.complete,
    of_request=family,
)
