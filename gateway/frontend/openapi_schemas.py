"""The shapes of bodies, as JSON Schema: the `components.schemas` of the OpenAPI document.

Rules:
    - Data only. Unknown members are allowed everywhere, because the gateway keeps them.
    - Ranges are those that the gateway checks.

Not here: paths, headers and status codes (openapi.py).
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}


def ref(name: str) -> Schema:
    """A reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(required: str = "", /, **members: Schema) -> Schema:
    """An object; `required` are member names separated by spaces."""
    schema: Schema = {"type": "object", "properties": members}
    return {**schema, "required": required.split()} if required else schema


def listed(items: Schema, **bounds: int) -> Schema:
    """An array."""
    return {"type": "array", "items": items, **bounds}


def nullable(schema: Schema) -> Schema:
    """`schema` or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(*values: str) -> Schema:
    """One of a few words."""
    return {"type": "string", "enum": list(values)}


def always(value: str) -> Schema:
    """Exactly this word."""
    return {"type": "string", "const": value}


def ranged(kind: str, least: float, most: float | None = None) -> Schema:
    """A number from `least` to `most`, or null."""
    schema: Schema = {"type": kind, "minimum": least}
    return nullable(schema if most is None else {**schema, "maximum": most})


def part(kind: str, **members: Schema) -> Schema:
    """A content part: an object whose `type` is `kind`."""
    return record(f"type {' '.join(members)}", type=always(kind), **members)


_IMAGE = {"anyOf": [STRING, record("url", url=STRING, detail=one_of("auto", "low", "high"))]}
_CONTENT_PART: Schema = {
    "anyOf": [
        part("text", text=STRING),
        part("image_url", image_url=_IMAGE),
        part("input_audio", input_audio=record("data format", data=STRING, format=STRING)),
        part("file", file=record(file_data=STRING, file_id=STRING, filename=STRING)),
        part("refusal", refusal=STRING),
    ]
}
_MESSAGE = record(
    "role",
    role=one_of("developer", "system", "user", "assistant", "tool", "function"),
    content=nullable({"anyOf": [STRING, listed(ref("ContentPart"))]}),
    name=STRING,
    refusal=nullable(STRING),
    tool_calls=listed(ref("ToolCall")),
    tool_call_id=STRING,
)
_TOOL_CALL = record(
    "type",
    id=STRING,
    type=STRING,
    function=record("name arguments", name=STRING, arguments=STRING),
    custom=record("name input", name=STRING, input=STRING),
)
_TOOL = record(
    "type",
    type=one_of("function", "custom"),
    function=record("name", name=STRING, description=STRING, parameters=OBJECT, strict=nullable(BOOLEAN)),
    custom=record("name", name=STRING, description=STRING, format=OBJECT),
)
_TOOL_CHOICE: Schema = {
    "anyOf": [one_of("none", "auto", "required"), record("type", type=one_of("function", "custom", "allowed_tools"))]
}
_RESPONSE_FORMAT = record(
    "type",
    type=one_of("text", "json_object", "json_schema"),
    json_schema=record("name", name=STRING, description=STRING, schema=OBJECT, strict=nullable(BOOLEAN)),
)
_SAMPLING: dict[str, Schema] = {
    "model": {"type": "string", "minLength": 1, "description": "A name from GET /v1/models."},
    "frequency_penalty": ranged("number", -2, 2),
    "presence_penalty": ranged("number", -2, 2),
    "temperature": ranged("number", 0, 2),
    "top_p": ranged("number", 0, 1),
    "n": ranged("integer", 1, 128),
    "seed": nullable(INTEGER),
    "stop": nullable({"anyOf": [STRING, listed(STRING, maxItems=4)]}),
    "logit_bias": nullable({"type": "object", "additionalProperties": {"type": "number"}}),
    "stream": {"type": ["boolean", "null"], "description": "True: answer with an event stream."},
    "stream_options": nullable(record(include_usage=BOOLEAN, include_obfuscation=BOOLEAN)),
    "user": STRING,
}
_CHAT_REQUEST = record(
    "model messages",
    **_SAMPLING,
    messages=listed(ref("Message"), minItems=1),
    max_tokens=ranged("integer", 1),
    max_completion_tokens=ranged("integer", 1),
    logprobs=nullable(BOOLEAN),
    top_logprobs=ranged("integer", 0, 20),
    tools=listed(ref("Tool"), maxItems=128),
    tool_choice=ref("ToolChoice"),
    parallel_tool_calls=BOOLEAN,
    response_format=ref("ResponseFormat"),
    reasoning_effort=nullable(STRING),
    verbosity=nullable(STRING),
    modalities=nullable(listed(one_of("text", "audio"))),
    audio=nullable(record("format voice", format=STRING, voice={"anyOf": [STRING, OBJECT]})),
    prediction=nullable(OBJECT),
    metadata=nullable({"type": "object", "additionalProperties": STRING, "maxProperties": 16}),
    service_tier=nullable(STRING),
    store=nullable(BOOLEAN),
    safety_identifier=STRING,
    prompt_cache_key=STRING,
    web_search_options=OBJECT,
)
_USAGE = record(
    "prompt_tokens total_tokens",
    prompt_tokens=INTEGER,
    completion_tokens=INTEGER,
    total_tokens=INTEGER,
    prompt_tokens_details=nullable(OBJECT),
    completion_tokens_details=nullable(OBJECT),
)
_FINISH_REASON = nullable(STRING)
_CHAT_RESPONSE = record(
    "id object created model choices",
    id=STRING,
    object=always("chat.completion"),
    created=INTEGER,
    model=STRING,
    choices=listed(
        record(
            "index message finish_reason",
            index=INTEGER,
            message=ref("Message"),
            finish_reason=_FINISH_REASON,
            logprobs=nullable(OBJECT),
        )
    ),
    usage=nullable(ref("Usage")),
    service_tier=nullable(STRING),
    system_fingerprint=nullable(STRING),
)
_DELTA = record(
    role=STRING,
    content=nullable(STRING),
    refusal=nullable(STRING),
    reasoning_content=nullable(STRING),
    tool_calls=listed(record("index", index=INTEGER, id=STRING, type=STRING, function=OBJECT)),
)
_CHAT_CHUNK = record(
    "id object created model choices",
    id=STRING,
    object=always("chat.completion.chunk"),
    created=INTEGER,
    model=STRING,
    choices=listed(
        record("index delta", index=INTEGER, delta=_DELTA, finish_reason=_FINISH_REASON, logprobs=nullable(OBJECT))
    ),
    usage=nullable(ref("Usage")),
    service_tier=nullable(STRING),
    system_fingerprint=nullable(STRING),
)
_TOKENS = listed(INTEGER, minItems=1)
_TEXTS: Schema = {"anyOf": [STRING, listed(STRING, minItems=1), _TOKENS, listed(_TOKENS, minItems=1)]}
_COMPLETION_REQUEST = record(
    "model prompt",
    **_SAMPLING,
    prompt=nullable(_TEXTS),
    best_of=ranged("integer", 1, 20),
    echo=nullable(BOOLEAN),
    logprobs=ranged("integer", 0, 5),
    max_tokens=ranged("integer", 0),
    suffix=nullable(STRING),
)
_COMPLETION = record(
    "id object created model choices",
    id=STRING,
    object=always("text_completion"),
    created=INTEGER,
    model=STRING,
    choices=listed(
        record("index text", index=INTEGER, text=STRING, finish_reason=_FINISH_REASON, logprobs=nullable(OBJECT))
    ),
    usage=nullable(ref("Usage")),
    system_fingerprint=nullable(STRING),
)
_EMBEDDING_REQUEST = record(
    "model input",
    model=_SAMPLING["model"],
    input=_TEXTS,
    dimensions=ranged("integer", 1),
    encoding_format=one_of("float", "base64"),
    user=STRING,
)
_EMBEDDING_RESPONSE = record(
    "object data model",
    object=always("list"),
    data=listed(
        record(
            "object index embedding",
            object=always("embedding"),
            index=INTEGER,
            embedding={"anyOf": [listed(NUMBER), {"type": "string", "contentEncoding": "base64"}]},
        )
    ),
    model=STRING,
    usage=ref("Usage"),
)
_PRICES = record(input_per_million=NUMBER, output_per_million=NUMBER, cached_input_per_million=NUMBER)
_MODEL = record(
    "id object created owned_by",
    id=STRING,
    object=always("model"),
    created=INTEGER,
    owned_by=STRING,
    capabilities=listed(STRING),
    context_window={"type": "integer", "description": "Tokens."},
    output_max_tokens={"type": "integer", "description": "Tokens."},
    pricing={
        **_PRICES,
        "properties": {**_PRICES["properties"], "modes": {"type": "object", "additionalProperties": _PRICES}},
        "description": "USD per million tokens; `modes` by `service_tier`.",
    },
)
_ERROR = record(
    "error",
    error=record("message type param code", message=STRING, type=STRING, param=nullable(STRING), code=nullable(STRING)),
)

SCHEMAS: dict[str, Schema] = {
    "ChatRequest": _CHAT_REQUEST,
    "ChatResponse": _CHAT_RESPONSE,
    "ChatChunk": _CHAT_CHUNK,
    "CompletionRequest": _COMPLETION_REQUEST,
    "Completion": _COMPLETION,
    "ContentPart": _CONTENT_PART,
    "EmbeddingRequest": _EMBEDDING_REQUEST,
    "EmbeddingResponse": _EMBEDDING_RESPONSE,
    "Error": _ERROR,
    "FrontPage": record("name api openapi", name=STRING, api=STRING, openapi=STRING, health=STRING, ready=STRING),
    "Health": record("status", status=always("healthy"), role=STRING, uptime_s=NUMBER),
    "Message": _MESSAGE,
    "Model": _MODEL,
    "ModelList": record("object data", object=always("list"), data=listed(ref("Model"))),
    "Ready": record("status", status=always("ready")),
    "ResponseFormat": _RESPONSE_FORMAT,
    "Tool": _TOOL,
    "ToolCall": _TOOL_CALL,
    "ToolChoice": _TOOL_CHOICE,
    "Usage": _USAGE,
}
