"""Deployments that only stream, or never do: their answers in the shape the caller asked for.

Rules:
    - Pure. An answer is only reshaped when its deployment cannot give the shape asked for; nothing else passes here.
    - A gathered stream is bounded, and whole only when the stream was: an error in it is an error.
    - A whole answer as a stream is one chunk for the role, one for each block, one for the links it cites, one with the
      finish reason, and the usage where it was asked for: what every client format renders.
Not here:
    - Which shape a deployment has (config.catalogue); reading the answers (dialects).
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError, Kind
from gateway.pipeline.attempts.order import Order
from gateway.quota.estimate import tokens_of_text
from gateway.rpc.contract import CHAT, COMPLETE, STREAM_CHAT, STREAM_COMPLETE, Batch, Method
from gateway.wire import json
from gateway.wire.foreign import is_foreign, openai_response
from gateway.wire.links import annotated, link_in, links_in
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2, completions_pb2, types_pb2

_STREAMED = {CHAT.name: STREAM_CHAT, COMPLETE.name: STREAM_COMPLETE}
_WHOLE = {STREAM_CHAT.name: CHAT, STREAM_COMPLETE.name: COMPLETE}
_USAGE_AT_THE_END = ("anthropic", "gemini", "responses")  # dialects whose clients are told it without asking


def upstream_method(method: Method, deployment: Deployment) -> Method:
    """How the deployment is asked for an answer to `method`."""
    if method.is_stream:
        return method if deployment.can_stream else _WHOLE.get(method.name, method)
    return method if deployment.can_answer_whole else _STREAMED.get(method.name, method)


def request_for(order: Order, method: Method) -> Message:
    """The request as it is sent when it is asked for in another shape."""
    if method is order.method:
        return order.request
    request: Any = type(order.request)()
    request.CopyFrom(order.request)
    request.ClearField("stream_options")
    request.stream = method.is_stream
    return request  # type: ignore[no-any-return]  # of the order's type


def asked_of(order: Order) -> Any:
    """What a decoder is told of the request so that it gives chunks any client format can be made from."""
    request: Any = order.request
    asked = type(request)(model=request.model)
    is_wanted = request.stream_options.include_usage or getattr(request, "dialect", "") in _USAGE_AT_THE_END
    asked.stream_options.include_usage = is_wanted or not order.method.is_stream
    return asked


def usage_of(message: Message) -> types_pb2.Usage | None:
    """The usage a whole answer reports."""
    return message.usage if message.HasField("usage") else None  # type: ignore[attr-defined]  # all replies have it


def named(message: Message, deployment: Deployment, model: str) -> Message:
    """A whole answer with the name of what answered, where the provider's format says none."""
    answer: Any = message
    if "model" in answer.DESCRIPTOR.fields_by_name and not answer.model and "model" not in answer.nulls:
        answer.model = deployment.upstream_model or model
    return message


def has_to_count(order: Order) -> bool:
    """Whether the caller's format always says how many tokens a chat had, so that silence would read as none."""
    return getattr(order.request, "dialect", "") == "anthropic"


def estimate(prompt_tokens: int, output_chars: int) -> types_pb2.Usage:
    """What an answer is taken to have used when its provider does not say."""
    completion = tokens_of_text(output_chars)
    return types_pb2.Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion,
        total_tokens=prompt_tokens + completion,
        is_estimate=True,
    )


def chars_of(message: Any) -> int:
    """Characters of answer text in a whole answer."""
    if isinstance(message, completions_pb2.CompletionResponse):
        return sum(len(choice.text) for choice in message.choices)
    if not isinstance(message, chat_pb2.ChatResponse):
        return 0
    blocks = [block for choice in message.choices for block in choice.message.blocks]
    return sum(len(block.text) + len(block.tool_use.arguments) for block in blocks)


def made_chars(order: Order, message: Any) -> int:
    """Characters the model made of a whole answer: what a completion echoes is its prompt."""
    chars, request = chars_of(message), order.request
    if isinstance(request, completions_pb2.CompletionRequest) and request.echo:
        chars -= sum(map(len, request.prompt.texts)) * max(1, request.n)
    return max(0, chars)


def as_stream(order: Order, message: Any) -> Batch:
    """The events of a stream that says what a whole answer says."""
    is_usage_wanted = asked_of(order).stream_options.include_usage
    usage = message.usage if message.HasField("usage") and is_usage_wanted else None
    if isinstance(message, completions_pb2.CompletionResponse):
        return _completion_chunks(message, usage)
    response = openai_response(message) if is_foreign(message.dialect) else message
    head = chat_pb2.ChatChunk(object="chat.completion.chunk")
    for name in ("id", "created", "model", "service_tier", "system_fingerprint"):
        if response.HasField(name):
            setattr(head, name, getattr(response, name))
    events: Batch = [
        chunk_of(head, choice.index, delta, reason) for choice in response.choices for delta, reason in _deltas(choice)
    ]
    if usage is not None:
        events.append(_with(head, usage=usage))
    return events


def chunk_of(head: chat_pb2.ChatChunk, index: int, delta: chat_pb2.Delta, reason: str | None) -> chat_pb2.ChatChunk:
    """One chunk of the stream that `head` belongs to."""
    choice = chat_pb2.ChoiceDelta(index=index, delta=delta)
    if reason is not None:
        choice.finish_reason = reason
    return _with(head, choices=[choice])


def _with(head: chat_pb2.ChatChunk, **members: Any) -> chat_pb2.ChatChunk:
    chunk = chat_pb2.ChatChunk(**members)
    chunk.MergeFrom(head)
    return chunk


def _deltas(choice: chat_pb2.Choice) -> list[tuple[chat_pb2.Delta, str | None]]:
    deltas: list[tuple[chat_pb2.Delta, str | None]] = [(chat_pb2.Delta(role="assistant"), None)]
    calls = 0
    for number, block in enumerate(choice.message.blocks):
        made = _increment(block, number, calls)
        if made is not None:
            calls += made.WhichOneof("kind") == "tool"
            deltas.append((chat_pb2.Delta(blocks=[made]), None))
    if cited := _cited(choice.message):
        deltas.append((chat_pb2.Delta(blocks=cited), None))
    deltas.append((chat_pb2.Delta(), choice.finish_reason or "stop"))
    return deltas


def _cited(message: types_pb2.Message) -> list[chat_pb2.BlockDelta]:
    """What a whole answer cites, as increments of its first text."""
    number = next((at for at, block in enumerate(message.blocks) if block.HasField("text")), 0)
    return [
        chat_pb2.BlockDelta(block=number, citation_json=json.text(each)) for each in links_in(message.annotations_json)
    ]


def _increment(block: types_pb2.Block, number: int, calls: int) -> chat_pb2.BlockDelta | None:
    kind = block.WhichOneof("kind")
    if kind == "text":
        return chat_pb2.BlockDelta(block=number, text=block.text)
    if kind == "refusal":
        return chat_pb2.BlockDelta(block=number, refusal=block.refusal)
    if kind == "thinking":
        return chat_pb2.BlockDelta(block=number, thinking=block.thinking)
    if kind == "audio":
        return chat_pb2.BlockDelta(block=number, audio=block.audio)
    if kind != "tool_use":
        return None
    call = block.tool_use
    fragment = chat_pb2.ToolDelta(index=calls, id=call.id, type=call.type or "function", name=call.name)
    fragment.arguments = call.arguments
    return chat_pb2.BlockDelta(block=number, tool=fragment, extra=block.extra)


def _completion_chunks(message: completions_pb2.CompletionResponse, usage: types_pb2.Usage | None) -> Batch:
    chunk = completions_pb2.CompletionResponse()
    chunk.CopyFrom(message)
    chunk.ClearField("usage")
    if usage is None:
        return [chunk]
    report = completions_pb2.CompletionResponse()
    report.CopyFrom(chunk)
    del report.choices[:]
    report.usage.CopyFrom(usage)
    return [chunk, report]


class Gathering:
    """The chunks of one stream, put together again."""

    def __init__(self, method: Method, max_bytes: int) -> None:
        self._is_chat = method.name == CHAT.name
        self._max_bytes = max_bytes
        self._size = 0
        self._head: Any = None
        self._choices: dict[int, _Choice] = {}
        self._texts: list[str] = []  # of the block a `str` event belongs to

    def take(self, batch: Batch) -> None:
        """More of the stream. Raises GatewayError PROVIDER_INVALID when it is too long."""
        for event in batch:
            if isinstance(event, str):
                self._texts.append(event)
                self._size += len(event)
            else:
                self._chunk(event)
        if self._size > self._max_bytes:
            text = f"The provider's answer is larger than {self._max_bytes} bytes (response_max_bytes)."
            raise GatewayError(Kind.PROVIDER_INVALID, text)

    def whole(self, usage: types_pb2.Usage | None) -> Message:
        """The answer. Raises GatewayError PROVIDER_INVALID when there was none."""
        if self._head is None:
            raise GatewayError(Kind.PROVIDER_INVALID, "The provider's stream held no answer.")
        answer: Any = chat_pb2.ChatResponse(object="chat.completion")
        if not self._is_chat:
            answer = completions_pb2.CompletionResponse(object="text_completion")
        for name in ("id", "created", "model", "system_fingerprint"):
            if self._head.HasField(name):
                setattr(answer, name, getattr(self._head, name))
        for index in sorted(self._choices):
            self._choices[index].write(answer.choices.add(index=index), is_chat=self._is_chat)
        if usage is not None:
            answer.usage.CopyFrom(usage)
        return answer  # type: ignore[no-any-return]  # of the method's reply type

    def _chunk(self, chunk: Any) -> None:
        if self._head is None and (chunk.HasField("id") or chunk.choices):
            self._head = chunk
        for part in chunk.choices:
            choice = self._choices.setdefault(part.index, _Choice())
            choice.finish_reason = part.finish_reason or choice.finish_reason
            if not self._is_chat:
                self._texts = choice.texts_of(0, "text")
                self._texts.append(part.text)
                self._size += len(part.text)
                continue
            for block in part.delta.blocks:
                self._texts = choice.take(block)
                self._size += block.ByteSize()
            for cited in annotated(part.delta):
                choice.cite(cited)
                self._size += cited.ByteSize()


class _Choice:
    """One answer, as far as it came."""

    def __init__(self) -> None:
        self.finish_reason = ""
        self._links: list[JsonObject] = []
        self._blocks: dict[tuple[int, str], tuple[types_pb2.Block, list[str]]] = {}

    def texts_of(self, number: int, kind: str) -> list[str]:
        """The increments of one block."""
        return self._blocks.setdefault((number, kind), (types_pb2.Block(), []))[1]

    def take(self, block: chat_pb2.BlockDelta) -> list[str]:
        """One increment; the list that further text of its block goes to."""
        kind = block.WhichOneof("kind") or ""
        if kind == "citation_json":
            self.cite(block)
            return []
        is_call = kind == "tool" or (kind == "start" and block.start.HasField("tool_use"))
        key = (block.block, "tool" if is_call else kind)
        made, texts = self._blocks.setdefault(key, (types_pb2.Block(), []))
        if kind == "start":
            made.MergeFrom(block.start)
            if is_call:
                texts.append(block.start.tool_use.arguments)
        elif is_call:
            _add_call(made.tool_use, block.tool)
            made.is_beside_content = True
            made.extra = made.extra or block.extra
            texts.append(block.tool.arguments)
        elif kind == "thinking":
            texts.append(block.thinking.text)
            made.thinking.MergeFrom(block.thinking)
        elif kind == "audio":
            data, said = made.audio.data, made.audio.transcript
            made.audio.MergeFrom(block.audio)
            made.audio.data, made.audio.transcript = data + block.audio.data, said + block.audio.transcript
        elif kind in ("text", "refusal"):
            texts.append(getattr(block, kind))
        return texts

    def cite(self, block: chat_pb2.BlockDelta) -> None:
        """A citation; kept if it names a link."""
        if (link := link_in(block.citation_json)) is not None:
            self._links.append(link)

    def write(self, choice: Any, *, is_chat: bool) -> None:
        """Put the answer into a choice of the whole one."""
        if self.finish_reason:
            choice.finish_reason = self.finish_reason
        if not is_chat:
            choice.text = "".join(self.texts_of(0, "text"))
            return
        choice.message.role = "assistant"
        for (_, kind), (made, texts) in self._blocks.items():
            said = "".join(texts)
            if kind == "tool":
                made.tool_use.arguments = said
            elif kind == "thinking":
                made.thinking.text = said
                made.is_beside_content = True
            elif kind in ("text", "refusal"):
                setattr(made, kind, said)
                made.is_beside_content = kind == "refusal"
            if made.WhichOneof("kind"):
                choice.message.blocks.append(made)
        if self._links:
            choice.message.annotations_json = json.text(self._links)


def _add_call(call: types_pb2.ToolUseBlock, fragment: chat_pb2.ToolDelta) -> None:
    for name in ("id", "type", "name"):
        if fragment.HasField(name) and getattr(fragment, name):
            setattr(call, name, getattr(fragment, name))
