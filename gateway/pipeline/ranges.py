"""Are the members of a request of the right type and inside their ranges.

Rules:
    - Checked are the members OpenAI documents with a range; what OpenAI leaves open is left to the provider.
    - A known member of a wrong type shows up in `extra` without its typed field: that is refused too.
    - Every violation is INVALID_REQUEST with `param` and the allowed range in the message.
Source: OpenAI API specification 2.3.0.
Not here:
    - Messages and their blocks (pipeline.shape); what the model can do (pipeline.needs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.wire import json
from gateway.wire.foreign import OPENAI
from gateway.wire.pb import chat_pb2, completions_pb2, embeddings_pb2, types_pb2

STOP_MAX = 4
TOOLS_MAX = 128
INPUTS_MAX = 2048
METADATA_MAX = 16
METADATA_KEY_MAX = 64
METADATA_VALUE_MAX = 512
SHOWN_MAX = 1e15  # larger integers may be no double at all


class Range(NamedTuple):
    """An inclusive range; None = open at that end."""

    low: float | None
    high: float | None


_SAMPLING = {
    "temperature": Range(0, 2),
    "top_p": Range(0, 1),
    "presence_penalty": Range(-2, 2),
    "frequency_penalty": Range(-2, 2),
    "n": Range(1, 128),
    "max_tokens": Range(1, None),
}
_CHAT = {**_SAMPLING, "max_completion_tokens": Range(1, None), "top_logprobs": Range(0, 20)}
_COMPLETION = {**_SAMPLING, "logprobs": Range(0, 5), "best_of": Range(1, 20), "max_tokens": Range(0, None)}
_LOGIT_BIAS = Range(-100, 100)
_EMBEDDING = {"dimensions": Range(1, None)}
_TYPES: dict[str, str] = {
    **dict.fromkeys(("temperature", "top_p", "presence_penalty", "frequency_penalty"), "a number"),
    **dict.fromkeys(
        ("n", "max_tokens", "max_completion_tokens", "top_logprobs", "seed", "dimensions", "best_of"), "an integer"
    ),
    **dict.fromkeys(("stream", "parallel_tool_calls", "store", "echo"), "a boolean"),
    **dict.fromkeys(("user", "reasoning_effort", "service_tier", "suffix", "encoding_format"), "a string"),
    **dict.fromkeys(("stream_options", "response_format"), "an object"),
}


def check_ranges(request: Message) -> None:
    """Raise GatewayError INVALID_REQUEST for the first member that is wrong."""
    if isinstance(request, chat_pb2.ChatRequest):
        _check(request, _CHAT, _chat)
    elif isinstance(request, completions_pb2.CompletionRequest):
        _check(request, _COMPLETION, _completion)
    elif isinstance(request, embeddings_pb2.EmbeddingRequest):
        _check(request, _EMBEDDING, _embedding)


def _check(request: Any, ranges: dict[str, Range], rest: Callable[[Any, dict[str, Any]], None]) -> None:
    extra = json.loads(request.extra.encode()) if request.extra else {}
    has = request.HasField
    for name, allowed in ranges.items():
        if has(name):
            _inside(name, getattr(request, name), allowed)
    if extra:
        _check_extra(request, ranges, extra)
    rest(request, extra)


def _check_extra(request: Any, ranges: dict[str, Range], extra: dict[str, Any]) -> None:
    members = request.DESCRIPTOR.fields_by_name
    for name, allowed in ranges.items():
        if isinstance(value := extra.get(name), int | float) and not isinstance(value, bool):
            _inside(name, value, allowed)
    for name, value in extra.items():
        if name in _TYPES and name in members and not request.HasField(name) and not _is_type(_TYPES[name], value):
            raise _wrong(name, f"`{name}` must be {_TYPES[name]}.")


def _inside(name: str, value: float, allowed: Range) -> None:
    low, high = allowed
    if (low is not None and value < low) or (high is not None and value > high):
        limits = f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
        given = f"{value:g}" if abs(value) < SHOWN_MAX else "a number of that size"
        raise _wrong(name, f"`{name}` must be {limits}, not {given}.", "invalid_value")


def _is_type(wanted: str, value: Any) -> bool:
    """Whether an exact JSON value is of the type, though no typed field could hold it."""
    if wanted == "an integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool) if wanted == "a number" else False


def _chat(request: chat_pb2.ChatRequest, extra: dict[str, Any]) -> None:
    if not request.messages:
        wrong_type = "messages" in extra and extra["messages"] != []
        raise _wrong(
            "messages",
            "`messages` must be a list of objects." if wrong_type else "`messages` must hold at least one message.",
            None if wrong_type else "missing_required_parameter",
        )
    if request.dialect in OPENAI:  # other formats allow more texts
        _stop(request.stop, extra)
    if tools := request.tools:
        _tools(tools)
    if not isinstance(extra.get("tools", []), list):
        raise _wrong("tools", "`tools` must be a list.")
    if request.HasField("top_logprobs") and not request.logprobs:
        raise _wrong("top_logprobs", "`top_logprobs` needs `logprobs` to be true.")
    if "logprobs" in extra and not request.HasField("logprobs"):
        raise _wrong("logprobs", "`logprobs` must be a boolean.")
    if request.logit_bias_json:
        _logit_bias(request.logit_bias_json)
    _metadata(request, extra)


def _tools(tools: Sequence[types_pb2.Tool]) -> None:
    if len(tools) > TOOLS_MAX:
        raise _wrong("tools", f"`tools` may hold at most {TOOLS_MAX} tools, not {len(tools)}.")
    for at, tool in enumerate(tools):
        if tool.HasField("function") and not tool.function.name:
            raise _wrong(f"tools[{at}].function.name", "A function tool needs a name.", "missing_required_parameter")


def _logit_bias(text: str) -> None:
    try:
        biases = json.loads(text.encode())
    except json.JsonInvalid as error:
        raise _wrong("logit_bias", f"`logit_bias_json` is not JSON: {error}") from error
    if not isinstance(biases, dict) or not all(_is_type("a number", bias) for bias in biases.values()):
        raise _wrong("logit_bias", "`logit_bias` must be an object of token ids and numbers.")
    for bias in biases.values():
        _inside("logit_bias", bias, _LOGIT_BIAS)


def _metadata(request: chat_pb2.ChatRequest, extra: dict[str, Any]) -> None:
    if "metadata" in extra:
        other = extra["metadata"]
        if not isinstance(other, dict) or not all(isinstance(value, str) for value in other.values()):
            raise _wrong("metadata", "`metadata` must be an object of strings.")
    if not request.metadata:
        return
    if len(request.metadata) > METADATA_MAX:
        raise _wrong("metadata", f"`metadata` may hold at most {METADATA_MAX} pairs.")
    for key, value in request.metadata.items():
        if len(key) > METADATA_KEY_MAX or len(value) > METADATA_VALUE_MAX:
            raise _wrong(
                "metadata", f"A `metadata` key has at most {METADATA_KEY_MAX} characters, a value {METADATA_VALUE_MAX}."
            )


def _completion(request: completions_pb2.CompletionRequest, extra: dict[str, Any]) -> None:
    if request.prompt.form == types_pb2.INPUT_FORM_UNSPECIFIED and not request.prompt.texts:
        raise _wrong("prompt", "`prompt` must be a string, a list of strings, or token ids.", _missing("prompt", extra))
    _stop(request.stop, extra)


def _embedding(request: embeddings_pb2.EmbeddingRequest, extra: dict[str, Any]) -> None:
    given = request.input
    count = len(given.texts) + len(given.tokens)
    if count == 0:
        raise _wrong(
            "input",
            "`input` must be a string, a list of strings, or token ids, and not empty.",
            _missing("input", extra),
        )
    if count > INPUTS_MAX:
        raise _wrong("input", f"`input` may hold at most {INPUTS_MAX} items, not {count}.")
    for at, text in enumerate(given.texts):
        if not text:
            name = "input" if given.form == types_pb2.INPUT_FORM_STRING else f"input[{at}]"
            raise _wrong(name, f"`{name}` must not be empty.")
    if request.HasField("encoding_format") and request.encoding_format not in ("float", "base64"):
        raise _wrong("encoding_format", "`encoding_format` must be `float` or `base64`.")


def _stop(stop: Any, extra: dict[str, Any]) -> None:
    if len(stop) > STOP_MAX:
        raise _wrong("stop", f"`stop` may hold at most {STOP_MAX} texts, not {len(stop)}.")
    other = extra.get("stop")
    if other is not None and not stop and other != []:
        raise _wrong("stop", "`stop` must be a string or a list of strings.")


def _missing(name: str, extra: dict[str, Any]) -> str | None:
    return None if name in extra else "missing_required_parameter"


def _wrong(param: str, message: str, code: str | None = None) -> GatewayError:
    return GatewayError(Kind.INVALID_REQUEST, message, param=param, code=code)
