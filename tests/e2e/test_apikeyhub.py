"""API Key Hub's documented API on the listener of its profile: `sk-` keys, a public model list, limits in headers.

Ids K1 to K22 are those of the acceptance list of that system. Limits move on a clock of the tests' own; where time is
real (several services), K17 ends with the refusal; test_profiles_of_several_services waits for the window's end.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from gateway.core.tariff import Counts
from tests.support.personalities import MODELS, Personalities
from tests.support.raw import Answer, ask

VOCABULARY = {"chat", "code", "vision", "function_calling", "json_mode", "embedding"}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "clock", "description": "d", "parameters": {"type": "object"}}},
]
RPM, TPM = 3, 1000
LIMITS = {"requests_per_minute": RPM, "tokens_per_minute": TPM}


@dataclass(frozen=True, slots=True)
class Hub:
    """The listener, a key without limits, and eight with."""

    url: str
    key: str
    gates: Personalities
    limited: list[str]

    @property
    def base_url(self) -> str:
        """The documented base URL."""
        return f"{self.url}/v1"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(gates: Personalities) -> Hub:
    """A gateway that is API Key Hub."""
    user_id = await gates.user()
    limited = [await gates.key("apikeyhub", user_id, limits=LIMITS) for _ in range(8)]
    return Hub(gates.url("apikeyhub"), await gates.key("apikeyhub", user_id), gates, limited)


async def chat(hub: Hub, model: str = "m-large", key: str | None = "", **body: Any) -> Answer:
    """One chat; members of the body as given."""
    given = {"model": model, "messages": [{"role": "user", "content": "hi"}], **body}
    return await ask(f"{hub.base_url}/chat/completions", given, hub.key if key == "" else key)


async def embed(hub: Hub, model: str = "m-embed", **body: Any) -> Answer:
    """One embeddings call."""
    return await ask(f"{hub.base_url}/embeddings", {"model": model, "input": "hello world", **body}, hub.key)


async def upstream(hub: Hub, model: str = "m-large") -> dict[str, Any]:
    """The body of the newest request the provider saw for a model."""
    body: dict[str, Any] = (await hub.gates.simulator.last(model))["body"]
    return body


async def test_K1_every_endpoint_but_models_needs_a_key(hub: Hub) -> None:
    """Without a key, and with a wrong one, chat and embeddings are 401."""
    for key in (None, "sk-wrong.secret", hub.key.removeprefix("sk-"), hub.key[:-1], "gw-test.a-key-for-tests"):
        (await chat(hub, key=key)).error(401, "invalid_api_key")
        body = {"model": "m-embed", "input": "x"}
        (await ask(f"{hub.base_url}/embeddings", body, key)).error(401, "invalid_api_key")


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer sk-wrong.secret", "Basic x", "Bearer a b", "ünï"]
)
async def test_K2_models_are_public(hub: Hub, authorization: str | None) -> None:
    """The list answers everybody, whatever stands in Authorization."""
    headers = {} if authorization is None else {"authorization": authorization}
    answer = (await ask(f"{hub.base_url}/models", headers=headers)).ok()
    assert "m-large" in [item["id"] for item in answer.body["data"]]


async def test_K3_model_metadata(hub: Hub) -> None:
    """Each item says what it can do (in the known words), its whole-number window and its prices per million."""
    listed = (await ask(f"{hub.base_url}/models")).ok().body
    assert listed["object"] == "list"
    assert len(listed["data"]) == sum("*" not in name for model in MODELS.values() for name in model["names"])
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


async def test_K4_documented_parameters_reach_upstream(hub: Hub) -> None:
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
async def test_K5_ranges(hub: Hub, member: str, value: Any) -> None:
    """Outside its range a member is refused by name, and no provider is asked."""
    before = await hub.gates.simulator.counts("m-large")
    error = (await chat(hub, **{member: value})).error(400, param=member)
    assert error["type"] == "invalid_request_error"
    assert await hub.gates.simulator.counts("m-large") == before


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
async def test_K5_the_ends_of_the_ranges_are_inside(hub: Hub, member: str, value: Any) -> None:
    """The documented limits themselves are allowed."""
    (await chat(hub, **{member: value})).ok()


@pytest.mark.parametrize("stop", ["STOP", ["one"], ["one", "two", "three", "four"]])
async def test_K6_stop(hub: Hub, stop: Any) -> None:
    """A string stays a string, a list of up to four a list; both end the text."""
    answer = (await chat(hub, messages=[{"role": "user", "content": "zero STOP one two"}], stop=stop)).ok()
    assert (await upstream(hub))["stop"] == stop
    first = stop if isinstance(stop, str) else stop[0]
    assert first not in answer.content
    assert answer.content.startswith("You said: zero")


async def test_K7_name(hub: Hub) -> None:
    """The name of a message's author is forwarded."""
    messages = [{"role": "user", "name": "ana", "content": "hi"}]
    (await chat(hub, messages=messages)).ok()
    assert (await upstream(hub))["messages"] == messages


async def test_K8_tools_round_trip(hub: Hub) -> None:
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
async def test_K9_tool_choice(hub: Hub, choice: Any, called: str | None) -> None:
    """Each form of the choice reaches the provider and is honoured."""
    answer = (await chat(hub, tools=TOOLS, tool_choice=choice)).ok().body["choices"][0]["message"]
    assert (await upstream(hub))["tool_choice"] == choice
    assert [call["function"]["name"] for call in answer.get("tool_calls") or ()] == ([called] if called else [])


async def test_K10_json_mode(hub: Hub) -> None:
    """JSON mode is forwarded, and the content is a JSON object."""
    answer = (await chat(hub, response_format={"type": "json_object"})).ok()
    assert isinstance(json.loads(answer.content), dict)
    (await chat(hub, "m-text", response_format={"type": "json_object"})).error(400, param="response_format")


async def test_K11_stream(hub: Hub) -> None:
    """Deltas, one finish reason, then the end marker."""
    answer = (await chat(hub, stream=True)).ok()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content == "You said: hi"
    assert [c["finish_reason"] for chunk in answer.chunks for c in chunk["choices"]].count("stop") == 1
    assert answer.is_done
    assert not answer.is_cut


async def test_K12_defaults_are_not_invented(hub: Hub) -> None:
    """What the caller left out is left out upstream."""
    (await chat(hub, "m-text")).ok()
    assert await upstream(hub, "m-text") == {"model": "m-text", "messages": [{"role": "user", "content": "hi"}]}
    await embed(hub, "m-embed-fixed")
    assert await upstream(hub, "m-embed-fixed") == {"model": "m-embed-fixed", "input": "hello world"}


async def test_K13_embeddings(hub: Hub) -> None:
    """The documented call has the documented shape."""
    body = (await embed(hub, encoding_format="float")).ok().body
    assert set(body) == {"object", "data", "model", "usage"}
    assert (body["object"], body["model"]) == ("list", "m-embed")
    assert [(item["object"], item["index"]) for item in body["data"]] == [("embedding", 0)]
    assert all(isinstance(value, float) for value in body["data"][0]["embedding"])
    assert body["usage"] == {"prompt_tokens": 2, "total_tokens": 2}


async def test_K14_base64_is_the_same_vector(hub: Hub) -> None:
    """base64 holds the very float32 values of the float form, little-endian."""
    floats = (await embed(hub, encoding_format="float")).ok().body["data"][0]["embedding"]
    packed = (await embed(hub, encoding_format="base64")).ok().body["data"][0]["embedding"]
    assert isinstance(packed, str)
    assert base64.b64decode(packed, validate=True) == struct.pack(f"<{len(floats)}f", *floats)


async def test_K15_dimensions(hub: Hub) -> None:
    """256 numbers where the model can, 400 where it cannot, or not so many."""
    vector = (await embed(hub, dimensions=256)).ok().body["data"][0]["embedding"]
    assert len(vector) == 256
    (await embed(hub, "m-embed-fixed", dimensions=256)).error(400, param="dimensions")
    (await embed(hub, dimensions=4096)).error(400, param="dimensions")


def _rates(answer: Answer) -> dict[str, int]:
    names = [f"{what}-{dimension}" for what in ("limit", "remaining") for dimension in ("requests", "tokens")]
    return {name: int(answer.headers[f"x-ratelimit-{name}"]) for name in names}


@pytest.mark.parametrize(("number", "is_stream"), [(0, False), (1, True)])
async def test_K16_rate_headers(hub: Hub, number: int, is_stream: bool) -> None:
    """Four whole numbers on every success, streams included; requests fall by one, tokens by what was used."""
    first = (await chat(hub, key=hub.limited[number], stream=is_stream, max_tokens=10)).ok()
    second = (await chat(hub, key=hub.limited[number], stream=is_stream, max_tokens=10)).ok()
    before, after = _rates(first), _rates(second)
    assert (before["limit-requests"], before["limit-tokens"]) == (RPM, TPM)
    assert (before["remaining-requests"], after["remaining-requests"]) == (RPM - 1, RPM - 2)
    assert before["remaining-tokens"] - after["remaining-tokens"] == 4, "1 token of prompt, 3 of answer"
    assert "retry-after" not in first.headers


async def test_K17_requests_per_minute(hub: Hub) -> None:
    """One call too many is 429 with whole seconds to wait; after exactly that long the key works again."""
    key = hub.limited[2]
    for _ in range(RPM):
        (await chat(hub, key=key)).ok()
    refused = await chat(hub, key=key)
    refused.error(429, "rate_limit_exceeded")
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    wait_s = int(refused.headers["retry-after"])
    assert 1 <= wait_s <= 60
    if hub.gates.inside is not None:
        await hub.gates.passes(wait_s - 1)
        if wait_s > 1:
            (await chat(hub, key=key)).error(429)
        await hub.gates.passes(1)
        (await chat(hub, key=key)).ok()


async def test_K17_tokens_per_minute(hub: Hub) -> None:
    """Tokens run out although requests are left: 429, upstream not asked, and well again after `retry-after`."""
    key = hub.limited[3]
    (await chat(hub, key=key, messages=[{"role": "user", "content": "word " * 700}], max_tokens=200)).ok()
    before = await hub.gates.simulator.counts("m-large")
    refused = await chat(hub, key=key, max_tokens=300)
    error = refused.error(429, "rate_limit_exceeded")
    assert "tokens" in error["message"]
    assert int(refused.headers["x-ratelimit-remaining-requests"]) > 0
    assert await hub.gates.simulator.counts("m-large") == before
    wait_s = int(refused.headers["retry-after"])
    assert wait_s >= 1
    if hub.gates.inside is not None:
        await hub.gates.passes(wait_s)
        (await chat(hub, key=key, max_tokens=300)).ok()


async def test_K17_a_refused_call_costs_nothing(hub: Hub) -> None:
    """Refusals take neither requests nor tokens, and every reservation is settled."""
    key = hub.limited[4]
    for _ in range(RPM):
        (await chat(hub, key=key)).ok()
    answers = [await chat(hub, key=key) for _ in range(3)]
    assert len({answer.headers["x-ratelimit-remaining-tokens"] for answer in answers}) == 1
    assert hub.gates.inside is None or hub.gates.inside.kit.quota.open_count == 0


async def test_K18_keys_have_windows_of_their_own(hub: Hub) -> None:
    """One key at its limit leaves the other untouched."""
    for _ in range(RPM):
        (await chat(hub, key=hub.limited[5])).ok()
    (await chat(hub, key=hub.limited[5])).error(429)
    other = (await chat(hub, key=hub.limited[6])).ok()
    assert _rates(other)["remaining-requests"] == RPM - 1


async def test_K19_capabilities_bind(hub: Hub) -> None:
    """A model refuses what its capabilities do not list, by the member that needs it; one that lists it takes it."""
    content = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    vision = [{"role": "user", "content": content}]
    (await chat(hub, "m-text", messages=vision)).error(400, param="messages[0].content[1]")
    (await chat(hub, "m-text", tools=TOOLS)).error(400, param="tools")
    (await chat(hub, "m-large", messages=vision)).ok()
    (await chat(hub, "m-embed")).error(400, param="model")
    (await embed(hub, "m-text")).error(400, param="model")


async def test_K20_prices_are_what_is_counted(hub: Hub) -> None:
    """A call costs its tokens at the listed prices; a million in and a million out exactly the sum of the two."""
    listed = (await ask(f"{hub.base_url}/models")).ok().body["data"]
    [price] = [item["pricing"] for item in listed if item["id"] == "gpt-4o"]
    user_id = await hub.gates.user(10)
    usage = (await chat(hub, "gpt-4o", await hub.gates.key("apikeyhub", user_id))).ok().body["usage"]
    cost = usage["prompt_tokens"] * price["input_per_million"]
    cost += usage["completion_tokens"] * price["output_per_million"]
    assert await hub.gates.wallet(user_id) == (10_000_000 - math.ceil(cost), 0)
    if hub.gates.inside is None:
        return
    for item in [each for each in listed if each["id"] != "n17"]:  # which has a price per call, too
        entry = hub.gates.inside.kit.runtime.catalogue.find(item["id"])
        tariff = entry and entry.tariff
        assert tariff is not None
        cost_usd = tariff.cost_usd_micros(Counts(1_000_000, 1_000_000)) / 1_000_000
        assert math.isclose(cost_usd, item["pricing"]["input_per_million"] + item["pricing"]["output_per_million"])


@pytest.mark.parametrize(
    "model", ["gpt-4o", "claude-3-haiku-20240307", "claude-3-opus-20240229", "gemini-2.5-pro", "gemini-1.5-flash"]
)
async def test_K21_many_vendors_one_call(hub: Hub, model: str) -> None:
    """Ids of three vendors answer the same call, whole and streamed, under the name that was asked for."""
    answer = (await chat(hub, model)).ok()
    assert (answer.content, answer.body["model"]) == ("You said: hi", model)
    streamed = (await chat(hub, model, stream=True)).ok()
    assert (streamed.content, streamed.is_done) == ("You said: hi", True)


async def test_K22_keys_made_by_management_calls(gates: Personalities, hub: Hub) -> None:
    """A key made through the accounts' methods works with its next call; revoked, it is refused at once."""
    admin, accounts = gates.running.key, gates.running.url
    user_id = await gates.user()
    wanted = {"name": "dashboard", "profile": "apikeyhub"}
    own = (await ask(f"{accounts}/admin/users/{user_id}/keys", wanted, admin)).ok().body["key"]
    assert own.startswith("sk-")
    (await chat(hub, key=own)).ok()
    listed = (await ask(f"{accounts}/admin/users/{user_id}/keys", key=admin)).ok().body["keys"]
    (key_id,) = [each["id"] for each in listed if own.startswith(each["key_prefix"])]
    (await ask(f"{accounts}/auth/keys/{key_id}", key=admin, method="DELETE")).ok()
    (await chat(hub, key=own)).error(401, "invalid_api_key")


async def test_what_the_document_does_not_name_is_not_there(hub: Hub) -> None:
    """Formats of other gateways and management have no path on this listener."""
    body = {"model": "m-large", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    for path in ("/v1/messages", "/v1/responses", "/v1/completions", "/v1beta/models/m-large:generateContent"):
        (await ask(hub.url + path, body, hub.key)).error(404)
    for path in ("/auth/me", "/admin/users", "/metrics", "/openapi.json", "/stats", "/api/status"):
        (await ask(hub.url + path, key=hub.key)).error(404)
