"""Tools and which of them to call: `tools` and `toolConfig`.

Rules:
- Each function declaration is one Tool; neighbouring ones are written as one `functionDeclarations`.
- A tool that is none of these (googleSearch, codeExecution, urlContext, ...) is a Tool of that type, whole in `extra`.
- A list that was grouped in another way comes back from the request's `extra`.

Not here: schemas (schema.py).
"""

from typing import Any

from gateway.wire.gemini.groups import Group, Table, is_text, string
from gateway.wire.gemini.schema import to_gemini, to_json_schema
from gateway.wire.json import text
from gateway.wire.openai.mirror import JsonObject, kept_object, kept_value
from gateway.wire.pb import types_pb2


def _read_parameters(function: Any, said: JsonObject) -> None:
    if "parametersJsonSchema" in said:
        function.parameters_json = text(said["parametersJsonSchema"])
    elif said.get("parameters") is not None:
        function.parameters_json = text(to_json_schema(said["parameters"]))


def _write_parameters(function: Any, out: JsonObject) -> None:
    if function.HasField("parameters_json"):
        schema = kept_value(function.parameters_json, "parameters_json")
        if type(schema) is dict and (schema.get("properties") or schema.get("type", "object") != "object"):
            out["parameters"] = to_gemini(schema)
        elif type(schema) is dict and len(schema) > 2:
            out["parameters"] = to_gemini({"type": "object"} | schema)


DECLARATION = Table(
    [
        string("name", "name"),
        string("description", "description"),
        Group(("parameters", "parametersJsonSchema"), _read_parameters, _write_parameters),
    ]
)


def _read_tools(request: Any, said: JsonObject) -> bool:
    for tool in said["tools"] if type(said.get("tools")) is list else ():
        if type(tool) is not dict:
            continue
        declarations = tool.get("functionDeclarations", tool.get("function_declarations"))
        for declaration in declarations if type(declarations) is list else ():
            if type(declaration) is dict:
                function = request.tools.add(type="function").function
                function.SetInParent()
                DECLARATION.decode(declaration, function)
        if type(declarations) is not list and tool and is_text(name := next(iter(tool))):
            request.tools.add(type=name, extra=text(tool))
    return False


def _write_tools(request: Any, out: JsonObject) -> None:
    tools: list[JsonObject] = []
    declarations: list[JsonObject] | None = None
    for tool in request.tools:
        if not tool.HasField("function"):
            tools.append(kept_object(tool.extra))
            declarations = None
            continue
        if declarations is None:
            declarations = []
            tools.append({"functionDeclarations": declarations})
        declarations.append(DECLARATION.encode(tool.function))
    if tools:
        out["tools"] = tools


TOOLS = Group(("tools",), _read_tools, _write_tools)


def _read_choice(request: Any, said: JsonObject) -> None:
    config = said.get("toolConfig")
    if type(config) is not dict:
        return
    calling = config.get("functionCallingConfig", config.get("function_calling_config"))
    if type(calling) is not dict or type(mode := calling.get("mode")) is not str:
        return
    allowed = calling.get("allowedFunctionNames", calling.get("allowed_function_names"))
    names = [name for name in allowed if is_text(name)] if type(allowed) is list else []
    choice = _choice(mode.upper(), names)
    if choice is not None:
        request.tool_choice.CopyFrom(choice)


def _choice(mode: str, names: list[str]) -> types_pb2.ToolChoice | None:
    if mode == "NONE":
        return types_pb2.ToolChoice(mode="none")
    if mode == "ANY" and len(names) == 1:
        return types_pb2.ToolChoice(mode="tool", type="function", name=names[0])
    if names and mode in ("ANY", "VALIDATED"):
        tools = [{"type": "function", "function": {"name": name}} for name in names]
        allowed = {"mode": "required" if mode == "ANY" else "auto", "tools": tools}
        return types_pb2.ToolChoice(mode="allowed_tools", allowed_tools_json=text(allowed))
    known = {"AUTO": "auto", "VALIDATED": "auto", "ANY": "required"}
    return types_pb2.ToolChoice(mode=known[mode]) if mode in known else None


def _write_choice(request: Any, out: JsonObject) -> None:
    if request.HasField("tool_choice") and (calling := _calling(request.tool_choice)):
        out["toolConfig"] = {"functionCallingConfig": calling}


def _calling(choice: types_pb2.ToolChoice) -> JsonObject | None:
    if choice.mode == "allowed_tools":
        allowed = kept_value(choice.allowed_tools_json or "{}", "allowed_tools_json")
        names = [function_name(tool) for tool in allowed.get("tools") or ()] if type(allowed) is dict else []
        mode = "ANY" if type(allowed) is dict and allowed.get("mode") == "required" else "VALIDATED"
        return {"mode": mode, "allowedFunctionNames": names}
    if choice.mode == "tool" or (not choice.mode and choice.name):
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    word = {"none": "NONE", "auto": "AUTO", "required": "ANY", "any": "ANY"}.get(choice.mode)
    return {"mode": word} if word else None


def function_name(tool: Any) -> str:
    """The name in an entry of OpenAI's `allowed_tools`."""
    inner = tool.get("function") if type(tool) is dict else None
    name = inner.get("name") if type(inner) is dict else (tool.get("name") if type(tool) is dict else None)
    return name if type(name) is str else ""


TOOL_CONFIG = Group(("toolConfig",), _read_choice, _write_choice)
