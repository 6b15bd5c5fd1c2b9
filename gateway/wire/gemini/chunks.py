"""Frames of streamGenerateContent read: one ChatChunk for each, and back.

Rules:
- Each frame is a whole GenerateContentResponse that holds what is new; it becomes exactly one chunk, and
  `encode_chunk` of it gives the same JSON.
- A decoder belongs to one stream: it numbers blocks and calls, gives ids to calls that have none, knows that STOP after
  a call is tool_calls, and gives the role once per choice (later ones stay in `extra`).
- `template_of` and `text_of` find the frames that only add text: most of a stream, at a fraction of the price.
- Parts are increments: neighbouring texts are one block, neighbouring thoughts are one; a call comes whole.

Not here: streams of other dialects (render.py), framing and the end of a stream (providers.gemini_dialect).
"""

from typing import Any, NamedTuple

from gateway.wire.gemini.groups import Group, Table, is_text, record, string
from gateway.wire.gemini.outcome import FINISH_REASON, LOGPROBS, USAGE, block_reason, end_with_calls
from gateway.wire.gemini.parts import DIALECT, read_part, write_part
from gateway.wire.gemini.render import ForeignRenderer
from gateway.wire.gemini.response import INDEX, candidates_of, made_up_id
from gateway.wire.json import JsonInvalid, dumps, loads, text
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2, types_pb2

_FRAME = frozenset(("candidates", "usageMetadata", "modelVersion", "responseId"))
_CANDIDATE_OF_TEXT = frozenset(("content", "index"))
_ROLE_KEPT = '{"role":"model"}'


def _read_role(delta: Any, said: JsonObject) -> bool:
    delta.role = "assistant"
    return said.get("role") == "model"


def _write_role(delta: Any, out: JsonObject) -> None:
    if delta.HasField("role"):
        out["role"] = "model"


def _read_parts(delta: Any, said: JsonObject) -> bool:
    if type(parts := said.get("parts")) is not list or not parts:
        return False
    for part in parts:
        if type(part) is dict and len(part) == 1 and is_text(words := part.get("text")):
            delta.blocks.add().text = words
            continue
        block = types_pb2.Block()
        read_part(part, block)
        _to_delta(block, delta.blocks.add())
    return True


def _to_delta(block: types_pb2.Block, addition: Any) -> None:
    kind = block.WhichOneof("kind")
    if kind == "text":
        addition.text = block.text
    elif kind in ("thinking", "opaque"):
        getattr(addition, kind).CopyFrom(getattr(block, kind))
    elif kind == "tool_use":
        call, tool = block.tool_use, addition.tool
        tool.SetInParent()
        for name in ("id", "name", "arguments"):
            if call.HasField(name):
                setattr(tool, name, getattr(call, name))
        tool.extra = call.extra
        tool.nulls.extend(call.nulls)
    else:
        addition.start.CopyFrom(block)
        return
    addition.extra = block.extra
    addition.nulls.extend(block.nulls)


def _write_parts(delta: Any, out: JsonObject) -> None:
    if delta.blocks:
        out["parts"] = [write_part(block_of(addition)) for addition in delta.blocks]


def block_of(addition: chat_pb2.BlockDelta) -> types_pb2.Block:
    """The block of one part that an addition of this dialect is."""
    kind = addition.WhichOneof("kind")
    if kind == "start":
        return addition.start
    block = types_pb2.Block(extra=addition.extra, nulls=addition.nulls)
    if kind == "text":
        block.text = addition.text
    elif kind in ("thinking", "opaque"):
        getattr(block, kind).CopyFrom(getattr(addition, kind))
    elif kind == "tool":
        tool, call = addition.tool, block.tool_use
        call.SetInParent()
        for name in ("id", "name", "arguments"):
            if tool.HasField(name):
                setattr(call, name, getattr(tool, name))
        call.extra = tool.extra
        call.nulls.extend(tool.nulls)
    return block


_DELTA = Table(
    [Group(("role",), _read_role, _write_role, has_default=True), Group(("parts",), _read_parts, _write_parts)]
)


_CANDIDATE = Table([record("content", "delta", _DELTA), FINISH_REASON, LOGPROBS, INDEX])


_CHUNK = Table(
    [
        candidates_of(_CANDIDATE),
        USAGE,
        string("modelVersion", "model"),
        string("responseId", "id"),
    ]
)


class _Candidate:
    """What a stream has told of one candidate."""

    __slots__ = ("block", "calls", "has_role", "kind")

    def __init__(self) -> None:
        self.has_role = False
        self.kind: str | None = None  # of the last block
        self.block = -1  # number of the last block
        self.calls = 0


class ChunkDecoder:
    """Reads the frames of one stream."""

    __slots__ = ("_candidates",)

    def __init__(self) -> None:
        self._candidates: dict[int, _Candidate] = {}

    def decode(self, data: bytes, event: str | None = None) -> chat_pb2.ChatChunk:
        """Read the data of one event (Gemini's have no name). Raises JsonInvalid if it is not a JSON object."""
        obj = loads(data)
        if type(obj) is not dict:
            raise JsonInvalid("a frame must be a JSON object")
        return self.read(obj)

    def read(self, obj: JsonObject) -> chat_pb2.ChatChunk:
        """Read one frame's JSON object."""
        chunk = chat_pb2.ChatChunk(dialect=DIALECT)
        extra, absent = _CHUNK.read(obj, chunk)
        if not chunk.choices and extra and (reason := block_reason(extra)) is not None:
            chunk.choices.add(index=0, finish_reason="content_filter", native_finish_reason=reason)
            absent.append("candidates")
        for choice in chunk.choices:
            self._settle(choice, chunk.id)
        if extra:
            chunk.extra = text(extra)
        if absent:
            chunk.nulls.extend(absent)
        return chunk

    def _settle(self, choice: chat_pb2.ChoiceDelta, answer_id: str) -> None:
        candidate = self._candidates.setdefault(choice.index, _Candidate())
        delta = choice.delta
        if choice.HasField("delta"):
            if candidate.has_role:
                _keep_role(delta)
            candidate.has_role = True
        for addition in delta.blocks:
            kind = addition.WhichOneof("kind")
            if kind != candidate.kind or kind not in ("text", "thinking"):
                candidate.block += 1
            candidate.kind = kind
            addition.block = candidate.block
            if kind == "tool":
                _number_call(addition.tool, candidate, choice.index, answer_id)
        if candidate.calls:
            end_with_calls(choice)


def _keep_role(delta: chat_pb2.Delta) -> None:
    """The role was told before: it is only given back."""
    delta.ClearField("role")
    if "role" in delta.nulls:
        delta.nulls.remove("role")
    elif not delta.extra:
        delta.extra = _ROLE_KEPT
    else:
        kept = loads(delta.extra.encode(), depth_max=900)
        if "role" not in kept:
            delta.extra = text({"role": "model", **kept})


def _number_call(tool: chat_pb2.ToolDelta, candidate: _Candidate, choice: int, answer_id: str) -> None:
    tool.index = candidate.calls
    if not tool.HasField("id") and '"id"' not in tool.extra:
        tool.id = made_up_id(answer_id, choice, candidate.calls, tool.name + tool.arguments)
        tool.nulls.append("id")
    candidate.calls += 1


class Template(NamedTuple):
    """What neighbouring frames with one text have in common: all but the text and the usage."""

    choice: int
    is_thought: bool
    model: str
    id: str


def template_of(chunk: chat_pb2.ChatChunk) -> Template | None:
    """The template a chunk of a `ChunkDecoder` is; None if it says more than one text, or tells the role."""
    if len(chunk.choices) != 1 or chunk.extra:
        return None
    choice = chunk.choices[0]
    delta = choice.delta
    if len(delta.blocks) != 1 or delta.HasField("role") or choice.finish_reason or choice.HasField("logprobs_json"):
        return None
    kind = delta.blocks[0].WhichOneof("kind")
    if kind not in ("text", "thinking"):
        return None
    return Template(choice.index, kind == "thinking", chunk.model, chunk.id)


def text_of(obj: JsonObject, template: Template) -> str | None:
    """The text of a frame that is the template with another text and usage; None if it is anything else."""
    candidates = obj.get("candidates")
    if not obj.keys() <= _FRAME or type(candidates) is not list or len(candidates) != 1:
        return None
    candidate = candidates[0]
    if type(candidate) is not dict or not candidate.keys() <= _CANDIDATE_OF_TEXT:
        return None
    if (obj.get("modelVersion", ""), obj.get("responseId", "")) != (template.model, template.id):
        return None
    content = candidate.get("content")
    parts = content.get("parts") if type(content) is dict else None
    if candidate.get("index", 0) != template.choice or type(parts) is not list or len(parts) != 1:
        return None
    part = parts[0]
    if type(part) is not dict or len(part) != 1 + template.is_thought or not is_text(words := part.get("text")):
        return None
    return words if not template.is_thought or part.get("thought") is True else None


def encode_chunk(chunk: chat_pb2.ChatChunk) -> JsonObject:
    """Return the JSON object of one chunk of this dialect."""
    return _CHUNK.encode(chunk)


class ChunkRenderer:
    """Writes the frames of one stream, whatever dialect its chunks have."""

    __slots__ = ("_foreign",)

    def __init__(self) -> None:
        self._foreign = ForeignRenderer()

    def render(self, event: chat_pb2.ChatChunk | str) -> list[tuple[None, bytes]]:
        """The frames (event name, always None; JSON bytes) of one event: one for a chunk of this dialect.

        Raises JsonInvalid for a JSON text in the chunk that is none, ValueError for a text without its chunk.
        """
        if type(event) is not str and event.dialect == DIALECT:  # type: ignore[union-attr]  # it is a ChatChunk
            return [(None, dumps(encode_chunk(event)))]  # type: ignore[arg-type]  # a str was handled above
        return [(None, frame) for frame in self._foreign.render(event)]

    def finish(self) -> list[tuple[None, bytes]]:
        """The stream ended: what was held back to be told with the usage."""
        return [(None, frame) for frame in self._foreign.finish()]
