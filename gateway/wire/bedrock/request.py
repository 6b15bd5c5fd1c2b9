"""An Anthropic body in Converse's words.

Rules:
- `thinking`, `top_k` and effort go to `additionalModelRequestFields`, which only Anthropic's models understand so.
- A schema an Anthropic client asks for is Converse's own; other clients' are emulated (wire.anthropic).
- Without a choice `none`, tools are left out instead, unless the conversation holds calls, which need them.
- A cache marker becomes a `cachePoint` behind its block.
- Instructions in the middle of a conversation join those before it; neighbouring turns of one role are one.

Not here: requests of other formats (wire.anthropic), parameters of single models (the configuration's `force`).
"""

from typing import Any, Final

from gateway.wire.anthropic import chat
from gateway.wire.anthropic.mapping import MAX_TOKENS_DEFAULT
from gateway.wire.foreign import first_of
from gateway.wire.json import dumps
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2

CACHE_POINT: Final = {"cachePoint": {"type": "default"}}
FORMATS: Final = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/html": "html",
    "text/csv": "csv",
}
"""Media type of a document -> Converse's `format`."""

_INFERENCE: Final = {
    "max_tokens": "maxTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "stop_sequences": "stopSequences",
}
_ADDITIONAL: Final = ("thinking", "top_k")
_KNOWN: Final = frozenset(
    (*_INFERENCE, *_ADDITIONAL, "model", "messages", "system", "tools", "tool_choice", "stream", "metadata",
     "service_tier", "output_config", "anthropic_beta", "context_management"),
)  # fmt: skip


def encode_request(
    request: chat_pb2.ChatRequest,
    unsupported: list[str],
    *,
    max_tokens: int = MAX_TOKENS_DEFAULT,
    is_schema_native: bool = False,
    has_anthropic_fields: bool = True,
) -> JsonObject:
    """The body for a request of any dialect; the URL says the model. Paths without a place go to `unsupported`.

    `is_schema_native`: the model takes a schema; `has_anthropic_fields`: it is one of Anthropic's.
    Raises JsonInvalid for a JSON text in the message that is none.
    """
    given = chat.encode_request(request, unsupported, max_tokens=max_tokens, is_schema_native=is_schema_native)
    unsupported += [name for name in given if name not in _KNOWN]
    system = _content(given.get("system"), "system", unsupported)
    out: JsonObject = {"messages": _turns(given, system, unsupported, -first_of(request))}
    if system:
        out["system"] = system
    if inference := {ours: given[name] for name, ours in _INFERENCE.items() if given.get(name) is not None}:
        out["inferenceConfig"] = inference
    output = given.get("output_config")
    output = output if type(output) is dict else {}
    additional: JsonObject = {name: given[name] for name in _ADDITIONAL if name in given}
    if output.get("effort"):
        additional["output_config"] = {"effort": output["effort"]}
    if additional and has_anthropic_fields:
        out["additionalModelRequestFields"] = additional
    elif additional:
        unsupported += _asked(request, additional)
    if type(wanted := output.get("format")) is dict:
        out["outputConfig"] = _text_format(wanted)
    if (tools := _tools(given, unsupported)) is not None:
        out["toolConfig"] = tools
    return out


def _asked(request: chat_pb2.ChatRequest, additional: JsonObject) -> list[str]:
    """The members of a request that fields of Anthropic's own came from."""
    is_effort = request.HasField("reasoning_effort") and not request.HasField("thinking")
    return ["reasoning_effort" if is_effort and name == "thinking" else name for name in additional]


def _text_format(wanted: JsonObject) -> JsonObject:
    schema = {"schema": dumps(wanted.get("schema")).decode(), "name": chat.SCHEMA_NAME}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _turns(given: JsonObject, system: list[JsonObject], unsupported: list[str], lead: int) -> list[JsonObject]:
    """The turns, in which user and assistant alternate; instructions among them go to `system`.

    `lead` messages of the request stand before the first.
    """
    turns: list[JsonObject] = []
    for at, message in enumerate(_objects(given.get("messages")), lead):
        role, content = message.get("role"), _content(message.get("content"), f"messages[{at}]", unsupported)
        if role == "system":
            system += content
        elif turns and turns[-1]["role"] == role:
            turns[-1]["content"] += content
        else:
            turns.append({"role": role, "content": content})
    return turns


def _objects(value: Any) -> list[JsonObject]:
    return [item for item in value if type(item) is dict] if type(value) is list else []


def _content(content: Any, path: str, unsupported: list[str]) -> list[JsonObject]:
    """The blocks of a content."""
    if type(content) is str:
        return [{"text": content}] if content else []
    found: list[JsonObject] = []
    for at, block in enumerate(content if type(content) is list else ()):
        where = f"{path}.content[{at}]"
        made = _block(block, where, unsupported) if type(block) is dict else None
        if made is None:
            unsupported.append(where)
            continue
        found.append(made)
        if block.get("cache_control"):
            found.append(dict(CACHE_POINT))
    return found


def _block(block: JsonObject, path: str, unsupported: list[str]) -> JsonObject | None:
    """One block; None if it has no place."""
    type_ = block.get("type")
    if type_ == "text":
        return {"text": block.get("text")}
    if type_ == "image":
        return _media(block, "image")
    if type_ == "document":
        return _media(block, "document")
    if type_ == "tool_use":
        use = {"toolUseId": block.get("id"), "name": block.get("name"), "input": block.get("input")}
        return {"toolUse": use}
    if type_ == "tool_result":
        result: JsonObject = {
            "toolUseId": block.get("tool_use_id"),
            "content": _content(block.get("content"), path, unsupported) or [{"text": ""}],
        }
        return {"toolResult": {**result, "status": "error"} if block.get("is_error") else result}
    if type_ == "thinking":
        said = {"text": block.get("thinking"), "signature": block.get("signature")}
        return {"reasoningContent": {"reasoningText": {name: words for name, words in said.items() if words}}}
    if type_ == "redacted_thinking":
        return {"reasoningContent": {"redactedContent": block.get("data")}}
    return None


def _media(block: JsonObject, kind: str) -> JsonObject | None:
    """An image or a document given as data or text; links and files by id have no place."""
    source = block.get("source")
    source = source if type(source) is dict else {}
    media_type = str(source.get("media_type", ""))
    format_ = media_type.partition("/")[2] if kind == "image" else FORMATS.get(media_type)
    if not format_ or source.get("type") not in ("base64", "text") or type(data := source.get("data")) is not str:
        return None
    held = {"text": data} if source["type"] == "text" else {"bytes": data}
    named = {"name": _name(block.get("title"))} if kind == "document" else {}
    return {kind: {"format": format_, **named, "source": held}}


def _name(title: Any) -> str:
    """A name Converse takes: letters, digits, single spaces, hyphens, brackets."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-()[]") else " " for c in str(title or "document"))
    return " ".join(kept.split())[:200] or "document"


def _tools(given: JsonObject, unsupported: list[str]) -> JsonObject | None:
    tools: list[JsonObject] = []
    for at, tool in enumerate(_objects(given.get("tools"))):
        if tool.get("type", "custom") != "custom":
            unsupported.append(f"tools[{at}]")
            continue
        spec: JsonObject = {"name": tool.get("name"), "inputSchema": {"json": tool.get("input_schema")}}
        if tool.get("description"):
            spec["description"] = tool["description"]
        tools.append({"toolSpec": spec})
        if tool.get("cache_control"):
            tools.append(dict(CACHE_POINT))
    choice = given.get("tool_choice")
    choice = choice if type(choice) is dict else {}
    if not tools:
        return None
    if choice.get("disable_parallel_tool_use"):
        unsupported.append("parallel_tool_calls")
    type_ = choice.get("type")
    if type_ == "none":
        if not _has_calls(given):
            return None
        unsupported.append("tool_choice")
    chosen: JsonObject = {}
    if type_ == "tool":
        chosen = {"toolChoice": {"tool": {"name": choice.get("name")}}}
    elif type_ == "any":
        chosen = {"toolChoice": {"any": {}}}
    return {"tools": tools, **chosen}


def _has_calls(given: JsonObject) -> bool:
    contents = [_objects(message.get("content")) for message in _objects(given.get("messages"))]
    return any(block.get("type") in ("tool_use", "tool_result") for blocks in contents for block in blocks)
