"""What a request may look like: every documented range by its member, needs by capability, content by role."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.pipeline.admit import admit
from gateway.pipeline.kit import Runtime
from gateway.wire.openai import chat, completions, embeddings
from tests.unit.pipeline.kits import KEY, PEPPER, config_of, model, provider

URL = "http://127.0.0.1:9/v1"
HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
TOOL = {"type": "function", "function": {"name": "f"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}


def runtime(key: dict[str, Any] | None = None, **members: Any) -> Runtime:
    """One model `m` that can do everything but for `members`."""
    models = {"m": model("p", names=["m"], **members)}
    return Runtime.of(config_of({"p": provider(URL)}, models, key=key or {}), 1, PEPPER)


def check(body: dict[str, Any], decode: Any = chat.decode_request, made: Runtime | None = None) -> Any:
    """Admit a body."""
    made = made or runtime()
    return admit(made, made.keyring.identify(KEY, 0), decode(body))


def refusal(body: dict[str, Any], decode: Any = chat.decode_request, made: Runtime | None = None) -> GatewayError:
    """How a body is refused."""
    with pytest.raises(GatewayError) as caught:
        check(body, decode, made)
    return caught.value


INSIDE: dict[str, list[Any]] = {
    "temperature": [0, 2, 0.5, 2.0, None],
    "top_p": [0, 1, 0.1],
    "presence_penalty": [-2, 2, 0],
    "frequency_penalty": [-2, 2, 1.5],
    "n": [1, 128, 2.0],
    "max_tokens": [1, 10**6],
    "max_completion_tokens": [1],
    "stop": ["x", ["a", "b", "c", "d"], None, []],
    "seed": [0, -1, 2**62, 2**70],
    "logit_bias": [{}, {"50256": -100, "1": 100.0}, None],
    "metadata": [{str(at): "v" for at in range(16)}, {"k" * 64: "v" * 512}, None, {}],
    "tools": [[TOOL] * 128, []],
    "stream": [True, False],
    "user": ["u", ""],
}
OUTSIDE: dict[str, list[Any]] = {
    "temperature": [-0.1, 2.1, 10**20, 10**400, -(10**400), "1", True, [1], {}],
    "top_p": [-0.1, 1.1, "x"],
    "presence_penalty": [-2.1, 3],
    "frequency_penalty": [-3, 2.5],
    "n": [0, -1, 129, 10**20, 1.5, "2", True],
    "max_tokens": [0, -5, 1.5, -(10**20), "5"],
    "max_completion_tokens": [0, -1, "x"],
    "stop": [["a"] * 5, 5, [1], {}],
    "seed": ["x", 1.5],
    "logit_bias": [{"1": 101}, {"1": -100.5}, {"1": "a"}, {"1": True}, [], "x"],
    "logprobs": ["yes", 1],
    "metadata": [{str(at): "v" for at in range(17)}, {"k" * 65: "v"}, {"k": "v" * 513}, {"k": 1}, "x", []],
    "tools": [[TOOL] * 129, "x", {}],
    "stream": ["yes", 1],
    "stream_options": [5, "x"],
    "response_format": ["json", 5],
    "parallel_tool_calls": ["x"],
    "store": ["x"],
    "user": [5],
    "service_tier": [3],
    "reasoning_effort": [3],
    "messages": [[], "x", [1], None, 5],
}


def pairs(table: dict[str, list[Any]]) -> list[Any]:
    """One case per value."""
    return [
        pytest.param(name, value, id=f"{name}-{str(value)[:24]}") for name, values in table.items() for value in values
    ]


@pytest.mark.parametrize(("name", "value"), pairs(INSIDE))
def test_the_ends_of_every_range_are_inside(name: str, value: Any) -> None:
    """Null is as good as absent."""
    check({**HELLO, name: value})


@pytest.mark.parametrize(("name", "value"), pairs(OUTSIDE))
def test_outside_a_range_the_member_is_named(name: str, value: Any) -> None:
    """A number of any size, and any other type; the message names the member as well."""
    error = refusal({**HELLO, name: value})
    assert (error.kind, error.param) == (Kind.INVALID_REQUEST, name)
    assert f"`{name}`" in error.message
    assert len(error.message) < 300


def test_top_logprobs_need_logprobs() -> None:
    """0 to 20, and only with `logprobs`."""
    check({**HELLO, "logprobs": True, "top_logprobs": 0})
    check({**HELLO, "logprobs": True, "top_logprobs": 20})
    for members in (
        {"top_logprobs": 5},
        {"logprobs": False, "top_logprobs": 5},
        {"logprobs": True, "top_logprobs": 21},
    ):
        assert refusal({**HELLO, **members}).param == "top_logprobs"


def test_a_tool_without_a_name_is_shown_by_its_place() -> None:
    """The second of two."""
    tools = [TOOL, {"type": "function", "function": {}}]
    assert refusal({**HELLO, "tools": tools}).param == "tools[1].function.name"


@pytest.mark.parametrize(
    ("message", "param", "code"),
    [
        ({"content": "x"}, "messages[1].role", "missing_required_parameter"),
        ({"role": 5, "content": "x"}, "messages[1].role", "missing_required_parameter"),
        ({"role": "user"}, "messages[1].content", "missing_required_parameter"),
        ({"role": "user", "content": None}, "messages[1].content", "missing_required_parameter"),
        ({"role": "system"}, "messages[1].content", "missing_required_parameter"),
        ({"role": "user", "content": 5}, "messages[1].content", None),
        ({"role": "assistant", "content": {"a": 1}}, "messages[1].content", None),
    ],
)
def test_messages_by_role(message: dict[str, Any], param: str, code: str | None) -> None:
    """A role is needed everywhere, content of users and systems."""
    error = refusal({**HELLO, "messages": [HELLO["messages"][0], message]})
    assert (error.kind, error.param, error.code) == (Kind.INVALID_REQUEST, param, code)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "tool_calls": [{"id": "t", **TOOL}]},
        {"role": "assistant", "content": None, "refusal": "no"},
        {"role": "tool", "tool_call_id": "t", "content": "x"},
        {"role": "user", "content": ""},
        {"role": "user", "content": [{"type": "a-new-part", "x": 1}]},
        {"role": "a-new-role", "content": "x"},
    ],
)  # fmt: skip
def test_what_openai_allows_is_let_through(message: dict[str, Any]) -> None:
    """Also what is new to us: the provider knows its own format."""
    check({**HELLO, "messages": [message]})


@pytest.mark.parametrize(
    ("lacks", "members", "param"),
    [
        ("vision", {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE]}]},
         "messages[0].content[1]"),
        ("audio", {"messages": [{"role": "user", "content": [SOUND]}]}, "messages[0].content[0]"),
        ("audio", {"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}}, "modalities"),
        ("function_calling", {"tools": [TOOL]}, "tools"),
        ("json_mode", {"response_format": {"type": "json_object"}}, "response_format"),
        ("json_schema", {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}},
         "response_format"),
        ("chat", {}, "model"),
    ],
)  # fmt: skip
def test_what_a_model_cannot_do_is_refused_by_the_member_that_needs_it(
    lacks: str, members: dict[str, Any], param: str
) -> None:
    """A model with the capability takes the same request."""
    everything = ("chat", "vision", "audio", "function_calling", "json_mode", "json_schema", "embedding")
    body = {**HELLO, **members}
    check(body)
    error = refusal(body, made=runtime(capabilities=[each for each in everything if each != lacks]))
    assert (error.kind, error.param) == (Kind.UNSUPPORTED_PARAMETER, param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": "x", "max_tokens": -1}, "max_tokens"),
        ({"prompt": "x", "logprobs": 6}, "logprobs"),
        ({"prompt": "x", "best_of": 0}, "best_of"),
        ({"prompt": "x", "n": 200}, "n"),
        ({"prompt": "x", "stop": ["a"] * 5}, "stop"),
    ],
)
def test_legacy_completions(body: dict[str, Any], param: str) -> None:
    """Their own ranges; `max_tokens` may be zero there."""
    assert refusal({"model": "m", **body}, completions.decode_request).param == param
    check({"model": "m", "prompt": "x", "max_tokens": 0, "logprobs": 5, "best_of": 1}, completions.decode_request)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "x", "dimensions": 0}, "dimensions"),
        ({"input": "x", "dimensions": "3"}, "dimensions"),
        ({"input": "x", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "x", "encoding_format": 5}, "encoding_format"),
    ],
)
def test_embeddings(body: dict[str, Any], param: str) -> None:
    """At least one text or token list, none of them empty, at most 2,048."""
    error = refusal({"model": "m", **body}, embeddings.decode_request)
    assert (error.kind, error.param) == (Kind.INVALID_REQUEST, param)
    check({"model": "m", "input": ["a"] * 2048, "encoding_format": "base64"}, embeddings.decode_request)


@pytest.mark.parametrize(
    ("members", "asked", "is_fine"),
    [
        ({}, 64, False),
        ({"has_dimensions": True}, 64, True),
        ({"has_dimensions": True, "dimensions_default": 64}, 64, True),
        ({"has_dimensions": True, "dimensions_default": 64}, 65, False),
        ({"has_dimensions": True, "dimensions_allowed": [32, 64]}, 64, True),
        ({"has_dimensions": True, "dimensions_allowed": [32, 64]}, 48, False),
    ],
)
def test_dimensions_by_model(members: dict[str, Any], asked: int, is_fine: bool) -> None:
    """Only where the model has them, only the lengths it has."""
    body, made = {"model": "m", "input": "x", "dimensions": asked}, runtime(**members)
    if is_fine:
        check(body, embeddings.decode_request, made)
    else:
        error = refusal(body, embeddings.decode_request, made)
        assert (error.kind, error.param) == (Kind.UNSUPPORTED_PARAMETER, "dimensions")


def test_models() -> None:
    """No name, an unknown name, a name this key may not use: in this order, before anything else is looked at."""
    broken = {"messages": []}
    assert refusal(broken).param == "model"
    assert refusal({**broken, "model": "x"}).kind is Kind.MODEL_NOT_FOUND
    assert refusal({**broken, "model": 5}).param == "model"
    key = {"models": ("other-*",)}
    error = refusal({**broken, "model": "m"}, made=runtime(key=key))
    assert (error.kind, error.param) == (Kind.PERMISSION_DENIED, "model")
    assert len(refusal({**broken, "model": "x" * 10_000}).message) < 400
