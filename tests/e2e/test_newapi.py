"""new-api on the listener of its profile: keys and errors of its relay, groups, money, and formats beside OpenAI's.

Ids N4 to N31 are those of the acceptance list of that system; `/api` is in test_newapi_management.py.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio

from gateway.accounts.shared import SYSTEM
from gateway.routing.board import Board
from gateway.routing.facts import Facts
from gateway.routing.plan import make_plan
from tests.support.personalities import SECOND, Personalities
from tests.support.raw import Answer, ask
from tests.support.recorder import COMPLETION, Scripted, Seen
from tests.support.sdk import sdk_of
from tests.support.several import COUNT
from tests.support.simulated import unique
from tests.support.waiting import eventually

TURNS = [{"role": "user", "content": "hi"}]


@dataclass(slots=True)
class NewApi:
    """The listener, and a key of a user with money."""

    gates: Personalities
    url: str
    user_id: str
    key: str

    async def ask(self, path: str, body: Any = None, key: str | None = "", **more: Any) -> Answer:
        """A request, with the key unless another is given."""
        return await ask(self.url + path, body, self.key if key == "" else key, **more)

    async def chat(self, model: str = "m-large", key: str | None = "", **more: Any) -> Answer:
        """One chat."""
        return await self.ask("/v1/chat/completions", {"model": model, "messages": TURNS, **more}, key)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def newapi(gates: Personalities) -> NewApi:
    """A gateway that is new-api."""
    user_id = await gates.user()
    return NewApi(gates, gates.url("newapi"), user_id, await gates.key("newapi", user_id))


async def test_N4_a_model_of_another_group(newapi: NewApi) -> None:
    """It is not found and not listed; a key of the group has it."""
    groups, gates = newapi.gates.accounts.groups, newapi.gates
    everything_else = ["m-large", "m-small", "sim*"]
    await groups.put("plain", {"models": everything_else}, SYSTEM)
    await groups.put("vip", {"models": [*everything_else, "m-vip"]}, SYSTEM)
    plain = await gates.key("newapi", await gates.user(group_id="plain"))
    vip = await gates.key("newapi", await gates.user(group_id="vip"))
    error = (await newapi.chat("m-vip", plain)).error(404, "model_not_found", "model")
    assert "`plain`" in error["message"]
    (await newapi.chat("m-vip", vip)).ok()
    listed = {key: (await newapi.ask("/v1/models", key=key)).ok().body["data"] for key in (plain, vip)}
    assert "m-vip" not in {item["id"] for item in listed[plain]}
    assert "m-vip" in {item["id"] for item in listed[vip]}
    (await newapi.ask("/v1/models/m-vip", key=plain)).error(404, "model_not_found")


@pytest.mark.parametrize("form", ["bearer", "lower", "bare", "x-api-key"])
async def test_N5_chat(newapi: NewApi, form: str) -> None:
    """The documented call; the key as bearer in any case, bare, or in `x-api-key`."""
    forms = {
        "bearer": {"authorization": f"Bearer {newapi.key}"},
        "lower": {"authorization": f"bearer {newapi.key}"},
        "bare": {"authorization": newapi.key},
        "x-api-key": {"x-api-key": newapi.key},
    }
    body = {"model": "m-large", "messages": TURNS}
    answer = await newapi.ask("/v1/chat/completions", body, None, headers=forms[form])
    assert answer.ok().content == "You said: hi"


async def test_N6_stream(newapi: NewApi) -> None:
    """Chunks and the end mark; usage in exactly one chunk when it was asked for."""
    answer = (await newapi.chat(stream=True)).ok()
    assert (answer.content, answer.is_done) == ("You said: hi", True)
    assert not [chunk for chunk in answer.chunks if chunk.get("usage")]
    asked = (await newapi.chat(stream=True, stream_options={"include_usage": True})).ok()
    assert len([chunk for chunk in asked.chunks if chunk.get("usage")]) == 1


async def test_N7_embeddings(newapi: NewApi) -> None:
    """The documented call."""
    body = (await newapi.ask("/v1/embeddings", {"model": "m-embed", "input": "hi"})).ok().body
    assert body["data"][0]["embedding"]


@pytest.mark.parametrize("key", [None, "sk-wrong", "xmg_abc", "gw-test.a-key-for-tests"])
async def test_N9_401(newapi: NewApi, key: str | None) -> None:
    """No key, a wrong one, one of another prefix: new-api's error."""
    error = (await newapi.chat(key=key)).error(401, "invalid_api_key")
    assert error["type"] == "new_api_error"
    assert error["param"] == ""


async def test_N10_an_empty_wallet(newapi: NewApi) -> None:
    """402 with the documented code; the provider is not called."""
    model = unique("sim")
    poor = await newapi.gates.key("newapi", await newapi.gates.user(0))
    (await newapi.chat(model, poor)).error(402, "insufficient_user_quota")
    assert (await newapi.gates.simulator.counts(model)).requests == 0


async def test_N11_an_unknown_model(newapi: NewApi) -> None:
    """404, in new-api's words."""
    error = (await newapi.chat("m-nobody")).error(404, "model_not_found", "model")
    assert error["type"] == "new_api_error"


async def test_N12_too_many_requests(newapi: NewApi) -> None:
    """429 with a body and a time to come again, and without headers of other families."""
    key = await newapi.gates.key("newapi", newapi.user_id, limits={"requests_per_minute": 1})
    first = (await newapi.chat(key=key)).ok()
    refused = await newapi.chat(key=key)
    refused.error(429, "rate_limit_exceeded")
    assert int(refused.headers["retry-after"]) >= 1
    assert not [name for name in {**first.headers, **refused.headers} if name.startswith("x-ratelimit")]


async def test_N13_every_provider_fails(newapi: NewApi) -> None:
    """The provider's 5xx, of an upstream error, and nothing is charged."""
    user_id = await newapi.gates.user(10)
    key = await newapi.gates.key("newapi", user_id)
    error = (await newapi.chat("sim-status-503", key)).error(503)
    assert (error["type"], error["param"]) == ("upstream_error", "503")
    assert await newapi.gates.wallet(user_id) == (10_000_000, 0)


async def test_N14_the_sdk_knows_the_errors(newapi: NewApi) -> None:
    """Each status is the exception it should be, with the message."""
    gates = newapi.gates
    poor = await gates.key("newapi", await gates.user(0))
    slow = await gates.key("newapi", newapi.user_id, limits={"requests_per_minute": 1})
    (await newapi.chat(key=slow)).ok()
    cases: list[tuple[str, str, type[openai.APIStatusError], int]] = [
        ("sk-wrong", "m-large", openai.AuthenticationError, 401),
        (newapi.key, "m-nobody", openai.NotFoundError, 404),
        (slow, "m-large", openai.RateLimitError, 429),
        (poor, "m-large", openai.APIStatusError, 402),
    ]
    for key, model, wanted, status in cases:
        sdk = sdk_of("async", f"{newapi.url}/v1", key)
        with pytest.raises(wanted) as caught:
            await sdk.chat(model)
        assert caught.value.status_code == status
        assert "(request id: " in caught.value.message
        await sdk.close()


@pytest.mark.parametrize("status", [200, 503])
async def test_N15_held_settled_and_given_back(newapi: NewApi, status: int) -> None:
    """While the call runs its bound is held; afterwards exactly its cost is gone, after a failure nothing."""
    user_id = await newapi.gates.user(10)
    key = await newapi.gates.key("newapi", user_id)
    model = unique("sim-wait-400" if status == 200 else f"sim-wait-400-status-{status}")
    slow = asyncio.create_task(newapi.chat(model, key, max_tokens=10))

    async def is_held() -> bool:
        return (await newapi.gates.wallet(user_id) or (0, 0))[1] > 0

    await eventually(is_held, "a hold")
    answer = await slow
    assert answer.status == status
    usage = answer.body.get("usage") or {"prompt_tokens": 0, "completion_tokens": 0}
    cost = usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000
    assert await newapi.gates.wallet(user_id) == (10_000_000 - cost, 0)


async def test_N16_the_ratio_formula(newapi: NewApi) -> None:
    """The worked example: model ratio 1.25, completion ratio 4, group 0.8, 400 of 1000 cached: 1600 units."""
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 200,
        "total_tokens": 1200,
        "prompt_tokens_details": {"cached_tokens": 400},
    }

    def answer(_: Seen) -> Scripted:
        return Scripted(body=json.dumps({**COMPLETION, "usage": usage}).encode())

    newapi.gates.scripted.answer = answer
    await newapi.gates.accounts.groups.put("four-fifths", {"ratio_ppm": 800_000}, SYSTEM)
    user_id = await newapi.gates.user(10, group_id="four-fifths")
    key = await newapi.gates.key("newapi", user_id)
    (await newapi.chat("n16", key, max_tokens=200)).ok()
    assert await newapi.gates.wallet(user_id) == (10_000_000 - 1600 * 2, 0)


async def test_N17_a_fixed_price(newapi: NewApi) -> None:
    """0.04 USD a call for a group that pays half: 20,000 units for two calls."""
    await newapi.gates.accounts.groups.put("half", {"ratio_ppm": 500_000}, SYSTEM)
    user_id = await newapi.gates.user(10, group_id="half")
    key = await newapi.gates.key("newapi", user_id)
    for _ in range(2):
        (await newapi.chat("n17", key)).ok()
    assert await newapi.gates.wallet(user_id) == (10_000_000 - 20_000 * 2, 0)


async def test_N18_a_rich_wallet_is_not_held(newapi: NewApi) -> None:
    """More than `trust_factor` times the estimate: nothing is held while the call runs, the charge is the same."""
    user_id = await newapi.gates.user(100_000)
    key = await newapi.gates.key("newapi", user_id)
    model = unique("sim-first-1000")
    slow = asyncio.create_task(newapi.chat(model, key, max_tokens=10))
    await newapi.gates.simulator.last(model)
    assert await newapi.gates.wallet(user_id) == (100_000_000_000, 0)
    assert not slow.done()
    usage = (await slow).ok().body["usage"]
    cost = usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000
    assert cost > 0
    assert await newapi.gates.wallet(user_id) == (100_000_000_000 - cost, 0)


async def test_N19_priority_and_weight(newapi: NewApi) -> None:
    """Of eighty calls none is for the lower tier, and three of four are for the weight of three within five
    deviations; where plans can be seen, the lower tier is last in each, and draws follow the weights within three.
    """
    simulator, before = newapi.gates.simulator, {}
    for model in ("sim-tag-n19low", "sim-tag-n19one", "sim-tag-n19three"):
        before[model] = (await simulator.counts(model)).requests
    for answer in await asyncio.gather(*(newapi.chat("n19") for _ in range(80))):
        answer.ok()
    low, one, three = [(await simulator.counts(model)).requests - before[model] for model in before]
    assert (low, one + three) == (0, 80)
    assert abs(three - 60) <= 5 * (80 * 0.75 * 0.25) ** 0.5
    if newapi.gates.inside is None:
        return
    entry = newapi.gates.inside.kit.runtime.catalogue.find("n19")
    assert entry is not None
    draw = random.Random(19).random
    plans = [make_plan(entry, Facts("n19"), Board(), draw, 0.0) for _ in range(2000)]
    assert {plan.candidates[-1].upstream_model for plan in plans} == {"sim-tag-n19low"}
    threes = sum(plan.candidates[0].upstream_model == "sim-tag-n19three" for plan in plans)
    assert abs(threes - 1500) <= 3 * (2000 * 0.75 * 0.25) ** 0.5


async def test_N20_retry_at_the_next_provider(newapi: NewApi) -> None:
    """After a 500 the second is asked; not after a 400, and not once a byte of a stream was sent."""
    simulator = newapi.gates.simulator
    asked = (await simulator.counts(SECOND)).requests
    assert (await newapi.chat("n20")).ok().content == "You said: hi"
    assert (await simulator.counts(SECOND)).requests == asked + 1
    (await newapi.chat("n20-refused")).error(400)
    cut = await newapi.chat("n20-cut", stream=True)
    assert cut.status == 200
    assert not cut.is_done
    error = cut.chunks[-1]["error"]
    assert error["type"] == "upstream_error"
    assert "(request id: " in error["message"]
    assert (await simulator.counts(SECOND)).requests == asked + 1


async def test_N21_a_refused_key_is_left_out_for_a_while(newapi: NewApi) -> None:
    """After a provider's 401 its deployment is off, for each service that saw one; when a test call succeeds, it is on
    again.
    """
    simulator, first = newapi.gates.simulator, "sim-status-401-times-1-tag-n21"
    for _ in range(9):
        (await newapi.chat("n21-off")).ok()
    assert 1 <= (await simulator.counts("sim-status-401-tag-n21off")).requests <= (1 if newapi.gates.inside else COUNT)

    async def is_on() -> bool:
        (await newapi.chat("n21")).ok()
        return (await simulator.counts(first)).completed >= 2

    await eventually(is_on, "the deployment's return")


async def test_N22_model_mapping(newapi: NewApi) -> None:
    """The provider is asked by its own name for the model; that name is in the reply, or the one that was asked for."""
    for model, name in (("n22", "sim-tag-n22real"), ("n22-own", "n22-own")):
        assert (await newapi.chat(model)).ok().body["model"] == name
        assert {chunk["model"] for chunk in (await newapi.chat(model, stream=True)).ok().chunks} == {name}
        assert (await newapi.gates.simulator.last("sim-tag-n22real"))["body"]["model"] == "sim-tag-n22real"


@pytest.mark.parametrize("model", ["m-large", "claude-3-native"])
async def test_N23_the_sdk_of_anthropic(newapi: NewApi, model: str) -> None:
    """Whole and streamed, against a provider of OpenAI's format and one of Anthropic's; errors in its shape."""
    client = anthropic.AsyncAnthropic(base_url=newapi.url, api_key=newapi.key, max_retries=0)
    asked: Any = {"model": model, "max_tokens": 50, "messages": TURNS}
    whole: Any = await client.messages.create(**asked)
    assert whole.content[0].text == "You said: hi"
    async with client.messages.stream(**asked) as stream:
        assert await stream.get_final_text() == "You said: hi"
    with pytest.raises(anthropic.NotFoundError) as caught:
        await client.messages.create(**{**asked, "model": "m-nobody"})
    body: Any = caught.value.body
    assert body["error"]["type"] == "new_api_error"
    await client.close()


async def test_N28_unknown_and_unsupported_paths(newapi: NewApi) -> None:
    """404 that names the URL, without a request id; 501 for what new-api does not have either."""
    error = (await newapi.ask("/v1/nope")).error(404, "", "")
    assert error["message"] == "Invalid URL (GET /v1/nope)"
    assert error["type"] == "invalid_request_error"
    for path in ("/v1/images/variations", "/v1/files", "/v1/fine-tunes"):
        (await newapi.ask(path, {"x": 1})).error(501, "api_not_implemented")
    (await newapi.ask("/v1/files")).error(501, "api_not_implemented")
    for path in ("/auth/me", "/stats", "/metrics"):
        (await newapi.ask(path)).error(404)


async def test_N30_what_a_key_may_not(newapi: NewApi) -> None:
    """Another address 403, another model 403, expired 401, used up 401."""
    gates, user_id = newapi.gates, newapi.user_id
    elsewhere = await gates.key("newapi", user_id, allowed_ips=["203.0.113.0/24"])
    (await newapi.chat(key=elsewhere)).error(403)
    narrow = await gates.key("newapi", user_id, models=["m-small"])
    (await newapi.chat("m-large", narrow)).error(403)
    (await newapi.chat("m-small", narrow)).ok()
    brief = await gates.key("newapi", user_id, expires_at_ms=int(gates.clock.wall_s() * 1000) + 2000)
    (await newapi.chat(key=brief)).ok()
    await gates.passes(3)
    (await newapi.chat(key=brief)).error(401)
    spent = await gates.key("newapi", user_id, max_budget_usd_micros=1)
    (await newapi.chat("sim", spent)).error(401, "insufficient_user_quota")


async def test_N31_the_request_id(newapi: NewApi) -> None:
    """In a header of every answer, streams included, and in the message of a failure."""
    for is_stream in (False, True):
        assert (await newapi.chat(stream=is_stream)).ok().headers["x-oneapi-request-id"]
    refused = await newapi.chat(key="sk-wrong")
    request_id = refused.headers["x-oneapi-request-id"]
    assert refused.error(401)["message"].endswith(f"(request id: {request_id})")
