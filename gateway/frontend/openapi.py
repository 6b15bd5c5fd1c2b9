"""The OpenAPI 3.1 document of the HTTP surface: one row per operation, rendered by a pure function.

Rules:
    - Every route of the edge has its rows here and nowhere else (a test compares).
    - Every operation names the failures its caller must expect; all of one client format have the same body.

Not here: shapes of bodies (openapi_schemas.py), behaviour (edge.py, inference.py, pages.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gateway.frontend import openapi_accounts
from gateway.frontend.accounts import ROWS
from gateway.frontend.openapi_gemini import GEMINI_SCHEMAS
from gateway.frontend.openapi_messages import MESSAGES_SCHEMAS
from gateway.frontend.openapi_responses import RESPONSES_SCHEMAS
from gateway.frontend.openapi_schemas import INTEGER, SCHEMAS, STRING, ref
from gateway.wire import json

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path; `request`, `reply` and `chunk` are names of schemas."""

    method: str
    path: str
    name: str
    summary: str
    reply: str = ""
    request: str = ""
    chunk: str = ""
    needs_key: bool = False
    text_type: str = ""
    errors: tuple[int, ...] = ()
    error: str = "Error"


_KEY_ERRORS = (401, 403, 429, 500, 503)
_ACCOUNT_ERRORS = (400, 401, 403, 404, 409, 413, 415, 429, 500, 501, 503)
_CALL_ERRORS = (400, 401, 402, 403, 404, 408, 413, 415, 429, 500, 502, 503, 504, 508)
_GEMINI = "/v1beta/models/{model}:"
OPERATIONS = (
    Operation(
        "post", "/v1/chat/completions", "createChatCompletion", "Continue a conversation", "ChatResponse",
        "ChatRequest", "ChatChunk", needs_key=True, errors=_CALL_ERRORS,
    ),
    Operation(
        "post", "/v1/completions", "createCompletion", "Continue a text", "Completion", "CompletionRequest",
        "Completion", needs_key=True, errors=_CALL_ERRORS,
    ),
    Operation(
        "post", "/v1/embeddings", "createEmbedding", "Turn texts into vectors", "EmbeddingResponse",
        "EmbeddingRequest", needs_key=True, errors=_CALL_ERRORS,
    ),
    Operation(
        "post", "/v1/responses", "createResponse", "Continue a conversation, in OpenAI's Responses format",
        "ResponsesResponse", "ResponsesRequest", "ResponsesEvent", needs_key=True, errors=_CALL_ERRORS,
    ),
    Operation(
        "get", "/v1/responses/{id}", "getResponse", "Read a kept answer", "ResponsesResponse", needs_key=True,
        errors=(*_KEY_ERRORS, 400, 404),
    ),
    Operation(
        "delete", "/v1/responses/{id}", "deleteResponse", "Forget a kept answer", "ResponsesDeleted", needs_key=True,
        errors=(*_KEY_ERRORS, 404),
    ),
    Operation(
        "get", "/v1/responses/{id}/input_items", "listInputItems", "What a kept answer answered", "ResponsesItems",
        needs_key=True, errors=(*_KEY_ERRORS, 400, 404),
    ),
    Operation(
        "post", "/v1/responses/{id}/cancel", "cancelResponse", "Always refused: no answer runs in the background",
        "ResponsesResponse", needs_key=True, errors=(*_KEY_ERRORS, 400, 404),
    ),
    Operation(
        "post", "/v1/messages", "createMessage", "Continue a conversation, in Anthropic's format", "MessagesResponse",
        "MessagesRequest", "MessagesEvent", needs_key=True, errors=_CALL_ERRORS, error="MessagesError",
    ),
    Operation(
        "post", "/v1/messages/count_tokens", "countTokens", "Estimate how many tokens a prompt has",
        "MessagesTokenCount", "MessagesCountRequest", needs_key=True, errors=_CALL_ERRORS, error="MessagesError",
    ),
    Operation(
        "get", "/v1/models", "listModels", "List the models this key may use", "ModelList", needs_key=True,
        errors=_KEY_ERRORS,
    ),
    Operation(
        "get", "/v1/models/{id}", "getModel", "Describe one model; the id may contain slashes and colons", "Model",
        needs_key=True, errors=(*_KEY_ERRORS, 404),
    ),
    Operation(
        "post", f"{_GEMINI}generateContent", "generateContent", "Continue a conversation, in Gemini's format",
        "GeminiResponse", "GeminiRequest", needs_key=True, errors=_CALL_ERRORS, error="GeminiError",
    ),
    Operation(
        "post", f"{_GEMINI}streamGenerateContent", "streamGenerateContent",
        "The same as a stream: one JSON array, or events with `alt=sse`", "GeminiResponses", "GeminiRequest",
        "GeminiResponse", needs_key=True, errors=_CALL_ERRORS, error="GeminiError",
    ),
    Operation(
        "post", f"{_GEMINI}countTokens", "countGeminiTokens", "Estimate how many tokens a prompt has",
        "GeminiTokenCount", "GeminiCountRequest", needs_key=True, errors=_CALL_ERRORS, error="GeminiError",
    ),
    Operation(
        "post", f"{_GEMINI}embedContent", "embedContent", "Turn a text into a vector", "GeminiEmbedding",
        "GeminiEmbedRequest", needs_key=True, errors=_CALL_ERRORS, error="GeminiError",
    ),
    Operation(
        "post", f"{_GEMINI}batchEmbedContents", "batchEmbedContents", "Turn texts into vectors", "GeminiEmbeddings",
        "GeminiBatchRequest", needs_key=True, errors=_CALL_ERRORS, error="GeminiError",
    ),
    Operation(
        "get", "/v1beta/models", "listGeminiModels", "List the models this key may use, in Gemini's shape",
        "GeminiModelList", needs_key=True, errors=_KEY_ERRORS, error="GeminiError",
    ),
    Operation(
        "get", "/v1beta/models/{id}", "getGeminiModel", "Describe one model, in Gemini's shape", "GeminiModel",
        needs_key=True, errors=(*_KEY_ERRORS, 404), error="GeminiError",
    ),
    Operation("get", "/", "getFrontPage", "Where to look next", "FrontPage"),
    Operation("get", "/health", "getHealth", "Whether this process answers", "Health"),
    Operation("get", "/readyz", "getReadiness", "Whether a call would reach a service", "Ready", errors=(503,)),
    Operation("get", "/metrics", "getMetrics", "Metrics in the Prometheus text format", text_type="text/plain"),
    Operation(
        "get", "/admin/explain", "explainRoute", "Where a call goes, or went, and why", needs_key=True,
        text_type="application/json", errors=(*_KEY_ERRORS, 400, 404),
    ),
    Operation(
        "get", "/admin/deployments", "listDeployments", "The live state of every deployment", needs_key=True,
        text_type="application/json", errors=(*_KEY_ERRORS, 404),
    ),
    Operation("get", "/openapi.json", "getOpenApi", "This document", text_type="application/json"),
    *(
        Operation(
            row.method.lower(), row.path, openapi_accounts.name_of(row), row.summary,
            openapi_accounts.reply_schema(row), openapi_accounts.request_schema(row), needs_key=not row.is_open,
            errors=_ACCOUNT_ERRORS,
        )
        for row in ROWS
    ),
)  # fmt: skip

_WHY = {
    400: "The body, a header or a member is wrong; `param` names it.",
    401: "No key, or a wrong one.",
    402: "The balance does not cover the call.",
    403: "The key may not do this.",
    404: "No such path or model.",
    405: "The path has other methods; see `allow`.",
    408: "The request was too slow to arrive.",
    409: "It contradicts what is there already.",
    413: "The body is larger than the limit, as sent or decompressed.",
    415: "The content type or encoding is not supported.",
    429: "A rate limit; `retry-after` says when to come back.",
    431: "The request head is larger than the limit.",
    500: "A bug of the gateway; the message names the request id.",
    501: "This gateway does not do that.",
    502: "The provider failed or answered nonsense.",
    503: "The gateway cannot take the call now; `retry-after` says when to come back.",
    504: "The provider or the caller's own deadline ran out of time.",
    508: "The call came back to the gateway that sent it: a provider's address is the gateway's own.",
}
_PARAMETERS: dict[str, Node] = {
    "RequestId": {
        "name": "x-request-id", "in": "header", "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
        "description": "Names the request in logs and answers; made when absent or malformed.",
    },
    "RequestTimeout": {
        "name": "x-request-timeout", "in": "header",
        "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": 86400},
        "description": "Seconds until the caller gives up; then the call ends with 504.",
    },
    "Traceparent": {
        "name": "traceparent", "in": "header", "schema": STRING, "description": "W3C trace context.",
    },
}  # fmt: skip
_HEADERS: dict[str, Node] = {
    "x-request-id": {"schema": STRING, "description": "Of the request, or made."},
    "server-timing": {"schema": STRING, "description": "Stages of the call in milliseconds; not on streams."},
    "openai-processing-ms": {"schema": INTEGER, "description": "Milliseconds in the gateway; not on streams."},
    "x-ratelimit-limit-requests": {"schema": INTEGER, "description": "Requests per window."},
    "x-ratelimit-remaining-requests": {"schema": INTEGER, "description": "Requests left."},
    "x-ratelimit-reset-requests": {"schema": STRING, "description": "Until all are back, e.g. `6m0s`."},
    "x-ratelimit-limit-tokens": {"schema": INTEGER, "description": "Tokens per window."},
    "x-ratelimit-remaining-tokens": {"schema": INTEGER, "description": "Tokens left."},
    "x-ratelimit-reset-tokens": {"schema": STRING, "description": "Until all are back, e.g. `12ms`."},
    "retry-after": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds."},
    "retry-after-ms": {"schema": {"type": "integer", "minimum": 1}, "description": "The same, exact."},
}
_CARRIERS: dict[str, Node] = {
    "key": {"type": "http", "scheme": "bearer", "description": "A key of this gateway."},
    "googleKey": {"type": "apiKey", "in": "header", "name": "x-goog-api-key", "description": "The same key."},
    "urlKey": {"type": "apiKey", "in": "query", "name": "key", "description": "The same key; headers are safer."},
}
_ONLY_ON_ERRORS = {"retry-after", "retry-after-ms"}


def document() -> Node:
    """The whole document as a JSON object."""
    paths: dict[str, Node] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "one-gateway",
            "version": _version(),
            "description": "Many models behind one OpenAI-compatible API. The same calls are served over gRPC.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS | MESSAGES_SCHEMAS | RESPONSES_SCHEMAS | GEMINI_SCHEMAS | openapi_accounts.schemas(),
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "responses": {str(status): _error(why) for status, why in _WHY.items()},
            "securitySchemes": _CARRIERS,
        },
    }


@cache
def document_bytes() -> bytes:
    """The document as it is served."""
    return json.dumps(document())


def _operation(operation: Operation) -> Node:
    node: Node = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": {
            "200": _reply(operation),
            **{str(status): _failure(status, operation) for status in sorted({*operation.errors, 405, 431})},
        },
        "security": _carriers_of(operation) if operation.needs_key else [],
    }
    if operation.request:
        node["requestBody"] = {
            "required": True,
            "description": "May be compressed with gzip or deflate (`content-encoding`).",
            "content": {"application/json": {"schema": ref(operation.request)}},
        }
    return node


def _carriers_of(operation: Operation) -> list[Node]:
    """Where the key may stand; each is enough."""
    own: list[Node] = [{"googleKey": []}, {"urlKey": []}] if operation.error == "GeminiError" else []
    return [{"key": []}, *own]


def _failure(status: int, operation: Operation) -> Node:
    if operation.error == "Error" or status not in operation.errors:
        return {"$ref": f"#/components/responses/{status}"}
    return _error(_WHY[status], operation.error)


def _parameters(operation: Operation) -> list[Node]:
    names = ["RequestId", "RequestTimeout", "Traceparent"] if operation.needs_key else ["RequestId"]
    parameters: list[Node] = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    in_path = [name for name in ("id", "model", "group") if f"{{{name}}}" in operation.path]
    parameters += [{"name": name, "in": "path", "required": True, "schema": STRING} for name in in_path]
    if operation.name == "listGeminiModels":
        parameters.append({"name": "pageSize", "in": "query", "schema": INTEGER})
        parameters.append({"name": "pageToken", "in": "query", "schema": STRING})
    if operation.name == "streamGenerateContent":
        parameters.append({"name": "alt", "in": "query", "schema": {"type": "string", "enum": ["sse", "json"]}})
    return parameters


def _reply(operation: Operation) -> Node:
    content: Node = {}
    if operation.reply:
        content["application/json"] = {"schema": ref(operation.reply)}
    if operation.text_type:
        content[operation.text_type] = {"schema": {"type": "object" if "json" in operation.text_type else "string"}}
    if operation.chunk:
        content["text/event-stream"] = {
            "schema": {
                "type": "string",
                "description": (
                    f"With {_asked_by(operation)}: events `data: <{operation.chunk} as JSON>`, then "
                    f"{_end_of(operation)}. A stream that fails ends with {_failed_end_of(operation)}, without that "
                    "end, and its connection is cut."
                ),
            }
        }
    names = _HEADERS.keys() - _ONLY_ON_ERRORS if operation.needs_key else {"x-request-id"}
    return {"description": operation.summary, "headers": _headers(names), "content": content}


def _failed_end_of(operation: Operation) -> str:
    is_numbered = operation.chunk == "ResponsesEvent"
    return "the events `error` and `response.failed`" if is_numbered else f"an event that is {operation.error}"


def _asked_by(operation: Operation) -> str:
    return "`alt=sse`" if operation.chunk == "GeminiResponse" else "`stream: true`"


def _end_of(operation: Operation) -> str:
    if operation.chunk == "GeminiResponse":
        return "the end of the body"
    if operation.chunk == "ResponsesEvent":
        return "`response.completed` or `response.incomplete`; each event has its type as its name"
    return "`data: [DONE]`" if operation.error == "Error" else "`message_stop`; each event has its type as its name"


def _error(why: str, schema: str = "Error") -> Node:
    names = {"x-request-id", *_ONLY_ON_ERRORS}
    return {"description": why, "headers": _headers(names), "content": {"application/json": {"schema": ref(schema)}}}


def _headers(names: set[str]) -> Node:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in sorted(names)}


def _version() -> str:
    try:
        return version("one-gateway")
    except PackageNotFoundError:
        return "0"
