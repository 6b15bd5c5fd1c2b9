"""Requests of other dialects as the body of `POST /v1/responses`: every setting.

Rules:
- Texts of role system and developer at the beginning are `instructions`; alone in a conversation, they stay items.
- `max_output_tokens` is at least 16, which the format demands. Nothing is kept at the vendor unless the client asks.
- Reasoning is asked for as effort; where it is asked for, its proof is too, so that a client can give it back.
- What has no place here is named in `unsupported`, unless leaving it out changes no answer (hints, tags).

Not here: the conversation (turns.py), tools (tools.py), requests of this dialect (request.py).
"""

from typing import Any, Final

from gateway.wire.foreign import OPENAI, effort_of, stripped, unknown_members, unknown_to_chats, without_place
from gateway.wire.openai.fields import plain_number
from gateway.wire.openai.mirror import JsonObject, kept_value
from gateway.wire.pb import chat_pb2
from gateway.wire.responses.tools import write_choice, write_tools
from gateway.wire.responses.turns import Turns

OUTPUT_MIN_TOKENS: Final = 16
SCHEMA_NAME: Final = "answer"

# Members of a request that this format has no place for, each with the values that ask for nothing.
UNSUPPORTED: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias_json": ("{}",),
    "seed": (),
    "audio_json": (),
    "prediction_json": (),
    "web_search_options_json": (),
    "top_k": (),
    "safety_settings_json": ("[]",),
    "cached_content": (),
    "moderation_json": (),
}
_SAME: Final = (
    "parallel_tool_calls", "user", "safety_identifier", "service_tier", "prompt_cache_key", "prompt_cache_retention",
)  # fmt: skip
_LOGPROBS: Final = "message.output_text.logprobs"
_PROOF: Final = "reasoning.encrypted_content"


def mapped_request(request: chat_pb2.ChatRequest, unsupported: list[str]) -> JsonObject:
    """The body for a request of another dialect; see `request.encode_request`."""
    is_openai = request.dialect in OPENAI
    if is_openai:
        unsupported += unknown_to_chats(request)
    else:
        unsupported += unknown_members(request)
    plain = stripped(request)
    unsupported += _unsupported(plain)
    out: JsonObject = {"model": plain.model, **_conversation(plain, unsupported, has_ids=is_openai)}
    out |= _sampling(plain)
    out |= settings(plain, unsupported)
    include = [_LOGPROBS] if plain.logprobs else []
    if "reasoning" in out and out["reasoning"].get("effort") != "none":
        include.append(_PROOF)
    if include:
        out["include"] = include
    out["store"] = plain.store
    if is_openai and plain.metadata:
        out["metadata"] = dict(plain.metadata)
    return out


def _unsupported(request: chat_pb2.ChatRequest) -> list[str]:
    names = without_place(request, UNSUPPORTED)
    return names + (["stop"] if request.stop else []) + (["modalities"] if "audio" in request.modalities else [])


def _conversation(request: chat_pb2.ChatRequest, unsupported: list[str], *, has_ids: bool) -> JsonObject:
    """The members `instructions` and `input`."""
    messages = list(request.messages)
    lead = 0
    while lead < len(messages) - 1 and _is_instruction(messages[lead]):
        lead += 1
    out: JsonObject = {}
    if words := [block.text for message in messages[:lead] for block in message.blocks if block.text]:
        out["instructions"] = "\n\n".join(words)
    return {**out, "input": Turns(unsupported, has_ids=has_ids).items(messages[lead:], lead)}


def _is_instruction(message: Any) -> bool:
    return message.role in ("system", "developer") and all(block.HasField("text") for block in message.blocks)


def _sampling(request: chat_pb2.ChatRequest) -> JsonObject:
    out: JsonObject = {}
    for name in ("max_completion_tokens", "max_tokens"):
        if request.HasField(name):
            out["max_output_tokens"] = max(getattr(request, name), OUTPUT_MIN_TOKENS)
            break
    for name in ("temperature", "top_p"):
        if request.HasField(name):
            out[name] = plain_number(getattr(request, name))
    if request.HasField("top_logprobs") and request.logprobs:
        out["top_logprobs"] = request.top_logprobs
    return out | {name: getattr(request, name) for name in _SAME if request.HasField(name)}


def settings(request: chat_pb2.ChatRequest, unsupported: list[str]) -> JsonObject:
    """The members that are objects here: tools and their choice, the shape of the answer, reasoning."""
    out: JsonObject = {}
    if tools := write_tools(request, unsupported):
        out["tools"] = tools
        if (choice := write_choice(request)) is not None:
            out["tool_choice"] = choice
    if text := _text(request):
        out["text"] = text
    if reasoning := _reasoning(request):
        out["reasoning"] = reasoning
    return out


def _text(request: chat_pb2.ChatRequest) -> JsonObject:
    out: JsonObject = {"verbosity": request.verbosity} if request.HasField("verbosity") else {}
    wanted = request.response_format
    if wanted.type == "json_object":
        out["format"] = {"type": "json_object"}
    elif wanted.type == "json_schema":
        schema = wanted.json_schema
        form: JsonObject = {"type": "json_schema", "name": schema.name or SCHEMA_NAME}
        if schema.HasField("description"):
            form["description"] = schema.description
        form["schema"] = kept_value(schema.schema_json, "schema_json") if schema.schema_json else {}
        if schema.HasField("strict"):
            form["strict"] = schema.strict
        out["format"] = form
    return out


def _reasoning(request: chat_pb2.ChatRequest) -> JsonObject:
    """Effort; who asks for thinking itself (Anthropic's and Gemini's clients) gets a summary to read."""
    if request.HasField("thinking"):
        thinking = request.thinking
        if thinking.type == "disabled" or (thinking.HasField("budget_tokens") and not thinking.budget_tokens):
            return {"effort": "none"} if request.reasoning_effort == "none" else {}
        budget = thinking.budget_tokens
        effort = request.reasoning_effort or (effort_of(budget) if budget > 0 else "")
        return {**({"effort": effort} if effort else {}), "summary": "auto"}
    return {"effort": request.reasoning_effort} if request.reasoning_effort else {}
