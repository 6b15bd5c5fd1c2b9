"""API Key Hub's documented API on this gateway: `sk-` keys, a public model list with prices, limits told in headers.

Ids K1 to K21 are those of the acceptance list of that system. Limits move on a clock of the test's own.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.core.clock import ManualClock
from gateway.core.tariff import Counts
from tests.support.place import key_record
from tests.support.raw import Answer, ask
from tests.support.single import InProcess, single

KEY = "sk-main.secret-of-the-main-key"
SIMULATED = [{"provider": "simulator"}]
VOCABULARY = {"chat", "code", "vision", "function_calling", "json_mode", "embedding"}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "clock", "description": "d", "parameters": {"type": "object"}}},
]
RPM, TPM = 3, 1000


def _model(name: str, capabilities: str, price: tuple[str, str] = ("1.2", "4.8"), **members: Any) -> dict[str, Any]:
    pricing = {"input_usd_per_million": price[0], "output_usd_per_million": price[1]}
    return {
        "names": [name],
        "capabilities": capabilities.split(),
        "context_window_tokens": 64000,
        "pricing": pricing,
        "candidates": SIMULATED,
        **members,
    }


MODELS = {
    "m-large": _model("m-large", "chat code vision function_calling json_mode", owned_by="acme"),
    "m-text": _model("m-text", "chat code", ("0.15", "0.60"), owned_by="acme"),
    "gpt-4o": _model("gpt-4o", "chat vision function_calling json_mode", ("2.50", "10"), owned_by="openai"),
    "claude": _model("claude-sonnet-4", "chat vision function_calling", ("3", "15"), owned_by="anthropic"),
    "claude-any": _model("claude-*", "chat", ("3", "15"), owned_by="anthropic"),
    "gemini": _model("gemini-2.5-pro", "chat vision", ("1.25", "10.00"), owned_by="google"),
    "gemini-any": _model("gemini-*", "chat", ("1.25", "10.00"), owned_by="google"),
    "m-embed": _model("m-embed", "embedding", ("0.02", "0"), has_dimensions=True, dimensions_default=1536),
    "m-embed-fixed": _model("m-embed-fixed", "embedding", ("0.1", "0")),
}
LIMITED = {f"k{number}": f"sk-limited{number}.secret" for number in range(8)}
LAYER = {
    "auth": {"key_prefix": "sk-"},
    "profiles": {"default": {"is_model_list_public": True, "rate_limit_headers": "openai"}},
    "keys": {
        slug: key_record(key, "sk-", limits={"requests_per_minute": RPM, "tokens_per_minute": TPM})
        for slug, key in LIMITED.items()
    },
}


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    """The time of the limits."""
    return ManualClock()


@pytest.fixture(scope="module")
async def hub(clock: ManualClock) -> AsyncIterator[InProcess]:
    """A gateway that is API Key Hub."""
    async with single(LAYER, files={"models.yaml": {"models": MODELS}}, clock=clock, key=KEY) as running:
        yield running


async def chat(hub: InProcess, model: str = "m-large", key: str | None = KEY, **body: Any) -> Answer:
    """One chat; members of the body as given."""
    given = {"model": model, "messages": [{"role": "user", "content": "hi"}], **body}
    return await ask(f"{hub.base_url}/chat/completions", given, key)


async def embed(hub: InProcess, model: str = "m-embed", **body: Any) -> Answer:
    """One embeddings call."""
    return await ask(f"{hub.base_url}/embeddings", {"model": model, "input": "hello world", **body}, KEY)


async def upstream(hub: InProcess, model: str = "m-large") -> dict[str, Any]:
    """The body of the newest request the provider saw for a model."""
    body: dict[str, Any] = (await hub.simulator.last(model))["body"]
    return body


async def test_K1_every_endpoint_but_models_needs_a_key(hub: InProcess) -> None:
    """Without a key, and with a wrong one, chat and embeddings are 401."""
    for key in (None, "sk-wrong.secret", KEY.removeprefix("sk-"), KEY[:-1]):
        (await chat(hub, key=key)).error(401, "invalid_api_key")
        for path, body in (("embeddings", {"model": "m-embed", "input": "x"}), ("completions", {"model": "m"})):
            (await ask(f"{hub.base_url}/{path}", body, key)).error(401, "invalid_api_key")


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer sk-wrong.secret", "Basic x", "Bearer a b", "ünï"]
)
async def test_K2_models_are_public(hub: InProcess, authorization: str | None) -> None:
    """The list answers everybody, whatever stands in Authorization."""
    headers = {} if authorization is None else {"authorization": authorization}
    answer = (await ask(f"{hub.base_url}/models", headers=headers)).ok()
    assert "m-large" in [item["id"] for item in answer.body["data"]]


async def test_K3_model_metadata(hub: InProcess) -> None:
    """Each item says what it can do (in the known words), its whole-number window and its prices per million."""
    listed = (await ask(f"{hub.base_url}/models")).ok().body
    assert listed["object"] == "list"
    assert len(listed["data"]) == 7
    for item in listed["data"]:
        assert item["object"] == "model"
        assert item["owned_by"]
        assert item["capabilities"]
        assert set(item["capabilities"]) <= VOCABULARY
        assert type(item["context_window"]) is int
        assert {"input_per_million", "output_per_million"} <= set(item["pricing"])
        assert all(type(price) in (int, float) for price in item["pricing"].values())
    [large] = [item for item in listed["data"] if item["id"] == "m-large"]
    assert large["capabilities"] == ["chat", "code", "vision", "function_calling", "json_mode"]
    assert (large["context_window"], large["owned_by"]) == (64000, "acme")
    assert large["pricing"] == {"input_per_million": 1.2, "output_per_million": 4.8}


async def test_K4_documented_parameters_reach_upstream(hub: InProcess) -> None:
    """Every documented member arrives as it was sent, its zeros and its kinds of number included."""
    given = {
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u", "name": "ana"}],
        "temperature": 0,
        "max_tokens": 7,
        "top_p": 0.9,
        "stream": False,
        "stop": ["a1", "b2"],
        "presence_penalty": -1.5,
        "frequency_penalty": 2,
        "tools": TOOLS,
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
    }
    (await chat(hub, **given)).ok()
    assert json.dumps(await upstream(hub), sort_keys=True) == json.dumps({"model": "m-large", **given}, sort_keys=True)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("temperature", 2.1),
        ("temperature", -0.1),
        ("top_p", 1.1),
        ("presence_penalty", 2.1),
        ("presence_penalty", -2.1),
        ("frequency_penalty", 2.1),
        ("frequency_penalty", -2.1),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("temperature", "hot"),
        ("max_tokens", 0),
    ],
)
async def test_K5_ranges(hub: InProcess, member: str, value: Any) -> None:
    """Outside its range a member is refused by name, and no provider is asked."""
    before = await hub.simulator.counts("m-large")
    error = (await chat(hub, **{member: value})).error(400, param=member)
    assert error["type"] == "invalid_request_error"
    assert await hub.simulator.counts("m-large") == before


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("temperature", 0),
        ("temperature", 2),
        ("top_p", 1),
        ("presence_penalty", -2.0),
        ("presence_penalty", 2.0),
        ("frequency_penalty", -2),
        ("frequency_penalty", 2),
    ],
)
async def test_K5_the_ends_of_the_ranges_are_inside(hub: InProcess, member: str, value: Any) -> None:
    """The documented limits themselves are allowed."""
    (await chat(hub, **{member: value})).ok()


@pytest.mark.parametrize("stop", ["STOP", ["one"], ["one", "two", "three", "four"]])
async def test_K6_stop(hub: InProcess, stop: Any) -> None:
    """A string stays a string, a list of up to four a list; both end the text."""
    answer = (await chat(hub, messages=[{"role": "user", "content": "zero STOP one two"}], stop=stop)).ok()
    assert (await upstream(hub))["stop"] == stop
    first = stop if isinstance(stop, str) else stop[0]
    assert first not in answer.content
    assert answer.content.startswith("You said: zero")


async def test_K7_name(hub: InProcess) -> None:
    """The name of a message's author is forwarded."""
    messages = [{"role": "user", "name": "ana", "content": "hi"}]
    (await chat(hub, messages=messages)).ok()
    assert (await upstream(hub))["messages"] == messages


async def test_K8_tools_round_trip(hub: InProcess) -> None:
    """A function tool is called; the follow-up with null content and a tool's result is answered."""
    user = {"role": "user", "content": "weather?"}
    answer = (await chat(hub, messages=[user], tools=TOOLS)).ok().body["choices"][0]
    assert answer["finish_reason"] == "tool_calls"
    [call] = answer["message"]["tool_calls"]
    assert call["function"]["name"] == "weather"
    assistant = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}
    follow = (await chat(hub, messages=[user, assistant, result], tools=TOOLS)).ok()
    assert follow.content == "The tool said: sunny"
    assert (await upstream(hub))["messages"] == [user, assistant, result]


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", None),
        ("auto", "weather"),
        ("required", "weather"),
        ({"type": "function", "function": {"name": "clock"}}, "clock"),
    ],
)
async def test_K9_tool_choice(hub: InProcess, choice: Any, called: str | None) -> None:
    """Each form of the choice reaches the provider and is honoured."""
    answer = (await chat(hub, tools=TOOLS, tool_choice=choice)).ok().body["choices"][0]["message"]
    assert (await upstream(hub))["tool_choice"] == choice
    assert [call["function"]["name"] for call in answer.get("tool_calls") or ()] == ([called] if called else [])


async def test_K10_json_mode(hub: InProcess) -> None:
    """JSON mode is forwarded, and the content is a JSON object."""
    answer = (await chat(hub, response_format={"type": "json_object"})).ok()
    assert isinstance(json.loads(answer.content), dict)
    (await chat(hub, "m-text", response_format={"type": "json_object"})).error(400, param="response_format")


async def test_K11_stream(hub: InProcess) -> None:
    """Deltas, one finish reason, then the end marker."""
    answer = (await chat(hub, stream=True)).ok()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content == "You said: hi"
    assert [c["finish_reason"] for chunk in answer.chunks for c in chunk["choices"]].count("stop") == 1
    assert answer.is_done
    assert not answer.is_cut


async def test_K12_defaults_are_not_invented(hub: InProcess) -> None:
    """What the caller left out is left out upstream."""
    (await chat(hub, "m-text")).ok()
    assert await upstream(hub, "m-text") == {"model": "m-text", "messages": [{"role": "user", "content": "hi"}]}
    await embed(hub, "m-embed-fixed")
    assert await upstream(hub, "m-embed-fixed") == {"model": "m-embed-fixed", "input": "hello world"}


async def test_K13_embeddings(hub: InProcess) -> None:
    """The documented call has the documented shape."""
    body = (await embed(hub, encoding_format="float")).ok().body
    assert set(body) == {"object", "data", "model", "usage"}
    assert (body["object"], body["model"]) == ("list", "m-embed")
    assert [(item["object"], item["index"]) for item in body["data"]] == [("embedding", 0)]
    assert all(isinstance(value, float) for value in body["data"][0]["embedding"])
    assert body["usage"] == {"prompt_tokens": 2, "total_tokens": 2}


async def test_K14_base64_is_the_same_vector(hub: InProcess) -> None:
    """base64 holds the very float32 values of the float form, little-endian."""
    floats = (await embed(hub, encoding_format="float")).ok().body["data"][0]["embedding"]
    packed = (await embed(hub, encoding_format="base64")).ok().body["data"][0]["embedding"]
    assert isinstance(packed, str)
    assert base64.b64decode(packed, validate=True) == struct.pack(f"<{len(floats)}f", *floats)


async def test_K15_dimensions(hub: InProcess) -> None:
    """256 numbers where the model can, 400 where it cannot, or not so many."""
    vector = (await embed(hub, dimensions=256)).ok().body["data"][0]["embedding"]
    assert len(vector) == 256
    (await embed(hub, "m-embed-fixed", dimensions=256)).error(400, param="dimensions")
    (await embed(hub, dimensions=4096)).error(400, param="dimensions")


def _rates(answer: Answer) -> dict[str, int]:
    names = [f"{what}-{dimension}" for what in ("limit", "remaining") for dimension in ("requests", "tokens")]
    return {name: int(answer.headers[f"x-ratelimit-{name}"]) for name in names}


@pytest.mark.parametrize(("slug", "is_stream"), [("k0", False), ("k1", True)])
async def test_K16_rate_headers(hub: InProcess, slug: str, is_stream: bool) -> None:
    """Four whole numbers on every success, streams included; requests fall by one, tokens by what was used."""
    first = (await chat(hub, key=LIMITED[slug], stream=is_stream, max_tokens=10)).ok()
    second = (await chat(hub, key=LIMITED[slug], stream=is_stream, max_tokens=10)).ok()
    before, after = _rates(first), _rates(second)
    assert (before["limit-requests"], before["limit-tokens"]) == (RPM, TPM)
    assert (before["remaining-requests"], after["remaining-requests"]) == (RPM - 1, RPM - 2)
    assert before["remaining-tokens"] - after["remaining-tokens"] == 4, "1 token of prompt, 3 of answer"
    assert "retry-after" not in first.headers


async def test_K17_requests_per_minute(hub: InProcess, clock: ManualClock) -> None:
    """One call too many is 429 with whole seconds to wait; after exactly that long the key works again."""
    key = LIMITED["k2"]
    for _ in range(RPM):
        (await chat(hub, key=key)).ok()
    refused = await chat(hub, key=key)
    refused.error(429, "rate_limit_exceeded")
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    wait_s = int(refused.headers["retry-after"])
    assert 1 <= wait_s <= 60
    clock.advance(wait_s - 1)
    if wait_s > 1:
        (await chat(hub, key=key)).error(429)
    clock.advance(1)
    (await chat(hub, key=key)).ok()


async def test_K17_tokens_per_minute(hub: InProcess, clock: ManualClock) -> None:
    """Tokens run out although requests are left: 429, upstream not asked, and well again after `retry-after`."""
    key = LIMITED["k3"]
    (await chat(hub, key=key, messages=[{"role": "user", "content": "word " * 700}], max_tokens=200)).ok()
    before = await hub.simulator.counts("m-large")
    refused = await chat(hub, key=key, max_tokens=300)
    error = refused.error(429, "rate_limit_exceeded")
    assert "tokens" in error["message"]
    assert int(refused.headers["x-ratelimit-remaining-requests"]) > 0
    assert await hub.simulator.counts("m-large") == before
    wait_s = int(refused.headers["retry-after"])
    assert wait_s >= 1
    clock.advance(wait_s)
    (await chat(hub, key=key, max_tokens=300)).ok()


async def test_K17_a_refused_call_costs_nothing(hub: InProcess) -> None:
    """Refusals take neither requests nor tokens, and every reservation is settled."""
    key = LIMITED["k4"]
    for _ in range(RPM):
        (await chat(hub, key=key)).ok()
    answers = [await chat(hub, key=key) for _ in range(3)]
    assert len({answer.headers["x-ratelimit-remaining-tokens"] for answer in answers}) == 1
    assert hub.quota.open_count == 0


async def test_K18_keys_have_windows_of_their_own(hub: InProcess) -> None:
    """One key at its limit leaves the other untouched."""
    for _ in range(RPM):
        (await chat(hub, key=LIMITED["k5"])).ok()
    (await chat(hub, key=LIMITED["k5"])).error(429)
    other = (await chat(hub, key=LIMITED["k6"])).ok()
    assert _rates(other)["remaining-requests"] == RPM - 1


async def test_K19_capabilities_bind(hub: InProcess) -> None:
    """A model refuses what its capabilities do not list, by the member that needs it; one that lists it takes it."""
    content = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    vision = [{"role": "user", "content": content}]
    (await chat(hub, "m-text", messages=vision)).error(400, param="messages[0].content[1]")
    (await chat(hub, "m-text", tools=TOOLS)).error(400, param="tools")
    (await chat(hub, "m-large", messages=vision)).ok()
    (await chat(hub, "m-embed")).error(400, param="model")
    (await embed(hub, "m-text")).error(400, param="model")


async def test_K20_prices_are_what_is_counted(hub: InProcess) -> None:
    """A million tokens in and a million out cost exactly the sum of the two listed prices."""
    listed = (await ask(f"{hub.base_url}/models")).ok().body["data"]
    catalogue = hub.half.kit.runtime.catalogue
    for item in listed:
        entry = catalogue.find(item["id"])
        assert entry is not None
        assert entry.tariff is not None
        cost_usd = entry.tariff.cost_usd_micros(Counts(1_000_000, 1_000_000)) / 1_000_000
        assert math.isclose(cost_usd, item["pricing"]["input_per_million"] + item["pricing"]["output_per_million"])


@pytest.mark.parametrize(
    "model", ["gpt-4o", "claude-sonnet-4", "claude-3-opus-20240229", "gemini-2.5-pro", "gemini-1.5-flash"]
)
async def test_K21_many_vendors_one_call(hub: InProcess, model: str) -> None:
    """Ids of three vendors answer the same call, whole and streamed, under the name that was asked for."""
    answer = (await chat(hub, model)).ok()
    assert (answer.content, answer.body["model"]) == ("You said: hi", model)
    streamed = (await chat(hub, model, stream=True)).ok()
    assert (streamed.content, streamed.is_done) == ("You said: hi", True)
