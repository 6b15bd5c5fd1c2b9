"""Requests as the body of `POST /v2/chat`: every parameter.

Rules:
- Temperature ends at 1, `top_p` (here `p`) stays between 0.01 and 0.99; penalties end at 1 and cannot be negative.
- A choice of one tool, or of some, sends those tools alone; JSON answers cannot be asked for beside tools or documents.
- Effort and thinking budgets become `thinking`.

Not here: the conversation (turns.py), answers (answers.py), streams (events.py).
"""

from typing import Any, Final

from gateway.wire.cohere.turns import Turns
from gateway.wire.foreign import EFFORT_BUDGETS, OPENAI, openai_request, stripped, unknown_to_chats, without_place
from gateway.wire.openai.fields import plain_number
from gateway.wire.openai.mirror import JsonObject, kept_value
from gateway.wire.pb import chat_pb2, types_pb2

TEMPERATURE_MAX: Final = 1.0
TOP_P_RANGE: Final = (0.01, 0.99)
PENALTY_MAX: Final = 1.0

# Members of a request that this format has no place for, each with the values that ask for nothing.
UNSUPPORTED: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,),
    "logit_bias_json": ("{}",),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "parallel_tool_calls": (True,),
    "audio_json": (),
    "prediction_json": (),
    "web_search_options_json": (),
    "verbosity": ("medium",),
    "safety_settings_json": ("[]",),
    "cached_content": (),
    "moderation_json": (),
}
_OTHERS = ("top_k", "thinking")  # of other formats: this one has a place for them, OpenAI's has not


def encode_request(request: chat_pb2.ChatRequest, unsupported: list[str]) -> JsonObject:
    """The body for a request of any dialect; paths of what cannot be mapped are appended to `unsupported`.

    Raises JsonInvalid for a JSON text in the message that is none.
    """
    plain = _plain(request, unsupported)
    unsupported += _unsupported(plain)
    messages, documents = Turns(unsupported).of(plain)
    tools = _tools(plain, unsupported)
    out: JsonObject = {"model": plain.model, "messages": messages, **_sampling(plain, unsupported)}
    if documents:
        out["documents"] = documents
    if tools:
        out["tools"] = tools
        out |= _tool_settings(plain, unsupported)
    if (shape := _response_format(plain)) is not None:
        if tools or documents:
            unsupported.append("response_format")
        else:
            out["response_format"] = shape
    if (thinking := _thinking(plain)) is not None:
        out["thinking"] = thinking
    return out


def _plain(request: chat_pb2.ChatRequest, unsupported: list[str]) -> chat_pb2.ChatRequest:
    """A copy with the fields every dialect understands; unknown members are named."""
    if request.dialect in OPENAI:
        unsupported += unknown_to_chats(request)
        return stripped(request)
    copy = chat_pb2.ChatRequest()
    copy.CopyFrom(request)
    for name in _OTHERS:
        copy.ClearField(name)
    plain = openai_request(copy, unsupported)
    if request.HasField("top_k"):
        plain.top_k = request.top_k
    if request.HasField("thinking"):
        plain.thinking.CopyFrom(request.thinking)
    return plain


def _unsupported(request: chat_pb2.ChatRequest) -> list[str]:
    names = without_place(request, UNSUPPORTED)
    return names + (["modalities"] if "audio" in request.modalities else [])


def _sampling(request: chat_pb2.ChatRequest, unsupported: list[str]) -> JsonObject:
    out: JsonObject = {}
    if request.HasField("max_completion_tokens"):
        out["max_tokens"] = request.max_completion_tokens
    elif request.HasField("max_tokens"):
        out["max_tokens"] = request.max_tokens
    if request.HasField("temperature"):
        out["temperature"] = plain_number(min(request.temperature, TEMPERATURE_MAX))
    if request.HasField("top_p"):
        low, high = TOP_P_RANGE
        out["p"] = plain_number(min(max(request.top_p, low), high))
    if request.HasField("top_k"):
        out["k"] = request.top_k
    if request.HasField("seed"):
        out["seed"] = request.seed
    for name in ("frequency_penalty", "presence_penalty"):
        if request.HasField(name) and (value := getattr(request, name)) < 0:
            unsupported.append(name)
        elif request.HasField(name):
            out[name] = plain_number(min(value, PENALTY_MAX))
    if request.stop:
        out["stop_sequences"] = list(request.stop)
    return out


def _thinking(request: chat_pb2.ChatRequest) -> JsonObject | None:
    if request.HasField("thinking"):
        wanted = request.thinking
        if wanted.type == "disabled" or (wanted.HasField("budget_tokens") and wanted.budget_tokens == 0):
            return {"type": "disabled"}
        has_budget = wanted.budget_tokens > 0
        return {"type": "enabled", **({"token_budget": wanted.budget_tokens} if has_budget else {})}
    if request.reasoning_effort == "none":
        return {"type": "disabled"}
    budget = EFFORT_BUDGETS.get(request.reasoning_effort)
    return None if budget is None else {"type": "enabled", "token_budget": budget}


def _response_format(request: chat_pb2.ChatRequest) -> JsonObject | None:
    wanted = request.response_format
    if wanted.type == "json_object":
        return {"type": "json_object"}
    if wanted.type != "json_schema":
        return None
    schema = kept_value(wanted.json_schema.schema_json, "schema_json") if wanted.json_schema.schema_json else None
    return {"type": "json_object", "json_schema": schema} if schema else {"type": "json_object"}


# tools


def _tools(request: chat_pb2.ChatRequest, unsupported: list[str]) -> list[JsonObject]:
    names = _allowed(request)
    found = []
    for at, tool in enumerate(request.tools):
        if not tool.HasField("function"):
            unsupported.append(f"tools[{at}]")
        elif names is None or tool.function.name in names:
            found.append(_tool(tool.function))
    return found


def _allowed(request: chat_pb2.ChatRequest) -> set[str] | None:
    """The names of the tools that may be called, None for all."""
    choice = request.tool_choice
    if choice.mode == "tool" or (not choice.mode and choice.name):
        return {choice.name}
    if choice.mode != "allowed_tools":
        return None
    listed = _allowed_tools(choice).get("tools")
    functions = [item.get("function", item) for item in listed if type(item) is dict] if type(listed) is list else []
    return {function["name"] for function in functions if type(function) is dict and type(function.get("name")) is str}


def _allowed_tools(choice: types_pb2.ToolChoice) -> JsonObject:
    value = kept_value(choice.allowed_tools_json, "allowed_tools_json") if choice.allowed_tools_json else {}
    return value if type(value) is dict else {}


def _tool(function: types_pb2.FunctionTool) -> JsonObject:
    schema = kept_value(function.parameters_json, "parameters_json") if function.parameters_json else {}
    out: JsonObject = {"name": function.name}
    if function.HasField("description"):
        out["description"] = function.description
    out["parameters"] = {"type": "object", **schema} if type(schema) is dict else {"type": "object"}
    return {"type": "function", "function": out}


def _tool_settings(request: chat_pb2.ChatRequest, unsupported: list[str]) -> JsonObject:
    """`tool_choice`, and `strict_tools`, which holds for all tools or none."""
    out: JsonObject = {}
    choice = request.tool_choice
    mode = _allowed_tools(choice).get("mode") if choice.mode == "allowed_tools" else choice.mode
    if mode in ("required", "tool") or (not mode and choice.name):
        out["tool_choice"] = "REQUIRED"
    elif mode == "none":
        out["tool_choice"] = "NONE"
    strict = [tool.function.strict for tool in request.tools if tool.HasField("function")]
    if all(strict):
        out["strict_tools"] = True
    elif any(strict):
        unsupported.append(f"tools[{strict.index(True)}].function.strict")
    return out
