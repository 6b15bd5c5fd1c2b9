"""A run of everything, with a secret planted in every place that takes one; then all that was said and written is read.

Rules: what is planted is unmistakable; an answer that shows a secret once, by design (a new key, a session, codes), is
    the only text that is not searched for that secret.
Not here: the types that hide secrets (tests/unit/config, tests/unit/observe).
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from gateway.client import AsyncClient, GatewayError, accounts, v1
from tests.support.place import KEY, key_record
from tests.support.raw import Answer, ask
from tests.support.recorder import Scripted, Seen, recording
from tests.support.served import Served, served
from tests.support.single import single
from tests.support.stored import Stored, stored

MARK = "planted"
PASSWORD = f"{MARK}-password-of-a-user"
NEW_PASSWORD = f"{MARK}-next-password-of-a-user"
PROMPT = f"{MARK} words of a caller"
CLIENT_KEY = f"gw-configured.{MARK}-client-key"
WRONG_KEY = f"gw-configured.{MARK}-wrong-secret"
DATABASE = f"{MARK}-database-password"
STORE = f"{MARK}-store-password"
ENVIRON = {
    "GATEWAY_DEV_KEY": f"gw-dev.{MARK}-development-key",
    "GATEWAY_PEPPER": "a-pepper-for-tests",  # the harness hashes keys under it; it is searched for as well
    "GATEWAY_ADMIN_KEY": f"{MARK}-admin-key-of-operators",
    "GATEWAY_LINK_SECRET": f"{MARK}-link-secret-of-the-halves",
    "TOKEN_SECRET": f"{MARK}-secret-that-signs-access-tokens",
    "OLD_TOKEN_SECRET": f"{MARK}-older-secret-of-access-tokens",
    "FIRST_KEY": f"sk-{MARK}-first-provider-key",
    "SECOND_KEY": f"sk-{MARK}-second-provider-key",
    "AWS_ID": f"AKIA{MARK.upper()}ID",
    "AWS_SECRET": f"{MARK}-secret-access-key-of-amazon",
    "ANTHROPIC_KEY": f"sk-ant-{MARK}-key",
    "GEMINI_KEY": f"AIza{MARK}-key",
}
PROMPT_BODY = {"messages": [{"role": "user", "content": PROMPT}]}
MODELS = ("sim", "echo", "dead", "amazon", "claude", "google", "nobody", "sim-status-401", "sim-status-429", "sim-html",
          "sim-status-500", "sim-cut-1", "sim-error-1", "sim-tools-1", "sim-garbage-1")  # fmt: skip


def layer(echo: str) -> dict[str, Any]:
    """Providers that fail in all ways, two of which repeat the credential they were sent."""
    dead = "http://127.0.0.1:9/v1"  # nobody listens there

    def provider(dialect: str, url: str, *names: str, **members: Any) -> dict[str, Any]:
        keys = [{"env": name} for name in names]
        keyed = {"api_keys": keys} if len(keys) > 1 else {"api_key": keys[0]} if keys else {}
        return {"dialect": dialect, "base_url": url, "is_local": True, **keyed, **members}

    aws = {"region": "us-east-1", "access_key_id": {"env": "AWS_ID"}, "secret_access_key": {"env": "AWS_SECRET"}}
    providers = {
        "echo": provider("openai", f"{echo}/v1", "FIRST_KEY", "SECOND_KEY"),
        "dead": provider("openai", dead, "FIRST_KEY"),
        "amazon": provider("bedrock", echo, aws=aws),
        "claude": provider("anthropic", f"{echo}/v1", "ANTHROPIC_KEY", auth="x-api-key"),
        "google": provider("gemini", f"{echo}/v1beta", "GEMINI_KEY", auth="x-goog-api-key"),
    }
    return {
        "observe": {"log_level": "debug", "log_format": "json"},
        "auth": {"key_prefix": "gw-"},
        "accounts": {
            "registration": "open",
            "token_keys": {"new": {"secret": {"env": "TOKEN_SECRET"}}, "old": {"secret": {"env": "OLD_TOKEN_SECRET"}}},
            "token_signing_key": "new",
        },
        "keys": {"configured": key_record(CLIENT_KEY)},
        "policies": {"retry": {"backoff_base_s": 0.01, "backoff_max_s": 0.02}},
        "providers": providers,
        "models": {
            name: {
                "names": [name],
                "candidates": [{"provider": name, "upstream_model": "m"}],
                "pricing": {"input_usd_per_million": 1, "output_usd_per_million": 2},
            }
            for name in providers
        },
    }


def echoing(seen: Seen) -> Scripted:
    """An upstream that quotes the credential it was sent, in each member an error has, and under many statuses."""
    given = next(
        (value for name, value in seen.headers if name.lower() in {"authorization", "x-api-key", "x-goog-api-key"}), ""
    )
    words = f"Incorrect API key provided: {given}. You sent {given.removeprefix('Bearer ')}."
    error = {"message": words, "type": words, "code": words, "param": words, "status": words}
    status = (400, 401, 403, 404, 429, 500)[len(seen.body) % 6]
    headers = (
        ("content-type", "application/json"),
        ("x-request-id", words),
        ("set-cookie", words),
        ("retry-after", "0"),
    )
    return Scripted(status, json.dumps({"error": error, "type": "error", "message": words}).encode(), headers)


class Said:
    """All texts, and what each may hold."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.secrets: set[str] = {*ENVIRON.values(), CLIENT_KEY, WRONG_KEY, PASSWORD, NEW_PASSWORD, DATABASE, STORE}

    def take(self, answer: Answer, *, shown: tuple[str, ...] = ()) -> Answer:
        """An answer; `shown` are secrets made here, which it may show, and nothing else ever."""
        text = f"{answer.status} {dict(answer.headers)} {answer.text}"
        for secret in shown:
            assert secret in text, "what is shown once was not shown"
            text = text.replace(secret, "")
            self.secrets.add(secret)
        self.texts.append(text.replace(PROMPT, ""))  # a model may repeat its prompt to its caller
        return answer

    def search(self, where: str, text: str) -> None:
        """Fail when a secret is there, plain, quoted for a URL, in base64 or in hex."""
        for secret in self.secrets:
            data = secret.encode()
            forms = {secret, quote(secret, safe=""), base64.b64encode(data).decode(), data.hex()}
            for form in forms:
                at = text.find(form)
                assert at < 0, f"{where} shows a planted secret: ...{text[max(0, at - 200) : at + 80]}"


@pytest.fixture(scope="module")
def store() -> Iterator[Stored]:
    """A store that wants a password."""
    with stored() as made:
        made.command("CONFIG", "SET", "requirepass", STORE)
        yield made


async def people(gateway: Served, said: Said) -> list[str]:
    """Users, keys, sessions, codes: what they make, and how they fail. The credentials that came of it."""
    url, admin = gateway.url, ENVIRON["GATEWAY_DEV_KEY"]
    who = {"email": "someone@example.org", "password": PASSWORD}
    made = await ask(f"{url}/auth/register", who)
    said.take(made.ok(), shown=(made.body["token"],))
    token = made.body["token"]
    for body in ({**who, "password": WRONG_KEY}, {**who, "email": PASSWORD}, {"email": who["email"], "pass": PASSWORD}):
        said.take(await ask(f"{url}/auth/login", body))
    login = await ask(f"{url}/auth/login", who)
    said.take(login.ok(), shown=tuple({login.body["token"], login.body["refresh_token"]}))
    key = await ask(f"{url}/auth/keys", {"name": "ci"}, token)
    said.take(key.ok(), shown=(key.body["key"],))
    for path in ("/auth/me", "/auth/keys"):
        said.take(await ask(f"{url}{path}", None, token))
    codes = await ask(f"{url}/admin/codes", {"count": 2, "amount_usd": 1}, admin)
    first, second = (one["code"] for one in codes.ok().body["codes"])
    said.take(codes, shown=(first, second))
    for code in (first, first, f"{second}x"):
        said.take(await ask(f"{url}/auth/redeem", {"code": code}, token))
    said.take(await ask(f"{url}/auth/password", {"old_password": PASSWORD, "new_password": NEW_PASSWORD}, token))
    for path in ("/admin/users", "/admin/audit", "/admin/codes", "/admin/usage", "/admin/groups"):
        said.take(await ask(f"{url}{path}", None, admin))
    return [key.body["key"], token]


async def calls(gateway: Served, said: Said, credentials: list[str]) -> None:
    """Calls of every format that succeed and fail, and questions about each of them."""
    base, operator = gateway.base_url, ENVIRON["GATEWAY_ADMIN_KEY"]
    keys = (ENVIRON["GATEWAY_DEV_KEY"], CLIENT_KEY, *credentials)
    asked = [
        ask(f"{base}/chat/completions", {"model": model, "stream": is_stream, **PROMPT_BODY}, keys[number % len(keys)])
        for number, model in enumerate(MODELS)
        for is_stream in (False, True)
    ]
    more = {"max_tokens": 50}
    for model in ("sim", "echo", "claude"):
        asked.append(
            ask(f"{base}/messages", {"model": model, **PROMPT_BODY, **more}, None, headers={"x-api-key": keys[0]})
        )
        asked.append(ask(f"{base}/responses", {"model": model, "input": PROMPT}, keys[0]))
        gemini = {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
        asked.append(ask(f"{gateway.url}/v1beta/models/{model}:generateContent?key={keys[0]}", gemini))
        asked.append(ask(f"{gateway.url}/v1beta/models/{model}:nothing?key={WRONG_KEY}", gemini))
    for path in ("models/sim-error-1:streamGenerateContent", "nowhere"):
        asked.append(ask(f"{gateway.url}/v1beta/{path}?key={keys[0]}", {"contents": []}))  # noqa: PERF401  # as above
    wrong: list[dict[str, Any]] = [{"model": 7, **PROMPT_BODY}, {"model": "sim", "messages": PROMPT}]
    asked += [ask(f"{base}/chat/completions", body, keys[0]) for body in wrong]
    asked += [ask(f"{base}/chat/completions", {"model": "sim", **PROMPT_BODY}, key) for key in (WRONG_KEY, PASSWORD)]
    asked.append(ask(f"{base}/embeddings", {"model": "text-embedding-3-small", "input": PROMPT}, keys[0]))
    answers = await asyncio.gather(*asked)
    for answer in answers:
        said.take(answer)
    assert {answer.status for answer in answers} >= {200, 401, 404, 502}
    for answer in answers[::2]:
        if request_id := answer.headers.get("x-request-id"):
            said.take(await ask(f"{gateway.url}/admin/explain?request_id={request_id}", None, operator))
    for path in ("/admin/explain?model=echo", "/admin/deployments", "/admin/explain?model=sim"):
        said.take((await ask(f"{gateway.url}{path}", None, operator)).ok())
    said.take(await ask(f"{gateway.url}/admin/deployments", None, WRONG_KEY))
    for path in ("/metrics", "/openapi.json", "/", "/health", "/readyz", "/v1/models"):
        said.take(await ask(f"{gateway.url}{path}", None, keys[0]))


async def rpcs(gateway: Served, said: Said) -> None:
    """The same over gRPC."""
    for key in (CLIENT_KEY, WRONG_KEY):
        async with AsyncClient(gateway.grpc_address, key=key, max_retries=0, timeout_s=20) as client:
            for model in ("sim", "echo", "dead", "amazon", "sim-error-1", "nobody"):
                try:
                    said.texts.append(
                        repr(await client.chat(model=model, messages=[("user", PROMPT)])).replace(PROMPT, "")
                    )
                    async for event in client.stream_chat(model=model, messages=[("user", PROMPT)]):
                        said.texts.append(repr(event))
                except GatewayError as error:
                    said.texts.append(f"{error!r} {vars(error)}".replace(PROMPT, ""))
            for question in (
                client.call(accounts.LIST_USERS, v1.ListUsersRequest()),
                client.call(accounts.GET_ME, v1.GetMeRequest()),
            ):
                try:
                    said.texts.append(repr(await question))
                except GatewayError as error:
                    said.texts.append(f"{error!r} {vars(error)}")


def commands(gateway: Served, said: Said) -> None:
    """What commands print, also those that fail."""
    gateway.env["GATEWAY_API_KEY"] = ENVIRON["GATEWAY_DEV_KEY"]
    asked = [("config", "check"), ("config", "diff", "defaults"), ("config", "explain"), ("route", "explain", "echo")]
    for words in (*asked, ("keys", "list"), ("db", "status")):
        done = gateway.command(*words)
        said.texts.append(done.stdout + done.stderr)
    gateway.env["GATEWAY_DATABASE__URL"] = f"postgresql://someone:{DATABASE}@127.0.0.1:9/nothing"
    gateway.env["GATEWAY_STORE__URL"] = f"valkey://someone:{STORE}@127.0.0.1:9/x"
    for words in (("db", "status"), ("config", "explain")):
        done = gateway.command(*words)
        said.texts.append(done.stdout + done.stderr)


async def stored_names(store: Stored) -> str:
    """Every key in the store."""
    reader, writer = await asyncio.open_connection("127.0.0.1", store.port)
    writer.write(f"AUTH {STORE}\r\nKEYS *\r\nQUIT\r\n".encode())
    found = await reader.read(-1)
    writer.close()
    return found.decode("latin-1")


async def test_S17_S18_a_full_run_shows_no_planted_secret(store: Stored) -> None:
    """Answers, errors, headers, metrics, explanations, commands, logs at debug, and every file and key it left."""
    said = Said()
    async with recording() as upstream:
        upstream.answer = echoing
        url = f"valkey://default:{STORE}@127.0.0.1:{store.port}/0"
        environ = {**ENVIRON, "GATEWAY_STORE__URL": url}
        with served(layer(upstream.url), environ=environ, key=None) as gateway:
            credentials = await people(gateway, said)
            asked = asyncio.to_thread(commands, gateway, said)
            await asyncio.gather(calls(gateway, said, credentials), rpcs(gateway, said), asked)
            names = await stored_names(store)
            gateway.stop()
            log = gateway.log_text()
            files = {path: path.read_bytes() for path in gateway.root.rglob("*") if path.is_file()}
        assert upstream.seen, "the provider that repeats credentials was never asked"
    for number, text in enumerate(said.texts):
        said.search(f"answer {number}", text)
    said.search("the log", log)
    assert "***" in log
    assert PROMPT not in log
    assert len(files) > 3
    for path, data in files.items():
        plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        said.search(path.name, plain.decode("latin-1"))
        assert PROMPT.encode() not in plain, path.name
    assert "gateway:" in names
    said.search("a key of the store", names)


async def test_S17_no_object_shows_a_secret_when_it_is_printed(store: Stored) -> None:
    """`repr` and `str` of everything a running gateway is made of."""
    said = Said()
    environ = {name: value for name, value in ENVIRON.items() if name != "GATEWAY_DEV_KEY"}
    async with recording() as upstream:
        url = f"valkey://default:{STORE}@127.0.0.1:{store.port}/0"
        async with single(layer(upstream.url), environ={**environ, "GATEWAY_STORE__URL": url}, key=KEY) as running:
            (await ask(f"{running.base_url}/chat/completions", {"model": "echo", **PROMPT_BODY}, KEY)).ok()
            seen: set[int] = set()
            open_: list[tuple[object, int]] = [(running.whole, 0)]
            while open_:
                thing, depth = open_.pop()
                if id(thing) in seen or depth > 7:
                    continue
                seen.add(id(thing))
                if type(thing).__module__.startswith("gateway."):
                    said.search(f"repr of {type(thing).__qualname__}", f"{thing!r} {thing}")
                open_ += [(part, depth + 1) for part in parts(thing)]
            assert len(seen) > 500


def parts(thing: object) -> list[object]:
    """What an object of ours is made of."""
    if isinstance(thing, dict):
        return list(thing.values())
    if isinstance(thing, list | tuple | set | frozenset):
        return list(thing)
    if not type(thing).__module__.startswith("gateway."):
        return []
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*vars(thing).values()] if hasattr(thing, "__dict__") else [getattr(thing, name, None) for name in slots]
