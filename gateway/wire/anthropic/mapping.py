"""Requests of other dialects as Anthropic JSON: every parameter.

Rules:
- `max_tokens` is required here and gets a default. Temperature ends at 1. Effort becomes a thinking budget below
  `max_tokens`; thinking is left out where it would be refused (a call that answers tools without the thinking before).
- A JSON Schema for the answer is emulated by a tool that must be called (JSON_TOOL) unless the model takes one, a JSON
  object by an instruction.
- What has no place here is named in `unsupported`, unless leaving it out changes no answer (hints, storage, tags).

Not here: the conversation (turns.py), answers (answers.py), the way back of JSON_TOOL (canonical.py).
"""

from typing import Any, Final

from gateway.wire.anthropic.blocks import UNSPECIFIED, write_content
from gateway.wire.anthropic.turns import Turns
from gateway.wire.foreign import EFFORT_BUDGETS, OPENAI, stripped, unknown_members, unknown_to_chats, without_place
from gateway.wire.openai.fields import plain_number
from gateway.wire.openai.mirror import JsonObject, kept_value
from gateway.wire.pb import chat_pb2, types_pb2

MAX_TOKENS_DEFAULT: Final = 4096
JSON_TOOL: Final = "gateway_json_answer"
JSON_INSTRUCTION: Final = "Answer with one JSON object and nothing else: no text around it, no code fence."
JSON_TOOL_INSTRUCTION: Final = f"Give your answer by calling the tool {JSON_TOOL}, never as text."
TEMPERATURE_MAX: Final = 1.0
BUDGET_MIN: Final = 1024
SERVICE_TIERS: Final = {"auto": "auto", "default": "standard_only"}

# Members of a request that this format has no place for, each with the values that ask for nothing.
UNSUPPORTED: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias_json": ("{}",),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "seed": (),
    "audio_json": (),
    "prediction_json": (),
    "web_search_options_json": (),
    "verbosity": ("medium",),
    "safety_settings_json": ("[]",),
    "cached_content": (),
    "moderation_json": (),
}


def mapped_request(
    request: chat_pb2.ChatRequest, unsupported: list[str], max_tokens: int, *, is_schema_native: bool = False
) -> JsonObject:
    """The body for a request of another dialect; see `chat.encode_request`."""
    if request.dialect in OPENAI:
        unsupported += unknown_to_chats(request)
    elif request.dialect == "responses":
        unsupported += unknown_members(request)
    request = stripped(request)
    unsupported += _unsupported(request)
    system, turns = Turns(unsupported).of(request)
    out: JsonObject = {"model": request.model, "max_tokens": _max_tokens(request, max_tokens)}
    budget = _budget(request, out["max_tokens"])
    has_json_tool = _is_schema_wanted(request) and not is_schema_native
    tools, choice = _tools(request, unsupported, is_thinking=budget is not None, has_json_tool=has_json_tool)
    system += _json_instructions(request, is_told=has_json_tool and budget is not None)
    if not turns and system:
        turns = [types_pb2.Message(role="user", blocks=system)]
        system = []
    write_content(out, _joined(system), UNSPECIFIED, "system")
    out["messages"] = [_turn(turn) for turn in turns]
    out |= _sampling(request, unsupported, is_thinking=budget is not None)
    if budget is not None:
        out["thinking"] = {"type": "enabled", "budget_tokens": budget}
    if tools:
        out["tools"] = tools
        if choice:
            out["tool_choice"] = choice
    if is_schema_native and _is_schema_wanted(request):
        schema = _schema_of(request.response_format.json_schema)
        out["output_config"] = {"format": {"type": "json_schema", "schema": schema or {"type": "object"}}}
    if request.stream:
        out["stream"] = True
    return out


def _unsupported(request: chat_pb2.ChatRequest) -> list[str]:
    names = without_place(request, UNSUPPORTED)
    return names + (["modalities"] if "audio" in request.modalities else [])


def _max_tokens(request: chat_pb2.ChatRequest, default: int) -> int:
    if request.HasField("max_completion_tokens"):
        return request.max_completion_tokens
    return request.max_tokens if request.HasField("max_tokens") else default


def _sampling(request: chat_pb2.ChatRequest, unsupported: list[str], *, is_thinking: bool) -> JsonObject:
    out: JsonObject = {}
    if request.HasField("temperature"):
        if is_thinking and request.temperature != TEMPERATURE_MAX:
            unsupported.append("temperature")
        else:
            out["temperature"] = plain_number(min(request.temperature, TEMPERATURE_MAX))
    if request.HasField("top_p"):
        out["top_p"] = plain_number(request.top_p)
    if request.HasField("top_k") and not is_thinking:
        out["top_k"] = request.top_k
    if stop := [text for text in request.stop if text.strip()]:
        out["stop_sequences"] = stop
    if len(stop) != len(request.stop):
        unsupported.append("stop")
    if user := request.safety_identifier or request.user:
        out["metadata"] = {"user_id": user}
    if (tier := SERVICE_TIERS.get(request.service_tier)) is not None:
        out["service_tier"] = tier
    return out


def _budget(request: chat_pb2.ChatRequest, max_tokens: int) -> int | None:
    """The thinking budget, None when there is to be no thinking."""
    if request.HasField("thinking"):
        wanted = request.thinking.budget_tokens if request.thinking.type == "enabled" else 0
    else:
        wanted = EFFORT_BUDGETS.get(request.reasoning_effort, 0)
    budget = min(wanted, max_tokens - 1)
    return budget if budget >= BUDGET_MIN and not _answers_unthought_call(request) else None


def _answers_unthought_call(request: chat_pb2.ChatRequest) -> bool:
    """Whether the last turn of the assistant called tools and its thinking is not known: thinking is refused then."""
    last = next((message for message in reversed(request.messages) if message.role == "assistant"), None)
    blocks = last.blocks if last is not None else ()
    has_call = any(block.HasField("tool_use") for block in blocks)
    return has_call and not any(block.thinking.signature or block.thinking.redacted for block in blocks)


# tools


def _is_schema_wanted(request: chat_pb2.ChatRequest) -> bool:
    return request.response_format.type == "json_schema"


def _tools(
    request: chat_pb2.ChatRequest, unsupported: list[str], *, is_thinking: bool, has_json_tool: bool
) -> tuple[list[JsonObject], JsonObject | None]:
    tools = [_tool(tool, at, unsupported) for at, tool in enumerate(request.tools)]
    found = [tool for tool in tools if tool is not None]
    choice = _choice(request)
    if has_json_tool:
        is_free = bool(found) and (choice is None or choice["type"] != "none")
        found.append(_json_tool(request.response_format.json_schema))
        if is_thinking:
            choice = None
        elif choice is None or choice["type"] in ("auto", "none"):
            choice = {"type": "any"} if is_free else {"type": "tool", "name": JSON_TOOL}
    elif is_thinking and choice is not None and choice["type"] in ("any", "tool"):
        unsupported.append("tool_choice")
        choice = None
    if found and request.HasField("parallel_tool_calls") and not request.parallel_tool_calls:
        choice = {**(choice or {"type": "auto"})}
        if choice["type"] != "none":
            choice["disable_parallel_tool_use"] = True
    return found, choice


def _tool(tool: types_pb2.Tool, at: int, unsupported: list[str]) -> JsonObject | None:
    if not tool.HasField("function"):
        unsupported.append(f"tools[{at}]")
        return None
    function = tool.function
    schema = kept_value(function.parameters_json, "parameters_json") if function.parameters_json else {}
    out: JsonObject = {"name": function.name}
    if function.HasField("description"):
        out["description"] = function.description
    out["input_schema"] = {"type": "object", **schema} if type(schema) is dict else {"type": "object"}
    if function.strict:
        out["strict"] = True
    if tool.HasField("cache_control_json"):
        out["cache_control"] = kept_value(tool.cache_control_json, "cache_control_json")
    return out


def _json_tool(wanted: types_pb2.JsonSchemaFormat) -> JsonObject:
    schema = _schema_of(wanted)
    description = wanted.description or f"Give the answer, {wanted.name or 'as JSON'}."
    return {"name": JSON_TOOL, "description": description, "input_schema": schema or {"type": "object"}}


def _schema_of(wanted: types_pb2.JsonSchemaFormat) -> Any:
    return kept_value(wanted.schema_json, "schema_json") if wanted.schema_json else {}


def _choice(request: chat_pb2.ChatRequest) -> JsonObject | None:
    choice = request.tool_choice
    if not request.HasField("tool_choice"):
        return None
    if choice.mode == "tool" or (not choice.mode and choice.name):
        return {"type": "tool", "name": choice.name}
    return {"type": {"required": "any", "none": "none"}.get(choice.mode, "auto")}


def _json_instructions(request: chat_pb2.ChatRequest, *, is_told: bool) -> list[types_pb2.Block]:
    if request.response_format.type == "json_object":
        return [types_pb2.Block(text=JSON_INSTRUCTION)]
    if is_told:
        return [types_pb2.Block(text=JSON_TOOL_INSTRUCTION)]
    return []


def _joined(system: list[types_pb2.Block]) -> list[types_pb2.Block]:
    """One text where no block has a cache marker: most readers expect a string."""
    if len(system) < 2 or any(block.HasField("cache_control_json") for block in system):
        return system
    return [types_pb2.Block(text="\n\n".join(block.text for block in system))]


def _turn(message: types_pb2.Message) -> JsonObject:
    out: JsonObject = {"role": message.role}
    write_content(out, message.blocks, message.content_form)
    out.setdefault("content", "")
    return out
