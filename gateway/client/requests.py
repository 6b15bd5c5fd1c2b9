"""Whole requests from keyword arguments.

Rules:
    - A keyword has the name of the OpenAI member; values that travel as JSON text (`logit_bias`, schemas)
      are given as Python objects. Every other field of the request message is accepted by its own name.
    - A ready request message is passed on as it is, with the given keywords applied to a copy.
    - An unknown keyword is a `TypeError` naming the nearest known one.
Not here: messages and tools (content.py).
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar

import betterproto2

from gateway.client.content import MessageLike, ToolLike, json_text, messages_from, tool_from
from gateway.client.generated.gateway.v1 import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    InputForm,
    JsonSchemaFormat,
    ResponseFormat,
    StreamOptions,
    TextInput,
    ThinkingConfig,
    TokenSequence,
    ToolChoice,
)

TextLike = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | TextInput
R = TypeVar("R", bound=betterproto2.Message)


class SamplingFields(TypedDict, total=False):
    """Keywords that chat and legacy completions share; ranges are in `proto/gateway/v1/chat.proto`."""

    temperature: float
    top_p: float
    max_tokens: int
    n: int
    stop: str | Sequence[str]
    presence_penalty: float
    frequency_penalty: float
    logit_bias: Mapping[str, int]
    seed: int
    user: str
    stream_options: StreamOptions | Mapping[str, bool]
    extra: str


class ChatFields(SamplingFields, total=False):
    """Keywords of `chat` and `stream_chat`."""

    max_completion_tokens: int
    logprobs: bool
    top_logprobs: int
    tools: Iterable[ToolLike]
    tool_choice: str | ToolChoice | Mapping[str, Any]
    parallel_tool_calls: bool
    response_format: ResponseFormat | Mapping[str, Any]
    safety_identifier: str
    metadata: Mapping[str, str]
    modalities: Sequence[str]
    audio: Mapping[str, Any]
    reasoning_effort: str
    verbosity: str
    service_tier: str
    store: bool
    prediction: Mapping[str, Any]
    prompt_cache_key: str
    prompt_cache_retention: str
    web_search_options: Mapping[str, Any]
    top_k: int
    thinking: ThinkingConfig | Mapping[str, Any]
    safety_settings: Any
    cached_content: str
    dialect: str
    previous_response_id: str
    is_answer_kept: bool


class CompletionFields(SamplingFields, total=False):
    """Keywords of `complete` and `stream_complete`."""

    best_of: int
    echo: bool
    logprobs: int
    suffix: str


class EmbeddingFields(TypedDict, total=False):
    """Keywords of `embed`."""

    dimensions: int
    encoding_format: str
    user: str
    extra: str


class CallFields(TypedDict, total=False):
    """Keywords of every call that are not part of the request.

    timeout_s: seconds for the whole call, retries included; replaces the client's.
    request_id: sent as `x-request-id`, kept by the gateway in logs and errors; made when absent.
    headers: further metadata, lower-case names.
    max_retries: replaces the client's; 0 = never.
    """

    timeout_s: float
    request_id: str
    headers: Mapping[str, str]
    max_retries: int


class ChatKeywords(ChatFields, CallFields, total=False):
    """Keywords of `chat` and `stream_chat`, and of the call."""


class CompletionKeywords(CompletionFields, CallFields, total=False):
    """Keywords of `complete` and `stream_complete`, and of the call."""


class EmbeddingKeywords(EmbeddingFields, CallFields, total=False):
    """Keywords of `embed`, and of the call."""


def split(keywords: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(fields of the request, keywords of the call)."""
    names = CallFields.__annotations__
    fields = {name: value for name, value in keywords.items() if name not in names}
    return fields, {name: value for name, value in keywords.items() if name in names}


def chat_request(
    request: ChatRequest | None,
    model: str | None,
    messages: str | MessageLike | Iterable[MessageLike] | None,
    fields: Mapping[str, Any],
) -> ChatRequest:
    """A ChatRequest; `model` and `messages` are required unless `request` has them."""
    made = _started(ChatRequest, request, model)
    if messages is not None:
        made.messages = messages_from(messages)
    return _filled(made, fields)


def completion_request(
    request: CompletionRequest | None, model: str | None, prompt: TextLike | None, fields: Mapping[str, Any]
) -> CompletionRequest:
    """A CompletionRequest; see `chat_request`."""
    made = _started(CompletionRequest, request, model)
    if prompt is not None:
        made.prompt = text_input(prompt, "prompt")
    return _filled(made, fields)


def embedding_request(
    request: EmbeddingRequest | None, model: str | None, input: TextLike | None, fields: Mapping[str, Any]
) -> EmbeddingRequest:
    """An EmbeddingRequest; see `chat_request`."""
    made = _started(EmbeddingRequest, request, model)
    if input is not None:
        made.input = text_input(input, "input")
    return _filled(made, fields)


def text_input(value: TextLike, place: str) -> TextInput:
    """One text, several texts, one list of token ids, or several."""
    if isinstance(value, TextInput):
        return value
    if isinstance(value, str):
        return TextInput(form=InputForm.STRING, texts=[value])
    items: list[Any] = list(value)
    if all(isinstance(item, str) for item in items):
        return TextInput(form=InputForm.STRINGS, texts=items)
    if all(isinstance(item, int) for item in items):
        return TextInput(form=InputForm.TOKENS, tokens=[TokenSequence(ids=items)])
    if any(isinstance(item, str | int) for item in items):
        raise TypeError(f"{place}: a string, a list of strings, a list of token ids or a list of such lists; not mixed")
    sequences = [TokenSequence(ids=list(item)) for item in items]
    return TextInput(form=InputForm.TOKEN_ARRAYS, tokens=sequences)


def _started(cls: type[R], request: R | None, model: str | None) -> R:
    if request is not None and not isinstance(request, cls):
        raise TypeError(f"expected a {cls.__name__} or keywords (model=..., ...), not {type(request).__name__}")
    made = copy.copy(request) if request is not None else cls()
    if model is not None:
        made.model = model  # type: ignore[attr-defined]  # every request has one
    if not made.model:  # type: ignore[attr-defined]  # every request has one
        raise ValueError("model: required; list_models() names the ones this key may use")
    return made


def _filled(message: R, fields: Mapping[str, Any]) -> R:
    names = {field.name for field in dataclasses.fields(message)}  # type: ignore[arg-type]  # messages are dataclasses
    for name, value in fields.items():
        if value is None:
            continue
        if f"{name}_json" in names and name not in names:
            setattr(message, f"{name}_json", value if isinstance(value, str) else json_text(value))
        elif name in names:
            setattr(message, name, _CONVERT[name](value) if name in _CONVERT else value)
        else:
            known = names | {field.removesuffix("_json") for field in names}
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise TypeError(f"{type(message).__name__} has no field {name!r}{hint}")
        if name == "stop" and isinstance(value, str):
            message.is_stop_string = True  # type: ignore[attr-defined]  # both that have stop have it
    return message


def _tool_choice(value: Any) -> ToolChoice:
    if isinstance(value, ToolChoice):
        return value
    if isinstance(value, str):
        return ToolChoice(mode=value)
    kind = value["type"]
    return ToolChoice(mode="tool", type=kind, name=value[kind]["name"])


def _response_format(value: Any) -> ResponseFormat:
    if isinstance(value, ResponseFormat):
        return value
    made = ResponseFormat(type=value["type"])
    if inner := value.get("json_schema"):
        schema = json_text(inner["schema"]) if "schema" in inner else None
        made.json_schema = JsonSchemaFormat(
            name=inner.get("name"), description=inner.get("description"), schema_json=schema, strict=inner.get("strict")
        )
    return made


def _mapped(cls: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda value: cls(**value) if isinstance(value, Mapping) else value


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "stop": lambda value: [value] if isinstance(value, str) else list(value),
    "tools": lambda tools: [tool_from(tool, f"tools[{index}]") for index, tool in enumerate(tools)],
    "tool_choice": _tool_choice,
    "response_format": _response_format,
    "stream_options": _mapped(StreamOptions),
    "thinking": _mapped(ThinkingConfig),
    "metadata": dict,
    "modalities": list,
}
