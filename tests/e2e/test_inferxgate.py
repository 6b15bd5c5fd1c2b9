"""InferXgate's documented API on the listener of its profile: keys and logins, accounts, statistics, 502 and limits.

Ids I1 to I23 are those of the acceptance list of that system; I21 in Go is run by hand (docs/profiles.md).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from tests.support.personalities import PASSWORD, Personalities
from tests.support.raw import Answer, ask
from tests.support.sdk import sdk_of, text_of
from tests.support.simulated import unique
from tests.support.waiting import eventually

JS = Path(__file__).resolve().parents[1] / "js"
NODE = shutil.which("node")
_numbers = itertools.count(1)
TURNS = [{"role": "user", "content": "hi"}]


@dataclass(slots=True)
class Gate:
    """The listener, a registered user's token, and a key made with it."""

    gates: Personalities
    url: str
    token: str = ""
    user: Any = None
    key: str = ""

    async def ask(self, path: str, body: Any = None, credential: str | None = None, **more: Any) -> Answer:
        """A request with a bearer."""
        return await ask(self.url + path, body, credential, **more)

    async def chat(self, model: str = "m-large", credential: str | None = "", **more: Any) -> Answer:
        """One chat, with the key unless another credential is given."""
        body = {"model": model, "messages": TURNS, **more}
        return await self.ask("/v1/chat/completions", body, self.key if credential == "" else credential)

    async def registered(self) -> Answer:
        """Somebody new."""
        return await self.ask("/auth/register", {"email": f"i{next(_numbers)}@example.org", "password": PASSWORD})

    async def new_key(self, **wanted: Any) -> Any:
        """The reply of making a key with the user's token."""
        return (await self.ask("/auth/keys", {"name": "ci", **wanted}, self.token)).ok().body


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gate(gates: Personalities) -> Gate:
    """A gateway that is InferXgate."""
    made = Gate(gates, gates.url("inferxgate"))
    body = (await made.registered()).ok().body
    made.token, made.user = body["token"], body["user"]
    await gates.top_up(made.user["id"], 1000)
    made.key = (await made.new_key(rate_limit_rpm=10_000))["key"]
    return made


async def test_I1_the_token_of_a_login_is_a_credential(gate: Gate) -> None:
    """It works on chat until it expires; a changed signature never does. Where time is real, the old one is signed
    so, by the services' own key and for the same session.
    """
    login = await gate.ask("/auth/login", {"email": gate.user["email"], "password": PASSWORD})
    token = login.ok().body["token"]
    (await gate.chat(credential=token)).ok()
    (await gate.chat(credential=token[:-4] + "AAAA")).error(401, "invalid_api_key")
    if gate.gates.inside is None:
        tokens, now_s = gate.gates.accounts.tokens(), gate.gates.clock.wall_s()
        session = tokens.check(token, now_s)
        (await gate.chat(credential=tokens.sign(session.user_id, session.session_id, now_s, {}))).ok()
        token = tokens.sign(session.user_id, session.session_id, now_s - 3700, {})
    else:
        await gate.gates.passes(3700)
    (await gate.chat(credential=token)).error(401, "invalid_api_key")
    login = await gate.ask("/auth/login", {"email": gate.user["email"], "password": PASSWORD})
    gate.token = login.ok().body["token"]


async def test_I2_a_key_as_bearer(gate: Gate) -> None:
    """`ix-api-key-` keys, and no others."""
    assert gate.key.startswith("ix-api-key-")
    (await gate.chat()).ok()
    for other in (None, "sk-abc.def", "gw-test.a-key-for-tests", gate.key[:-1], gate.key.removeprefix("ix-api-key-")):
        (await gate.chat(credential=other)).error(401, "invalid_api_key")


async def test_I3_a_key_as_x_api_key(gate: Gate) -> None:
    """The same key alone in `x-api-key`; beside `authorization` that one decides."""
    body = {"model": "m-large", "messages": TURNS}
    url = "/v1/chat/completions"
    (await gate.ask(url, body, headers={"x-api-key": gate.key})).ok()
    (await gate.ask(url, body, gate.key, headers={"x-api-key": "ix-api-key-wrong"})).ok()
    (await gate.ask(url, body, "ix-api-key-wrong", headers={"x-api-key": gate.key})).error(401)


async def test_I4_chat(gate: Gate) -> None:
    """The documented members with sane values."""
    body = (await gate.chat()).ok().body
    assert body["id"].startswith("chatcmpl-")
    assert (body["object"], body["model"]) == ("chat.completion", "m-large")
    assert isinstance(body["created"], int)
    [choice] = body["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    assert {"role": "assistant", "content": "You said: hi"}.items() <= choice["message"].items()
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


async def test_I5_chat_with_a_model_of_anthropic(gate: Gate) -> None:
    """It arrives as Messages, with the system prompt lifted and max_tokens set."""
    model = "claude-3-opus-20240229"
    turns = [{"role": "system", "content": "be kind"}, *TURNS]
    assert (await gate.chat(model, messages=turns)).ok().content == "You said: hi"
    seen = await gate.gates.simulator.last(model)
    assert seen["path"] == "/v1/messages"
    assert seen["body"]["system"] == "be kind"
    assert seen["body"]["max_tokens"] > 0
    assert [turn["role"] for turn in seen["body"]["messages"]] == ["user"]


async def test_I6_streaming(gate: Gate) -> None:
    """Frames of data, the first before the provider has finished, the last `[DONE]`."""
    model = unique("sim-chunks-40-pace-25")
    body = {"model": model, "messages": TURNS, "stream": True}
    headers = {"authorization": f"Bearer {gate.key}"}
    url = f"{gate.url}/v1/chat/completions"
    async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        first = await response.content.readline()
        assert first.startswith(b"data: {")
        assert (await gate.gates.simulator.counts(model)).completed == 0
        rest = [line for line in (await response.content.read()).split(b"\n") if line]
    assert all(line.startswith(b"data: ") for line in rest)
    assert rest[-1] == b"data: [DONE]"


async def test_I7_models(gate: Gate) -> None:
    """A list, each with its empty permissions; not without a credential."""
    listed = (await gate.ask("/v1/models", credential=gate.key)).ok().body
    assert listed["object"] == "list"
    assert all(item["permission"] == [] and item["object"] == "model" for item in listed["data"])
    (await gate.ask("/v1/models")).error(401)


async def test_I8_health(gate: Gate) -> None:
    """Without a key: healthy, and when."""
    body = (await gate.ask("/health")).ok().body
    assert body["status"] == "healthy"
    assert body["timestamp"].endswith("Z")


async def metric(gate: Gate, name: str, **labels: str) -> float:
    """The value of a sample of /metrics."""
    text = (await gate.ask("/metrics")).ok().text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


async def test_I9_metrics(gate: Gate) -> None:
    """The text parses; the documented counters rise by what was called, beside the gateway's own."""
    labels = {"model": "gpt-4o", "provider": "acme"}
    before = -1.0
    while (now := await metric(gate, "llm_gateway_requests_total", **labels, status="success")) != before:
        before = now
        await asyncio.sleep(1.2)  # counters of other tests' calls are up to a second late
    tokens = await metric(gate, "llm_gateway_tokens_total", **labels, token_type="prompt")
    answer = (await gate.chat("gpt-4o")).ok()

    async def has_risen() -> bool:
        return await metric(gate, "llm_gateway_requests_total", **labels, status="success") == before + 1

    await eventually(has_risen, "the counter")
    grown = await metric(gate, "llm_gateway_tokens_total", **labels, token_type="prompt") - tokens
    assert grown == answer.body["usage"]["prompt_tokens"]
    assert await metric(gate, "llm_gateway_request_duration_seconds_count", **labels) >= 1
    assert await metric(gate, "gateway_calls_total") > 0
    other = (await ask(f"{gate.gates.running.url}/metrics")).ok().text
    assert "llm_gateway_" not in other


async def test_I10_stats(gate: Gate) -> None:
    """After n chats the total is n higher, and the sums by model and provider agree with it; nobody is named."""
    before = (await gate.ask("/stats")).ok().body["usage_stats"]["total_requests"]
    for _ in range(3):
        (await gate.chat()).ok()

    async def has_grown() -> Any:
        body = (await gate.ask("/stats")).ok().body
        return body if body["usage_stats"]["total_requests"] >= before + 3 else None

    body = await eventually(has_grown, "three more calls")
    usage = body["usage_stats"]
    for by in ("requests_by_model", "requests_by_provider"):
        assert sum(each["count"] for each in usage[by]) == usage["total_requests"]
        assert sum(each["total_tokens"] for each in usage[by]) == usage["total_tokens"]
    assert len(body["recent_requests"]) <= 10
    assert all(call["user_id"] is None for call in body["recent_requests"])
    assert {"acme", "claude"} <= {each["provider"] for each in body["provider_health"]}
    assert gate.key not in json.dumps(body)
    providers = (await gate.ask("/v1/providers")).ok().body
    assert "acme" in {each["id"] for each in providers["data"]}
    assert gate.gates.upstream.url not in json.dumps(providers)


async def test_I11_register(gate: Gate) -> None:
    """A token and the user; the same email again is refused."""
    body = (await gate.registered()).ok().body
    assert {"token", "user"} <= set(body)
    assert {"id", "email", "username", "role"} <= set(body["user"])
    again = await gate.ask("/auth/register", {"email": body["user"]["email"], "password": PASSWORD})
    again.error(400)


async def test_I12_login(gate: Gate) -> None:
    """The right password gives a token, a wrong one 401."""
    email = gate.user["email"]
    assert (await gate.ask("/auth/login", {"email": email, "password": PASSWORD})).ok().body["token"]
    (await gate.ask("/auth/login", {"email": email, "password": "wrong password"})).error(401)
    (await gate.ask("/auth/login", {"email": "nobody@example.org", "password": PASSWORD})).error(401)


async def test_I13_keys_are_listed_for_sessions_only(gate: Gate) -> None:
    """An array of the own keys without secrets; a key, or nothing, may not ask."""
    listed = (await gate.ask("/auth/keys", credential=gate.token)).ok().body
    assert isinstance(listed, list)
    assert all("key" not in item and item["user_id"] == gate.user["id"] for item in listed)
    assert gate.key not in json.dumps(listed)
    (await gate.ask("/auth/keys", credential=gate.key)).error(401)
    (await gate.ask("/auth/keys")).error(401)


async def test_I14_a_key_is_shown_once(gate: Gate) -> None:
    """It works at once, has the documented members, and is in no later answer; the older paths make keys too."""
    made = await gate.new_key(max_budget=25.0, rate_limit_tpm=100_000, allowed_models=["m-small"])
    assert made["key"].startswith(made["key_prefix"])
    wanted = {"name": "ci", "max_budget": 25.0, "current_spend": 0.0, "rate_limit_rpm": 60, "rate_limit_tpm": 100_000}
    assert wanted.items() <= made.items()
    assert (made["allowed_models"], made["expires_at"], made["blocked"]) == (["m-small"], None, False)
    (await gate.chat("m-small", made["key"])).ok()
    assert made["key"] not in json.dumps((await gate.ask("/auth/keys", credential=gate.token)).ok().body)
    older = (await gate.ask("/auth/key/generate", {"name": "old"}, gate.token)).ok().body
    (await gate.chat(credential=older["key"])).ok()
    info = (await gate.ask(f"/auth/key/info?key_id={older['id']}", credential=gate.token)).ok().body
    assert (info["name"], "key" in info) == ("old", False)
    renamed = {"key_id": older["id"], "name": "older"}
    assert (await gate.ask("/auth/key/update", renamed, gate.token)).ok().body["name"] == "older"
    (await gate.ask(f"/auth/key/delete?key_id={older['id']}", credential=gate.token, method="POST")).ok()
    (await gate.chat(credential=older["key"])).error(401)


async def test_I15_content_type(gate: Gate) -> None:
    """A body that is not JSON by its type is refused."""
    headers = {"authorization": f"Bearer {gate.key}", "content-type": "text/plain"}
    url = f"{gate.url}/v1/chat/completions"
    async with aiohttp.ClientSession() as session, session.post(url, data=b"{}", headers=headers) as response:
        assert response.status in (400, 415)
        assert set((await response.json())["error"]) == {"message", "type", "param", "code"}


async def test_I16_error_body(gate: Gate) -> None:
    """The documented words."""
    error = (await gate.chat(credential="ix-api-key-wrong")).error(401, "invalid_api_key")
    assert error["type"] == "invalid_request_error"


async def test_I17_statuses(gate: Gate) -> None:
    """Each documented status for what it is documented for."""
    (await gate.chat(messages=[])).error(400)
    (await gate.chat(credential=None)).error(401)
    narrow = (await gate.new_key(allowed_models=["m-small"]))["key"]
    (await gate.chat("m-large", narrow)).error(403)
    (await gate.chat("m-nobody")).error(404, "model_not_found")
    (await gate.ask("/v1/nope", credential=gate.key)).error(404)
    slow = (await gate.new_key(rate_limit_rpm=1))["key"]
    (await gate.chat(credential=slow)).ok()
    (await gate.chat(credential=slow)).error(429)
    (await gate.chat("sim-status-500")).error(502)
    for path in ("/v1/messages", "/v1/responses", "/api/status", "/admin/users"):
        (await gate.ask(path, {"model": "m-large"}, gate.key)).error(404)


@pytest.mark.parametrize("fault", ["status-500", "status-503", "status-429", "reset-before-headers", "garbage"])
async def test_I18_what_providers_do_wrong_is_502(gate: Gate, fault: str) -> None:
    """Whatever it was."""
    (await gate.chat(unique(f"sim-{fault}"))).error(502)


async def test_I19_sixty_requests_a_minute(gate: Gate) -> None:
    """The default of keys made here; the 61st is refused, another key is not."""
    one, other = [(await gate.new_key())["key"] for _ in range(2)]
    statuses = [(await gate.chat("m-small", one)).status for _ in range(61)]
    assert statuses == [200] * 60 + [429]
    (await gate.chat("m-small", other)).ok()


@pytest.mark.parametrize("is_stream", [False, True])
async def test_I20_rate_headers(gate: Gate, is_stream: bool) -> None:
    """Limit, remaining (one less each time) and reset in unix seconds; a refusal says when to come again."""
    key = (await gate.new_key(rate_limit_rpm=3))["key"]
    for remaining in (2, 1, 0):
        headers = (await gate.chat(credential=key, stream=is_stream)).ok().headers
        assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("3", str(remaining))
        assert -5 <= int(headers["x-ratelimit-reset"]) - time.time() <= 65
        assert not [name for name in headers if name.startswith("x-ratelimit-limit-")]
    refused = await gate.chat(credential=key, stream=is_stream)
    refused.error(429)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (refused.headers["x-ratelimit-limit"], refused.headers["x-ratelimit-remaining"]) == ("3", "0")


async def test_I21_the_sdk_for_python(gate: Gate) -> None:
    """A chat and a stream."""
    sdk = sdk_of("async", f"{gate.url}/v1", gate.key)
    assert (await sdk.chat("m-large")).choices[0].message.content == "You said: hi there"
    assert text_of(await sdk.chunks("m-large")) == "You said: hi there"
    await sdk.close()


NODE_PROGRAM = """
import OpenAI from "openai";
const client = new OpenAI({baseURL: process.env.BASE_URL, apiKey: process.env.KEY, maxRetries: 0});
const body = {model: "m-large", messages: [{role: "user", content: "hi there"}]};
console.log((await client.chat.completions.create(body)).choices[0].message.content);
let text = "";
for await (const chunk of await client.chat.completions.create({...body, stream: true}))
  text += chunk.choices[0]?.delta.content ?? "";
console.log(text);
"""


@pytest.mark.skipif(
    NODE is None or not (JS / "node_modules/openai").exists(), reason="node or its openai package is not installed"
)
async def test_I21_the_sdk_for_typescript(gate: Gate) -> None:
    """A chat and a stream."""
    process = await asyncio.create_subprocess_exec(
        str(NODE), "--input-type=module", "-e", NODE_PROGRAM, cwd=JS,
        env={"BASE_URL": f"{gate.url}/v1", "KEY": gate.key}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert output.decode().split("\n") == ["You said: hi there", "You said: hi there", ""]


async def test_I22_providers_of_several_formats_under_one_key(gate: Gate) -> None:
    """OpenAI's, Anthropic's, Google's."""
    for model in ("m-large", "claude-3-opus-20240229", "gemini-2.5-pro", "claude-2", "palm-2-chat-bison"):
        assert (await gate.chat(model)).ok().content == "You said: hi"


async def test_I23_limits_of_keys(gate: Gate) -> None:
    """Over its budget, expired or blocked, a key is refused; the provider is not asked."""
    poor = (await gate.new_key(max_budget=0))["key"]
    model = unique("sim")
    (await gate.chat(model, poor)).error(402)
    expires_at = gate.gates.clock.wall_s() + 3
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires_at))
    brief = (await gate.new_key(expires_at=text))["key"]
    (await gate.chat("m-small", brief)).ok()
    await gate.gates.passes(4)
    (await gate.chat(model, brief)).error(401)
    blocked = await gate.new_key()
    body = {"blocked": True}
    (await gate.ask(f"/auth/keys/{blocked['id']}", body, gate.token, method="PATCH")).ok()
    (await gate.chat(model, blocked["key"])).error(401)
    assert (await gate.gates.simulator.counts(model)).requests == 0
