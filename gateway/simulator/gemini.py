"""Gemini's wire format, simulated: generateContent, its stream, countTokens, embeddings, models; also Vertex's paths.

Rules:
- Pure; ids and vectors are derived from the request, so that the same request has the same answer.
- A stream is server-sent events with `alt=sse`, else one JSON array; usage so far is in every frame, the finish reason
  in the last one only (that frame is the end mark which `nodone` leaves out).
- Calls of tools come whole, without an id and with the finish reason STOP; a refusal is SAFETY without text.
- Both versions' paths (`/v1beta`, `/v1`); the list of models under `/v1` is OpenAI's, which has the same path.
- Prompt tokens: the words of all texts, 10 per part that is no text.

Not here: what is said (answer.py), faults and bytes (frames.py, play.py).
"""

import hmac
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

import orjson

from gateway.simulator.answer import TOKENS_PER_PART, Answer, Question, Tool, answer, check, count_tokens
from gateway.simulator.behaviour import Behaviour, UnknownOption, parse
from gateway.simulator.openai import unit_vector
from gateway.simulator.openai_chat import digest
from gateway.simulator.reply import Ask, Canned, Frame, Json, Refused, Reply, Route, StreamReply

DIMENSIONS = 768
MAX_DIMENSIONS = 3072
MAX_CANDIDATES = 8
MAX_BATCH = 100
MODELS = ("sim", "sim-chunks-64-pace-50", "sim-reasoning", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001")

_PREFIXES = ("/v1beta", "/v1", "/v1/projects/{project}/locations/{location}/publishers/google", "/v1/publishers/google")
_METHODS = ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")
_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
           408: "DEADLINE_EXCEEDED", 413: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL",
           501: "UNIMPLEMENTED", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}  # fmt: skip
_REASONS = {"invalid_api_key": "API_KEY_INVALID", "context_length_exceeded": "TOO_MANY_TOKENS"}
_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}


class Gemini:
    """The format as the server uses it (see reply.WireFormat)."""

    routes = (
        *(Route("POST", f"{prefix}/models/{{model:.+}}:{name}", name) for prefix in _PREFIXES for name in _METHODS),
        *(Route("GET", f"/v1beta/models{end}", "models") for end in ("", "/{model:.+}")),
    )
    error_event: str | None = None

    def is_authorized(self, headers: Mapping[str, str], key: str) -> bool:
        """The key in `x-goog-api-key`, or Vertex's bearer token."""
        sent = headers.get("x-goog-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(sent.encode(), key.encode())

    def ask(self, operation: str, params: Mapping[str, str], body: bytes) -> Ask:
        model = params.get("model", "")
        if operation == "models":
            return Ask(operation, model, is_attempt=False)
        try:
            fields = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Refused(400, None, f"Invalid JSON payload received. {error}") from None
        if not isinstance(fields, dict):
            raise Refused(400, None, "Invalid JSON payload received. Root must be an object.")
        is_stream = operation == "streamGenerateContent"
        if is_stream and params.get("alt") != "sse":
            operation = "arrayGenerateContent"
        return Ask(operation, model, is_stream, fields)

    def reply(self, ask: Ask, behaviour: Behaviour) -> Reply:
        """Return the healthy answer of a model that behaves so. Raises Refused."""
        if ask.operation == "models":
            return _models(ask)
        if ask.operation == "countTokens":
            return _count(ask)
        if ask.operation in ("embedContent", "batchEmbedContents"):
            return _embed(ask)
        return _generate(ask, behaviour)

    def error(self, refused: Refused) -> Json:
        """Google's error object."""
        error: Json = {"code": refused.status, "message": refused.message}
        error["status"] = _STATUS.get(refused.status, "UNKNOWN")
        if reason := _REASONS.get(refused.code or ""):
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
            error["details"] = [info]
        return {"error": error}

    def bench(self, operation: str) -> Canned | None:
        """None: load tests drive OpenAI's format."""
        return None


# generateContent


def _generate(ask: Ask, behaviour: Behaviour) -> Reply:
    question = _question(ask.body)
    check(question, behaviour)
    config = _config(ask.body)
    count = config.get("candidateCount") or 1
    if not isinstance(count, int) or not 1 <= count <= MAX_CANDIDATES:
        raise Refused(400, None, f"candidateCount must be from 1 to {MAX_CANDIDATES}.")
    said = [answer(question, behaviour, choice) for choice in range(count)]
    head = {"modelVersion": ask.model, "responseId": digest(orjson.dumps(ask.body, option=orjson.OPT_SORT_KEYS))}
    if ask.is_stream:
        return _stream(question, behaviour, said, head, is_array=ask.operation == "arrayGenerateContent")
    candidates = [_candidate(index, list(_parts(item, is_whole=True)), item) for index, item in enumerate(said)]
    total = sum(item.tokens for item in said)
    return {"candidates": candidates, **_usage(question, said, total, behaviour), **head}


def _candidate(index: int, parts: list[Json], said: Answer | None) -> Json:
    """A candidate; `said` is its whole answer when this ends it."""
    content: Json = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    out: Json = {"content": content}
    if said is not None:
        out["finishReason"] = "SAFETY" if said.refusal else _FINISH[said.finish]
    return {**out, "index": index}


def _parts(said: Answer, *, is_whole: bool) -> Iterator[Json]:
    """The parts of an answer: one per piece, or one per kind when it is whole."""
    reasoning, pieces = (_joined(said.reasoning), _joined(said.pieces)) if is_whole else (said.reasoning, said.pieces)
    yield from ({"text": piece, "thought": True} for piece in reasoning)
    for tool, arguments in said.calls:
        yield {"functionCall": {"name": tool.name, "args": orjson.loads(arguments)}}
    if not said.refusal:
        yield from ({"text": piece} for piece in pieces)


def _joined(pieces: tuple[str, ...]) -> tuple[str, ...]:
    return ("".join(pieces),) if pieces else ()


def _stream(question: Question, behaviour: Behaviour, said: list[Answer], head: Json, *, is_array: bool) -> StreamReply:
    def content() -> Iterator[Frame]:
        sent = 0
        for step in zip_longest(*(_parts(item, is_whole=False) for item in said)):
            for index, part in enumerate(step):
                if part is not None:
                    sent += 1
                    usage = _usage(question, said, sent, behaviour)
                    yield Frame({"candidates": [_candidate(index, [part], None)], **usage, **head})

    last = [_candidate(index, [], item) for index, item in enumerate(said)]
    total = sum(item.tokens for item in said)
    end = Frame({"candidates": last, **_usage(question, said, total, behaviour), **head})
    opening = (Frame({**_usage(question, said, 0, behaviour), **head}),) if behaviour.has_prelude else ()
    return StreamReply(opening, content(), (), (end,), is_array=is_array)


def _usage(question: Question, said: list[Answer], sent: int, behaviour: Behaviour) -> Json:
    if behaviour.is_usage_omitted:
        return {}
    total = sum(item.tokens for item in said)
    thoughts = min(sum(len(item.reasoning) for item in said), sent)
    sent = min(sent, total)
    usage: Json = {"promptTokenCount": question.prompt_tokens, "candidatesTokenCount": sent - thoughts}
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    usage["totalTokenCount"] = question.prompt_tokens + sent
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": question.prompt_tokens}]
    if behaviour.mode:
        usage["trafficType"] = f"ON_DEMAND_{behaviour.mode.upper()}"
    return {"usageMetadata": usage}


# the question


def _member(body: Any, camel: str, snake: str) -> Any:
    return body.get(camel, body.get(snake)) if isinstance(body, dict) else None


def _config(body: Json) -> Json:
    config = _member(body, "generationConfig", "generation_config")
    return config if isinstance(config, dict) else {}


def _question(body: Json) -> Question:
    contents = body.get("contents")
    contents = [contents] if isinstance(contents, dict) else contents
    if not isinstance(contents, list) or not contents or not all(isinstance(item, dict) for item in contents):
        raise Refused(400, None, "* GenerateContentRequest.contents: contents is not specified")
    instruction = _member(body, "systemInstruction", "system_instruction")
    users = [item for item in contents if item.get("role", "user") == "user" and _texts(item)] or contents
    tools, is_required, may_call = _tools(body)
    config = _config(body)
    results = [_result(part) for part in _all_parts(contents[-1]) if _member(part, *_RESPONSE) is not None]
    return Question(
        text=" ".join(_texts(users[-1])),
        prompt_tokens=sum(map(_tokens, [*contents, instruction])),
        part_count=len(_media(users[-1])),
        tool_results=tuple(results),
        is_prefilled=contents[-1].get("role") == "model",
        tools=tools,
        may_call=may_call,
        must_call=is_required,
        shape=_shape(config),
        stop=tuple(config.get("stopSequences") or ()),
        max_tokens=config.get("maxOutputTokens"),
    )


_RESPONSE = ("functionResponse", "function_response")


def _all_parts(content: Any) -> list[Json]:
    parts = content.get("parts") if isinstance(content, dict) else None
    parts = [parts] if isinstance(parts, dict) else parts
    return [part for part in parts or () if isinstance(part, dict)]


def _texts(content: Any) -> list[str]:
    return [str(part["text"]) for part in _all_parts(content) if "text" in part and not part.get("thought")]


def _media(content: Any) -> list[Json]:
    names = ("inlineData", "inline_data", "fileData", "file_data")
    return [part for part in _all_parts(content) if any(name in part for name in names)]


def _tokens(content: Any) -> int:
    return count_tokens(" ".join(_texts(content))) + TOKENS_PER_PART * len(_media(content))


def _result(part: Json) -> str:
    response = _member(part, *_RESPONSE).get("response")
    if isinstance(response, dict) and len(response) == 1:
        (value,) = response.values()
        if isinstance(value, str):
            return value
    return orjson.dumps(response).decode()


def _tools(body: Json) -> tuple[tuple[Tool, ...], bool, bool]:
    """Return the tools that may be called, whether one must be, and whether any may."""
    given = []
    for tool in body.get("tools") or ():
        for item in _member(tool, "functionDeclarations", "function_declarations") or ():
            schema = item.get("parametersJsonSchema") or item.get("parameters_json_schema") or item.get("parameters")
            given.append(Tool(item["name"], _lowered(schema or {})))
    calling = _member(_member(body, "toolConfig", "tool_config"), "functionCallingConfig", "function_calling_config")
    mode = str((calling or {}).get("mode", "AUTO")).upper()
    allowed = _member(calling, "allowedFunctionNames", "allowed_function_names")
    if allowed:
        given = [tool for tool in given if tool.name in allowed]
    return tuple(given), mode == "ANY" and bool(given), mode != "NONE"


def _lowered(schema: Any) -> Any:
    """A Gemini schema with the type names of JSON Schema."""
    if isinstance(schema, list):
        return [_lowered(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value.lower() if name == "type" and isinstance(value, str) else _lowered(value)
        for name, value in schema.items()
    }


def _shape(config: Json) -> Any:
    if config.get("responseMimeType") != "application/json":
        return None
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    return _lowered(schema) if schema else True


# the other methods


def _count(ask: Ask) -> Json:
    inner = _member(ask.body, "generateContentRequest", "generate_content_request") or ask.body
    tokens = _question(inner).prompt_tokens
    return {"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}


def _embed(ask: Ask) -> Json:
    if ask.operation == "embedContent":
        return {"embedding": _embedding(ask.body)}
    requests = ask.body.get("requests")
    if not isinstance(requests, list) or not 1 <= len(requests) <= MAX_BATCH:
        raise Refused(400, None, f"* BatchEmbedContentsRequest.requests: from 1 to {MAX_BATCH} requests are allowed")
    return {"embeddings": [_embedding(request) for request in requests]}


def _embedding(request: Json) -> Json:
    texts = _texts(request.get("content"))
    if not any(texts):
        raise Refused(400, None, "* EmbedContentRequest.content: content is not specified")
    config = _member(request, "embedContentConfig", "embed_content_config") or request
    dimensions = _member(config, "outputDimensionality", "output_dimensionality") or DIMENSIONS
    if not isinstance(dimensions, int) or not 1 <= dimensions <= MAX_DIMENSIONS:
        raise Refused(400, None, f"outputDimensionality must be from 1 to {MAX_DIMENSIONS}.")
    return {"values": unit_vector(" ".join(texts), dimensions)}


def _models(ask: Ask) -> Json:
    if ask.model:
        return _model(ask.model)
    return {"models": [_model(name) for name in MODELS]}


def _model(name: str) -> Json:
    try:
        parse(name)
    except UnknownOption as error:
        raise Refused(404, "model_not_found", f"models/{name} is not found: {error}") from None
    methods = ["embedContent"] if "embedding" in name else ["generateContent", "countTokens"]
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name,
        "description": "A simulated model.",
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
        "supportedGenerationMethods": methods,
    }
