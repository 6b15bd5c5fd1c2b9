"""`generationConfig`: how the answer is to be made.

Rules:
- Sampling, limits, the shape of the answer and thinking have typed fields of ChatRequest; everything else, and what
  those cannot give back exactly, stays in `extra["generationConfig"]`.
- thinkingBudget is the budget of `thinking` (0 is disabled, -1 adaptive) and also read as the nearest
  reasoning_effort, for upstreams that know only that; thinkingLevel is the reasoning_effort of that name.

Not here: the request around it (request.py).
"""

from typing import Any

from gateway.wire.foreign import effort_of
from gateway.wire.gemini.groups import Group, Table, boolean, integer, is_text, number, whole
from gateway.wire.gemini.schema import to_gemini, to_json_schema
from gateway.wire.json import text
from gateway.wire.openai.mirror import JsonObject, kept_value

SCHEMA_NAME = "response"
_JSON = "application/json"


def _reading_texts(name: str, field: str) -> Any:
    def read(request: Any, said: JsonObject) -> bool:
        values = said.get(name)
        if type(values) is not list or not values or not all(map(is_text, values)):
            return False
        getattr(request, field).extend(value.lower() if field == "modalities" else value for value in values)
        return False

    return read


def _write_stop(request: Any, out: JsonObject) -> None:
    if request.stop:
        out["stopSequences"] = list(request.stop)


def _write_modalities(request: Any, out: JsonObject) -> None:
    if request.modalities:
        out["responseModalities"] = [name.upper() for name in request.modalities]


def _read_shape(request: Any, said: JsonObject) -> None:
    if said.get("responseMimeType") == "text/plain":
        request.response_format.type = "text"
    if said.get("responseMimeType") != _JSON:
        return
    is_native = said.get("responseSchema") is not None
    schema = to_json_schema(said["responseSchema"]) if is_native else said.get("responseJsonSchema")
    if schema is None:
        request.response_format.type = "json_object"
        return
    request.response_format.type = "json_schema"
    request.response_format.json_schema.name = SCHEMA_NAME
    request.response_format.json_schema.schema_json = text(schema)


def _write_shape(request: Any, out: JsonObject) -> None:
    if not request.HasField("response_format"):
        return
    shape = request.response_format
    if shape.type == "text":
        out["responseMimeType"] = "text/plain"
    elif shape.type in ("json_object", "json_schema"):
        out["responseMimeType"] = _JSON
    if shape.type == "json_schema" and shape.json_schema.HasField("schema_json"):
        out["responseSchema"] = to_gemini(kept_value(shape.json_schema.schema_json, "schema_json"))


def _read_budget(thinking: Any, said: JsonObject) -> None:
    budget = whole(said.get("thinkingBudget"))
    if budget is not None:
        thinking.budget_tokens = budget
        thinking.type = {0: "disabled", -1: "adaptive"}.get(budget, "enabled")


def _write_budget(thinking: Any, out: JsonObject) -> None:
    if thinking.HasField("budget_tokens"):
        out["thinkingBudget"] = thinking.budget_tokens


_THINKING = Table([Group(("thinkingBudget",), _read_budget, _write_budget)])


def _read_thinking(request: Any, said: JsonObject) -> bool:
    if type(value := said.get("thinkingConfig")) is not dict:
        return False
    request.thinking.SetInParent()
    _THINKING.decode(value, request.thinking)
    level = value.get("thinkingLevel", value.get("thinking_level"))
    if request.thinking.HasField("budget_tokens"):
        budget = request.thinking.budget_tokens
        if budget >= 0:
            request.reasoning_effort = effort_of(budget) if budget else "none"
    elif is_text(level) and level != "THINKING_LEVEL_UNSPECIFIED":
        request.thinking.type = "enabled"
        request.reasoning_effort = level.lower()
    return True


def _write_thinking(request: Any, out: JsonObject) -> None:
    if request.HasField("thinking"):
        out["thinkingConfig"] = _THINKING.encode(request.thinking)


SETTINGS = Table(
    [
        number("temperature", "temperature"),
        number("topP", "top_p"),
        integer("topK", "top_k"),
        integer("candidateCount", "n"),
        integer("maxOutputTokens", "max_completion_tokens"),
        Group(("stopSequences",), _reading_texts("stopSequences", "stop"), _write_stop),
        Group(("responseMimeType", "responseSchema", "responseJsonSchema"), _read_shape, _write_shape),
        number("presencePenalty", "presence_penalty"),
        number("frequencyPenalty", "frequency_penalty"),
        integer("seed", "seed"),
        boolean("responseLogprobs", "logprobs"),
        integer("logprobs", "top_logprobs"),
        Group(("responseModalities",), _reading_texts("responseModalities", "modalities"), _write_modalities),
        Group(("thinkingConfig",), _read_thinking, _write_thinking),
    ]
)
