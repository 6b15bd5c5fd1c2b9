"""OpenAI's wire format, simulated: chat completions, completions, embeddings, models, errors; also Azure's v1 API.

Rules:
- Pure; ids, times and vectors are derived from the request, so that the same request has the same answer.
- Every member the API reference lists is there, null included; the usage chunk comes only when it was asked for.
- Prompt tokens: the words of all texts, 10 per image, audio or file part; a prompt of token ids counts its ids.

Not here: chat (openai_chat.py), what is said (answer.py), faults and bytes (frames.py, play.py), load (bench.py).
"""

import base64
import hashlib
import hmac
import struct
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

import orjson

from gateway.simulator.answer import (
    Answer,
    Question,
    answer,
    check,
    count_tokens,
    pieces_of,
)
from gateway.simulator.behaviour import Behaviour, UnknownOption, parse
from gateway.simulator.bench import OPENAI_BENCH
from gateway.simulator.openai_chat import CREATED, DONE, chat, choices_of, head_of, stop_of
from gateway.simulator.reply import Ask, Canned, Frame, Json, Refused, Reply, Route, StreamReply

DEFAULT_DIMENSIONS = 256
MAX_DIMENSIONS = 4096
MAX_INPUTS = 2048
MODELS = ("sim", "sim-chunks-64-pace-50", "sim-reasoning", "sim-tools-2", "bench", "gpt-4o", "gpt-4o-mini")

OPERATIONS = (("chat/completions", "chat"), ("completions", "completions"), ("embeddings", "embeddings"))
_PREFIXES = ("", "/v1", "/openai/v1")
_ERROR_TYPES = {401: "invalid_request_error", 429: "requests", 500: "server_error", 503: "service_unavailable"}
_ERROR_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


class OpenAi:
    """The format as the server uses it (see reply.WireFormat)."""

    routes = (
        *(Route("POST", f"{prefix}/{path}", name) for prefix in _PREFIXES for path, name in OPERATIONS),
        *(Route("GET", f"{prefix}/models{end}", "models") for prefix in _PREFIXES for end in ("", "/{model:.+}")),
    )
    error_event: str | None = None

    def is_authorized(self, headers: Mapping[str, str], key: str) -> bool:
        """A bearer token, or Azure's `api-key` header."""
        sent = headers.get("api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(sent.encode(), key.encode())

    def ask(self, operation: str, params: Mapping[str, str], body: bytes) -> Ask:
        if operation == "models":
            return Ask(operation, params.get("model", ""), is_attempt=False)
        try:
            fields = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Refused(400, None, f"We could not parse the JSON body of your request: {error}") from None
        if not isinstance(fields, dict):
            raise Refused(400, None, "The JSON body of your request must be an object.")
        model = params.get("deployment") or fields.get("model")
        if not model or not isinstance(model, str):
            raise Refused(400, "missing_required_parameter", "you must provide a model parameter", "model")
        return Ask(operation, model, fields.get("stream") is True and operation != "embeddings", fields)

    def reply(self, ask: Ask, behaviour: Behaviour) -> Reply:
        return _REPLIES[ask.operation](ask, behaviour)

    def error(self, refused: Refused) -> Json:
        kind = _ERROR_TYPES.get(refused.status) or (
            "server_error" if refused.status >= 500 else "invalid_request_error"
        )
        code = refused.code or _ERROR_CODES.get(refused.status)
        return {"error": {"message": refused.message, "type": kind, "param": refused.param, "code": code}}

    def bench(self, operation: str) -> Canned | None:
        return OPENAI_BENCH.get(operation)


# completions


def _completions(ask: Ask, behaviour: Behaviour) -> Reply:
    body = ask.body
    prompts = _inputs(body.get("prompt", "<|endoftext|>"), "prompt")
    questions = [_prompt_question(body, text, tokens) for text, tokens in prompts]
    for question in questions:
        check(question, behaviour)
    said = [answer(question, behaviour, choice) for question in questions for choice in range(choices_of(body))]
    echoed = [text if body.get("echo") else "" for text, _ in prompts for _ in range(choices_of(body))]
    prompt_tokens, completion_tokens = sum(tokens for _, tokens in prompts), sum(item.tokens for item in said)
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
    head = head_of(ask, "cmpl-", "text_completion")
    if ask.is_stream:
        return _completion_stream(ask, behaviour, head, list(zip(echoed, said, strict=True)), usage)
    choices = [
        _completion_choice(body, index, (*pieces_of(echo), *item.pieces), item.finish)
        for index, (echo, item) in enumerate(zip(echoed, said, strict=True))
    ]
    return {**head, "choices": choices} | ({} if behaviour.is_usage_omitted else {"usage": usage})


def _prompt_question(body: Json, text: str, tokens: int) -> Question:
    return Question(text, tokens, stop=stop_of(body.get("stop")), max_tokens=body.get("max_tokens", 16))


def _completion_choice(body: Json, index: int, pieces: tuple[str, ...], finish: str | None) -> Json:
    logprobs = None
    if body.get("logprobs") is not None:
        starts = [sum(map(len, pieces[:at])) for at in range(len(pieces))]
        logprobs = {
            "tokens": pieces,
            "token_logprobs": [-0.1] * len(pieces),
            "top_logprobs": [{piece: -0.1} for piece in pieces],
            "text_offset": starts,
        }
    return {"text": "".join(pieces), "index": index, "logprobs": logprobs, "finish_reason": finish}


def _completion_stream(
    ask: Ask, behaviour: Behaviour, head: Json, said: list[tuple[str, Answer]], usage: Json
) -> StreamReply:
    is_usage_asked = (
        bool((ask.body.get("stream_options") or {}).get("include_usage")) and not behaviour.is_usage_omitted
    )
    head = {**head, "usage": None} if is_usage_asked else head

    def chunk(index: int, pieces: tuple[str, ...], finish: str | None = None) -> Frame:
        return Frame({**head, "choices": [_completion_choice(ask.body, index, pieces, finish)]})

    def content() -> Iterator[Frame]:
        for step in zip_longest(*((*pieces_of(echo), *item.pieces) for echo, item in said)):
            yield from (chunk(index, (piece,)) for index, piece in enumerate(step) if piece is not None)

    closing = tuple(chunk(index, (), item.finish) for index, (_, item) in enumerate(said))
    tail = (Frame({**head, "choices": [], "usage": usage}),) if is_usage_asked else ()
    return StreamReply((), content(), closing + tail, (DONE,))


def _inputs(value: Any, param: str) -> list[tuple[str, int]]:
    """Return (text, tokens) of each input of a string, strings, token ids, or lists of token ids."""
    items = value if isinstance(value, list) and value and not isinstance(value[0], int) else [value]
    if len(items) > MAX_INPUTS or any(not isinstance(item, str | list) or not item for item in items):
        message = f"Invalid '{param}': expected 1 to {MAX_INPUTS} texts or lists of token ids, none of them empty."
        raise Refused(400, "invalid_value", message, param)
    return [
        (item, count_tokens(item)) if isinstance(item, str) else (f"{len(item)} tokens", len(item)) for item in items
    ]


# embeddings


def _embeddings(ask: Ask, behaviour: Behaviour) -> Json:
    inputs = _inputs(ask.body.get("input"), "input")
    tokens = sum(count for _, count in inputs)
    check(Question("", tokens), behaviour)
    dimensions = ask.body.get("dimensions") or DEFAULT_DIMENSIONS
    if not isinstance(dimensions, int) or not 1 <= dimensions <= MAX_DIMENSIONS:
        message = f"Invalid 'dimensions': expected an integer from 1 to {MAX_DIMENSIONS}."
        raise Refused(400, "invalid_value", message, "dimensions")
    is_base64 = ask.body.get("encoding_format") == "base64"
    given = ask.body["input"]
    items = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(item, dimensions, is_base64=is_base64)}
        for index, item in enumerate(items)
    ]
    body: Json = {"object": "list", "model": ask.model, "data": data}
    return body if behaviour.is_usage_omitted else {**body, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def _vector(item: Any, dimensions: int, *, is_base64: bool) -> list[float] | str:
    """A unit vector of float32 values, the same in both encodings."""
    values = unit_vector(item, dimensions)
    return base64.b64encode(struct.pack(f"<{dimensions}f", *values)).decode() if is_base64 else values


def unit_vector(item: Any, dimensions: int) -> list[float]:
    """The vector of an input, of length 1 and exact as float32."""
    raw = struct.unpack(f"<{dimensions}h", hashlib.shake_128(orjson.dumps(item)).digest(2 * dimensions))
    length = sum(value * value for value in raw) ** 0.5 or 1.0
    packed = struct.pack(f"<{dimensions}f", *(value / length for value in raw))
    return list(struct.unpack(f"<{dimensions}f", packed))


# models


def _models(ask: Ask, _: Behaviour) -> Json:
    if ask.model:
        return _model(ask.model)
    return {"object": "list", "data": [_model(name) for name in MODELS]}


def _model(name: str) -> Json:
    try:
        parse(name)
    except UnknownOption as error:
        raise Refused(404, "model_not_found", f"The model `{name}` does not exist: {error}", "model") from None
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "simulator"}


_REPLIES: dict[str, Callable[[Ask, Behaviour], Reply]] = {
    "chat": chat,
    "completions": _completions,
    "embeddings": _embeddings,
    "models": _models,
}
