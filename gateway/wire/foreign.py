"""What one dialect must not see of another: a message reduced to the fields every dialect understands.

Rules:
- Pure, and made on a copy: the message given stays as it is.
- `extra`, `nulls`, spellings (`content_form`) and opaque blocks belong to the dialect that wrote them: taken out.
- What has no place in OpenAI's format is named in `unsupported` by its path, whose numbers count the messages as they
  are here (`own_paths` tells the client's); hints that change no answer are not named (cache markers, reasoning of
  earlier turns, the mark that a tool failed).

Not here: the members of a format (openai/, anthropic/, ...), what is done about what is unsupported (the pipeline).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, TypeVar

from google.protobuf.message import Message as AnyMessage

from gateway.wire.json import dumps, loads, text
from gateway.wire.links import link_of, of_gemini
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2, embeddings_pb2, types_pb2

M = TypeVar("M", bound=AnyMessage)

OPENAI: Final = ("", "openai")
EFFORT_BUDGETS: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}
"""Reasoning effort -> thinking budget in tokens, smallest first."""

USER_MAX_CHARS: Final = 64
"""OpenAI refuses a longer `user`; other formats' longer ones become their SHA-256, which still tells users apart."""
_FIELDS: Final = frozenset(chat_pb2.ChatRequest.DESCRIPTOR.fields_by_name)
_MEMBERS: Final = _FIELDS | {name.removesuffix("_json") for name in _FIELDS}
_OWN = frozenset(("extra", "nulls", "content_form", "dialect"))
# Members kept in `extra` of a request that are not named as unsupported: mapped from there, or hints.
_UNREPORTED: Final = {
    "anthropic": frozenset(
        ("messages", "system", "metadata", "stop_sequences", "tools", "tool_choice", "cache_control", "output_config",
         "anthropic_beta", "context_management"),
    ),
    "gemini": frozenset(
        ("contents", "systemInstruction", "system_instruction", "tools", "toolConfig", "tool_config", "safetySettings",
         "safety_settings", "cachedContent", "generationConfig", "generation_config", "labels", "model"),
    ),
    "responses": frozenset(
        ("input", "instructions", "tools", "reasoning", "text", "include", "stream_options", "max_tool_calls",
         "client_metadata"),
    ),
}  # fmt: skip
_NEUTRAL: Final = {"responses": {"background": False, "truncation": "disabled", "top_logprobs": 0}}
"""Members that say what is so anyway."""
_SETTINGS: Final = frozenset(
    ("temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "responseMimeType",
     "responseSchema", "responseJsonSchema", "presencePenalty", "frequencyPenalty", "seed", "responseLogprobs",
     "logprobs", "responseModalities", "thinkingConfig"),
)  # fmt: skip
"""The members of Gemini's generationConfig that have typed fields; `extra` holds them when those are not exact."""
_TYPED_OF_EMBEDDING: Final = frozenset(("model", "content", "outputDimensionality", "output_dimensionality"))
_TURN: Final = re.compile(r"^messages\[(\d+)\]")
_BY_ID = ("image", "document")  # their ids name files at Anthropic; those of `file` blocks are OpenAI's
_MEDIA = frozenset(("image", "document", "file"))


def is_headless(chunk: chat_pb2.ChatChunk) -> bool:
    """Whether a chunk says neither of which answer it is nor anything of it (Azure's about the prompt's filter)."""
    return not (chunk.id or chunk.model or chunk.choices or chunk.HasField("usage"))


def is_foreign(dialect: str) -> bool:
    """Whether `extra` of a message of this dialect says nothing to the OpenAI format."""
    return dialect not in OPENAI


def stripped(message: M) -> M:
    """A copy without what only its own dialect can read."""
    copy = type(message)()
    copy.CopyFrom(message)
    _strip(copy)
    return copy


def _strip(message: Any) -> None:
    for field, value in message.ListFields():
        if field.name in _OWN:
            message.ClearField(field.name)
        elif field.type == field.TYPE_MESSAGE and not field.message_type.GetOptions().map_entry:
            for nested in value if field.is_repeated else (value,):
                _strip(nested)


def effort_of(budget_tokens: int) -> str:
    """The reasoning effort nearest to a thinking budget, from above."""
    return next((effort for effort, budget in EFFORT_BUDGETS.items() if budget_tokens <= budget), "max")


def extra_names(extra: str) -> list[str]:
    """The members an `extra` holds, in order."""
    return list(loads(extra.encode(), depth_max=1000)) if extra else []


def without_place(request: AnyMessage, settings: Mapping[str, tuple[Any, ...]]) -> list[str]:
    """The members by which a request asks for what a format cannot give: `settings`, with what asks for nothing."""
    return [
        name.removesuffix("_json")
        for name, nothing in settings.items()
        if request.HasField(name) and getattr(request, name) not in nothing
    ]


def openai_request(request: chat_pb2.ChatRequest, unsupported: list[str]) -> chat_pb2.ChatRequest:
    """A request of another dialect as the OpenAI encoder takes it."""
    plain = stripped(request)
    unsupported += unknown_members(request)
    del plain.messages[:]
    for at, message in enumerate(request.messages):
        plain.messages.extend(_turns(message, f"messages[{at}]", unsupported))
    _tools(plain, unsupported)
    if plain.HasField("thinking"):
        if not plain.HasField("reasoning_effort"):
            _effort(plain)
        plain.ClearField("thinking")
    if len(plain.user) > USER_MAX_CHARS:
        plain.user = sha256(plain.user.encode()).hexdigest()
    if request.dialect == "responses":  # there, labels need no stored answer; in a chat they do
        plain.ClearField("metadata")
        plain.ClearField("store")
    for name in ("top_k", "cached_content", "safety_settings_json"):
        if plain.HasField(name):
            unsupported.append(name.removesuffix("_json"))
            plain.ClearField(name)
    return plain


def plain_embedding(
    request: embeddings_pb2.EmbeddingRequest, unsupported: list[str]
) -> embeddings_pb2.EmbeddingRequest:
    """A request of Gemini's embedContent or batchEmbedContents without what only it has; others as they are."""
    if not is_foreign(request.dialect):
        return request
    kept = loads(request.extra.encode(), depth_max=1000) if request.extra else {}
    residues = kept.pop("requests", None)
    unsupported += _beside_text(kept, "")
    for at, residue in enumerate(residues if isinstance(residues, list) else ()):
        unsupported += _beside_text(residue, f"requests[{at}].") if isinstance(residue, dict) else []
    return stripped(request)


def _beside_text(item: dict[str, Any], path: str) -> list[str]:
    found = [f"{path}{name}" for name in item if name not in _TYPED_OF_EMBEDDING]
    content = item.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    for at, part in enumerate(parts if isinstance(parts, list) else ()):
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            found.append(f"{path}content.parts[{at}]")
    return found


def is_lifted(message: types_pb2.Message) -> bool:
    """Whether a first message stands for the member beside `messages` that holds the instructions."""
    return message.role == "system" and not message.extra


def first_of(request: chat_pb2.ChatRequest) -> int:
    """The number of the first message as its client counts: -1 where it stood beside the turns, which begin at 0."""
    dialect = request.dialect
    if dialect in OPENAI or not request.messages:
        return 0
    message = request.messages[0]
    return -1 if is_lifted(message) or (dialect == "gemini" and message.role == "system") else 0


def unknown_to_chats(request: chat_pb2.ChatRequest) -> list[str]:
    """The members of a request of OpenAI's format that are none of it (what is of it may stand in `extra`, too)."""
    return [name for name in extra_names(request.extra) if name not in _MEMBERS]


def unknown_members(request: chat_pb2.ChatRequest) -> list[str]:
    """The members of a request of another dialect than OpenAI's that no typed field holds and that are no hints."""
    if (unreported := _UNREPORTED.get(request.dialect)) is None:
        return []
    known = {field.name for field, _ in request.ListFields()}
    named = [name for name in extra_names(request.extra) if name not in known and name not in unreported]
    if named and (neutral := _NEUTRAL.get(request.dialect)):
        kept = loads(request.extra.encode(), depth_max=1000)
        named = [name for name in named if name not in neutral or kept[name] != neutral[name]]
    return named + (_unknown_settings(request.extra) if request.dialect == "gemini" else [])


def _unknown_settings(extra: str) -> list[str]:
    kept = loads(extra.encode(), depth_max=1000) if extra else {}
    found = []
    for member in ("generationConfig", "generation_config"):
        names = kept.get(member)
        for name in names if isinstance(names, dict) else ():
            head, *rest = name.split("_")
            if head + "".join(word.capitalize() for word in rest) not in _SETTINGS:
                found.append(f"{member}.{name}")
    return found


def _effort(request: chat_pb2.ChatRequest) -> None:
    if request.thinking.HasField("budget_tokens") and request.thinking.type != "disabled":
        request.reasoning_effort = effort_of(request.thinking.budget_tokens)


def _tools(request: chat_pb2.ChatRequest, unsupported: list[str]) -> None:
    kept = []
    for at, tool in enumerate(request.tools):
        if tool.HasField("function"):
            tool.type = "function"
            tool.ClearField("cache_control_json")
            kept.append(tool)
        elif tool.HasField("custom_json"):
            kept.append(tool)
        else:
            unsupported.append(f"tools[{at}]")
    if len(kept) != len(request.tools):
        del request.tools[:]
        request.tools.extend(kept)
    if not request.tools:
        request.ClearField("tool_choice")
        request.ClearField("parallel_tool_calls")


def own_paths(request: AnyMessage, paths: Sequence[str]) -> tuple[str, ...]:
    """Paths of what cannot be sent as the client counts: turns without those beside them, Gemini's tools by name."""
    if not isinstance(request, chat_pb2.ChatRequest) or request.dialect in OPENAI:
        return tuple(paths)
    if request.dialect == "gemini":  # its functions are not counted among them
        tools = {
            f"tools[{at}]": f"tools.{tool.type}"
            for at, tool in enumerate(request.tools)
            if not tool.HasField("function")
        }
        paths = [tools.get(path, path) for path in paths]
    first = first_of(request)
    return tuple([_TURN.sub(lambda found: f"messages[{int(found[1]) + first}]", path) for path in paths])


def _turns(message: types_pb2.Message, path: str, unsupported: list[str]) -> list[types_pb2.Message]:
    """The turns a message becomes: results of tools first, each a turn of its own, then everything else."""
    turns, rest = [], []
    for at, block in enumerate(message.blocks):
        where = f"{path}.content[{at}]"
        if block.HasField("tool_result"):
            result, media = _result(block.tool_result, where, unsupported)
            turns.append(types_pb2.Message(role="tool", blocks=[types_pb2.Block(tool_result=result)]))
            rest += media
        else:
            rest += plain_blocks([block], where, unsupported)
    if rest or not turns:
        role = "user" if message.role in ("user", "tool") else message.role
        turn = types_pb2.Message(role=role, blocks=rest)
        if not message.HasField("role"):
            turn.ClearField("role")
        if rest or message.role != "assistant":
            turns.append(turn)
    return turns


def _result(
    result: types_pb2.ToolResultBlock, path: str, unsupported: list[str]
) -> tuple[types_pb2.ToolResultBlock, list[types_pb2.Block]]:
    """A tool's answer as text, and what of it is no text: OpenAI's tool turns take text only."""
    blocks = plain_blocks(result.blocks, path, unsupported)
    text = [block for block in blocks if block.WhichOneof("kind") not in _MEDIA]
    media = [block for block in blocks if block.WhichOneof("kind") in _MEDIA]
    return types_pb2.ToolResultBlock(tool_use_id=result.tool_use_id, blocks=text), media


def plain_blocks(blocks: Iterable[types_pb2.Block], path: str, unsupported: list[str]) -> list[types_pb2.Block]:
    """The blocks OpenAI has a place for, without marks; thinking of earlier turns is left out."""
    found = []
    for block in blocks:
        kind = block.WhichOneof("kind")
        if kind == "thinking":
            continue
        if kind in (None, "opaque") or (kind in _BY_ID and getattr(block, kind).HasField("file_id")):
            unsupported.append(path)
            continue
        if kind == "document" and block.document.HasField("content_json"):
            found += _document_text(block.document)
            continue
        plain = stripped_block(block)
        plain.ClearField("cache_control_json")
        plain.ClearField("citations_json")
        found.append(plain)
    return found


def stripped_block(block: types_pb2.Block) -> types_pb2.Block:
    """A copy of a block without what only its own dialect can read."""
    copy = types_pb2.Block()
    copy.CopyFrom(block)
    _strip(copy)
    return copy


def _document_text(document: types_pb2.DocumentBlock) -> list[types_pb2.Block]:
    content = loads(document.content_json.encode(), depth_max=1000)
    if isinstance(content, str):
        return [types_pb2.Block(text=content)]
    parts: Sequence[Any] = content if isinstance(content, list) else ()
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return [types_pb2.Block(text=text) for text in texts if isinstance(text, str)]


def openai_response(response: chat_pb2.ChatResponse) -> chat_pb2.ChatResponse:
    """A whole answer of another dialect as the OpenAI encoder takes it: one text, no opaque blocks."""
    plain = stripped(response)
    for choice, was in zip(plain.choices, response.choices, strict=True):
        for block, signed in zip(choice.message.blocks, was.message.blocks, strict=True):
            if block.HasField("tool_use") and (kept := kept_signature(signed.extra)):
                block.extra = kept
                block.tool_use.type = block.tool_use.type or "function"
        if not was.message.HasField("annotations_json") and (links := links_of(was, response.dialect)):
            choice.message.annotations_json = text(links)
        choice.ClearField("native_finish_reason")
        choice.ClearField("stop_sequence")
        _join_texts(choice.message)
    return plain


def links_of(choice: chat_pb2.Choice, dialect: str) -> list[JsonObject]:
    """What an answer cites, where it cites links."""
    message = choice.message
    cited = [message.annotations_json] if message.annotations_json else []
    cited += [block.citations_json for block in message.blocks if block.citations_json]
    listed = [loads(each.encode(), depth_max=1000) for each in cited]
    items = [item for each in listed if type(each) is list for item in each]
    found = [each for each in map(link_of, items) if each is not None]
    if dialect == "gemini" and "Metadata" in choice.extra:
        found += of_gemini(loads(choice.extra.encode(), depth_max=1000))
    return found


def kept_signature(extra: str) -> str:
    """What an OpenAI client must give back with a call of a Gemini model, as the `extra` of the call, or nothing.

    Its place is that of Google's own OpenAI endpoint: `extra_content.google.thought_signature`.
    """
    if '"thoughtSignature"' not in extra:
        return ""
    signature = loads(extra.encode(), depth_max=1000).get("thoughtSignature")
    kept = {"extra_content": {"google": {"thought_signature": signature}}}
    return dumps(kept).decode() if type(signature) is str else ""


def _join_texts(message: types_pb2.Message) -> None:
    texts = [block.text for block in message.blocks if block.HasField("text")]
    others = [block for block in message.blocks if block.WhichOneof("kind") not in ("text", "opaque", None)]
    blocks = [*others, *([types_pb2.Block(text="".join(texts))] if texts else [])]
    del message.blocks[:]
    message.blocks.extend(blocks)
