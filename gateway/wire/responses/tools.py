"""Tools and which of them must be called, where their members stand flat beside `type`.

Rules:
- Function and custom tools have typed fields; a tool that the vendor runs keeps its type and, in `extra`, the rest.
- The tools of a namespace stand under flat names (namespaces.py), the first in its place and the others at the end, so
  that paths name the tools as the client counts them.
- What was read is kept in the request's `extra` too, so that a provider of this format gets it as it was.

Not here: calls and their outputs (items.py).
"""

from typing import Any, Final

from gateway.wire.json import text
from gateway.wire.openai.fields import boolean, is_text, json_text, string
from gateway.wire.openai.mirror import JsonObject, Mirror, kept_value
from gateway.wire.pb import types_pb2
from gateway.wire.responses.namespaces import flattened, is_namespace

_MODES: Final = ("none", "auto", "required")
_FUNCTION = Mirror(
    types_pb2.FunctionTool, [string("name"), string("description"), json_text("parameters"), boolean("strict")]
)
_OTHER = Mirror(types_pb2.Tool, [string("type")])


def read_tools(request: Any, value: Any) -> bool:
    """Read the member `tools` of a request."""
    if type(value) is not list or not all(type(item) is dict for item in value):
        return False
    later: list[JsonObject] = []
    for item in value:
        tool, *rest = flattened(item) if is_namespace(item) else (item,)
        _read_tool(tool, request.tools.add())
        later += rest
    for tool in later:
        _read_tool(tool, request.tools.add())
    return False


def _read_tool(obj: JsonObject, tool: types_pb2.Tool) -> None:
    kind = obj.get("type")
    rest = {name: value for name, value in obj.items() if name != "type"}
    if kind == "function":
        tool.type = kind
        tool.function.SetInParent()
        _FUNCTION.decode(rest, tool.function)
    elif kind == "custom":
        tool.type = kind
        tool.custom_json = text(_chat_custom(rest))
    else:
        _OTHER.decode(obj, tool)


def _chat_custom(tool: JsonObject) -> JsonObject:
    """A custom tool as chats spell it: the grammar in an object of its own."""
    form = tool.get("format")
    if type(form) is dict and form.get("type") == "grammar":
        grammar = {name: value for name, value in form.items() if name != "type"}
        return {**tool, "format": {"type": "grammar", "grammar": grammar}}
    return tool


def read_choice(request: Any, value: Any) -> bool:
    """Read the member `tool_choice` of a request."""
    choice = request.tool_choice if _is_choice(value) else None
    if choice is None:
        return False
    if type(value) is str:
        choice.mode = value
    elif value["type"] == "allowed_tools":
        choice.mode = "allowed_tools"
        tools = [_chat_name(tool) for tool in value["tools"]]
        choice.allowed_tools_json = text({"mode": value.get("mode", "auto"), "tools": tools})
    else:
        choice.mode, choice.type, choice.name = "tool", value["type"], value["name"]
    return False


def _is_choice(value: Any) -> bool:
    if type(value) is str:
        return value in _MODES
    if type(value) is not dict:
        return False
    if value.get("type") == "allowed_tools":
        tools = value.get("tools")
        return type(tools) is list and all(map(_is_named, tools))
    return _is_named(value)


def _is_named(tool: Any) -> bool:
    return type(tool) is dict and tool.get("type") in ("function", "custom") and is_text(tool.get("name"))


def _chat_name(tool: JsonObject) -> JsonObject:
    return {"type": tool["type"], tool["type"]: {"name": tool["name"]}}


def write_tools(request: Any, unsupported: list[str]) -> list[JsonObject]:
    """The member `tools` for a request's tools; paths of those that are neither functions nor custom are named."""
    found = []
    for at, tool in enumerate(request.tools):
        if tool.HasField("function"):
            found.append({"type": "function", **_FUNCTION.encode(tool.function)})
        elif tool.HasField("custom_json"):
            found.append({"type": "custom", **_flat_custom(kept_value(tool.custom_json, "custom_json"))})
        else:
            unsupported.append(f"tools[{at}]")
    return found


def _flat_custom(tool: Any) -> JsonObject:
    """A custom tool of a chat as it is spelled here."""
    if type(tool) is not dict:
        return {}
    form = tool.get("format")
    grammar = form.get("grammar") if type(form) is dict else None
    return {**tool, "format": {"type": "grammar", **grammar}} if type(grammar) is dict else tool


def write_choice(request: Any) -> str | JsonObject | None:
    """The member `tool_choice`; None when nothing was chosen."""
    choice = request.tool_choice
    if choice.mode == "allowed_tools":
        allowed = kept_value(choice.allowed_tools_json or "{}", "allowed_tools_json")
        allowed = allowed if type(allowed) is dict else {}
        listed = allowed.get("tools")
        tools = [_flat_name(tool) for tool in listed if type(tool) is dict] if type(listed) is list else []
        return {"type": "allowed_tools", "mode": allowed.get("mode", "auto"), "tools": tools}
    if choice.mode == "tool" or (not choice.mode and choice.name):
        return {"type": choice.type or "function", "name": choice.name}
    return choice.mode or None


def _flat_name(tool: JsonObject) -> JsonObject:
    kind = tool.get("type", "function")
    inner = tool.get(kind) if type(kind) is str else None
    return {"type": kind, "name": inner.get("name") if type(inner) is dict else tool.get("name")}
