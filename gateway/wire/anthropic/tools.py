"""Tools and which of them must be called.

Rules:
- A tool without `type`, or of type custom, is a function tool; one the vendor runs itself is kept in `extra`.
- `tool_choice` holds two of our members: the choice, and (turned around) whether calls may be parallel.

Not here: calls and results (blocks.py), tools of other dialects (mapping.py).
"""

from typing import Any, Final

from gateway.wire.json import text
from gateway.wire.openai.fields import boolean, is_text, json_text, string
from gateway.wire.openai.mirror import Field, JsonObject, Mirror, add_kept, kept_value
from gateway.wire.pb import chat_pb2, types_pb2

_MODES: Final = {"auto": "auto", "any": "required", "none": "none", "tool": "tool"}
_TYPES: Final = {mode: type_ for type_, mode in _MODES.items()}
_SERIAL = "disable_parallel_tool_use"

_FUNCTION = Mirror(
    types_pb2.FunctionTool,
    [
        string("name"),
        string("description"),
        json_text("parameters")._replace(name="input_schema"),
        boolean("strict"),
    ],
)
_SERVER = Mirror(types_pb2.Tool, [string("type"), json_text("cache_control")])


def read_tools(request: Any, value: Any) -> bool:
    """Read the member `tools` of a request."""
    if type(value) is not list or not value or not all(type(item) is dict for item in value):
        return False
    for item in value:
        _read_tool(item, request.tools.add())
    return True


def _read_tool(obj: JsonObject, tool: types_pb2.Tool) -> None:
    if obj.get("type", "custom") != "custom":
        _SERVER.decode(obj, tool)
        return
    if "type" in obj:
        tool.type = "custom"
    if (marker := obj.get("cache_control")) is not None:
        tool.cache_control_json = text(marker)
    seen = ("type", "cache_control") if marker is not None else ("type",)
    tool.function.SetInParent()
    _FUNCTION.decode({name: value for name, value in obj.items() if name not in seen}, tool.function, tool)


def write_tool(tool: types_pb2.Tool) -> JsonObject:
    """The JSON object of one tool."""
    if not tool.HasField("function"):
        return _SERVER.encode(tool)
    out: JsonObject = {"type": tool.type} if tool.HasField("type") else {}
    schema = _FUNCTION.encode(tool.function)
    if "parameters" in schema:
        schema["input_schema"] = schema.pop("parameters")
    out |= schema
    if tool.HasField("cache_control_json"):
        out["cache_control"] = kept_value(tool.cache_control_json, "cache_control_json")
    add_kept(out, tool.nulls, tool.extra)
    return out


def _read_choice(request: Any, value: Any) -> bool:
    type_ = value.get("type") if type(value) is dict else None
    if type(type_) is not str or type_ not in _MODES:
        return False
    request.tool_choice.mode = _MODES[type_]
    if is_text(value.get("name")):
        request.tool_choice.name = value["name"]
    if type(value.get(_SERIAL)) is bool:
        request.parallel_tool_calls = not value[_SERIAL]
    return bool(choice_of(request) == value)


CHOICE: Final = Field("tool_choice", _read_choice, {})


def choice_of(request: chat_pb2.ChatRequest) -> JsonObject | None:
    """The member `tool_choice` for a request's typed fields, if it has any."""
    if not request.HasField("tool_choice"):
        return None
    choice = request.tool_choice
    out: JsonObject = {"type": _TYPES.get(choice.mode, "auto")}
    if choice.HasField("name"):
        out["name"] = choice.name
    if request.HasField("parallel_tool_calls"):
        out[_SERIAL] = not request.parallel_tool_calls
    return out
