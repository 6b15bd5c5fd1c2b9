"""XMaxGate's documented API on this gateway: `xmg_` keys, three endpoints under /v1, and no /messages.

Ids X1 to X11 are those of the acceptance list of that system. Its document: a base URL that ends in /v1, keys
`Authorization: Bearer xmg_...`, models with id, object and owned_by, chat of system, user and assistant turns, parts
where the model is multimodal, embeddings of a string or an array; "messages" is a member of JSON, never a path.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from openai import NotFoundError, OpenAI

from gateway.accounts.shared import SYSTEM
from tests.support.personalities import Personalities
from tests.support.raw import Answer, ask
from tests.support.sdk import collect, sdk_of, text_of
from tests.support.simulated import Simulated

MODELS = ["m-small", "m-vision", "m-embed"]


@dataclass(frozen=True, slots=True)
class Xmaxgate:
    """The listener, with a key for its three models, and keys that work no more."""

    url: str
    key: str
    revoked: str
    expired: str
    simulator: Simulated

    @property
    def base_url(self) -> str:
        """The documented base URL."""
        return f"{self.url}/v1"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def xmaxgate(gates: Personalities) -> Xmaxgate:
    """A gateway that is XMaxGate."""
    user_id = await gates.user()
    keys = [await gates.key("xmaxgate", user_id, models=MODELS) for _ in range(2)]
    soon_ms = int(gates.clock.wall_s() * 1000) + 1000
    expired = await gates.key("xmaxgate", user_id, expires_at_ms=soon_ms)
    await gates.passes(2)
    page = await gates.accounts.keys.list(user_id, 10, "")
    (revoked,) = [row["id"] for row in page.items if keys[1].startswith(row["shown_prefix"])]
    await gates.accounts.keys.revoke(None, revoked, SYSTEM)
    return Xmaxgate(gates.url("xmaxgate"), keys[0], keys[1], expired, gates.simulator)


async def chat(gateway: Xmaxgate, **body: Any) -> Answer:
    """One chat; members of the body as given."""
    given = {"model": "m-small", "messages": [{"role": "user", "content": "hi"}], **body}
    return await ask(f"{gateway.base_url}/chat/completions", given, gateway.key)


async def embed(gateway: Xmaxgate, given: Any) -> Answer:
    """One embeddings call."""
    return await ask(f"{gateway.base_url}/embeddings", {"model": "m-embed", "input": given}, gateway.key)


async def test_X1_base_path_is_v1(xmaxgate: Xmaxgate) -> None:
    """`/v1/models` exists, `/models` does not."""
    (await ask(f"{xmaxgate.url}/v1/models", key=xmaxgate.key)).ok()
    (await ask(f"{xmaxgate.url}/models", key=xmaxgate.key)).error(404)


@pytest.mark.parametrize(
    "authorization",
    [
        None, "", "Basic {key}", "Token {key}", "{key}", "Bearer", "Bearer xmg_unknown.secret", "Bearer {key}x",
        "Bearer sk-{bare}", "Bearer gw-{bare}", "Bearer {bare}", "Bearer {revoked}", "Bearer {expired}",
        "Bearer gw-test.a-key-for-tests",
    ],
)  # fmt: skip
async def test_X2_only_valid_xmg_keys(xmaxgate: Xmaxgate, authorization: str | None) -> None:
    """No key, another scheme, another prefix, a wrong, revoked or expired key: 401 on all three endpoints."""
    headers = {}
    if authorization is not None:
        known = {"key": xmaxgate.key, "bare": xmaxgate.key.removeprefix("xmg_")}
        given = authorization.format(**known, revoked=xmaxgate.revoked, expired=xmaxgate.expired)
        headers = {"authorization": given}
    messages = [{"role": "user", "content": "hi"}]
    for path, body in (
        ("/models", None),
        ("/chat/completions", {"model": "m-small", "messages": messages}),
        ("/embeddings", {"model": "m-embed", "input": "x"}),
    ):
        answer = await ask(xmaxgate.base_url + path, body, headers=headers)
        assert answer.error(401, "invalid_api_key")["type"] == "invalid_request_error"


async def test_X2_valid_key(xmaxgate: Xmaxgate) -> None:
    """The key works, and its scheme is read in any case."""
    (await chat(xmaxgate)).ok()
    (await ask(f"{xmaxgate.base_url}/models", headers={"authorization": f"bearer {xmaxgate.key}"})).ok()


async def test_X3_models(xmaxgate: Xmaxgate) -> None:
    """The list holds chat and embedding models, each with id, object and owned_by, and nothing of other gateways."""
    listed = (await ask(f"{xmaxgate.base_url}/models", key=xmaxgate.key)).ok().body
    assert listed["object"] == "list"
    assert [item["id"] for item in listed["data"]] == ["m-small", "m-vision", "m-embed"]
    assert all((item["object"], item["owned_by"]) == ("model", "acme") for item in listed["data"])
    assert all(set(item) == {"id", "object", "created", "owned_by"} for item in listed["data"])


async def test_X4_system_and_user_turn(xmaxgate: Xmaxgate) -> None:
    """The documented call answers a `chat.completion`; upstream got both turns in order."""
    messages = [{"role": "system", "content": "You are terse X4."}, {"role": "user", "content": "Say hello."}]
    answer = (await chat(xmaxgate, messages=messages)).ok()
    assert answer.body["object"] == "chat.completion"
    assert answer.content == "You said: Say hello."
    assert messages in [seen["body"]["messages"] for seen in await xmaxgate.simulator.requests("m-small")]


async def test_X5_roles_and_order(xmaxgate: Xmaxgate) -> None:
    """Five turns, a role outside the usual three among them, arrive as they were sent."""
    messages = [
        {"role": "developer", "content": "X5"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
        {"role": "critic", "content": "four"},
    ]
    (await chat(xmaxgate, messages=messages)).ok()
    assert messages in [seen["body"]["messages"] for seen in await xmaxgate.simulator.requests("m-small")]


async def test_X6_parts_where_the_model_sees(xmaxgate: Xmaxgate) -> None:
    """Parts reach a vision model unchanged; a model of text alone refuses the image, naming its place."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "X6"}, image]}]
    (await chat(xmaxgate, model="m-vision", messages=messages)).ok()
    assert (await xmaxgate.simulator.last("m-vision"))["body"]["messages"] == messages
    refused = (await chat(xmaxgate, messages=messages)).error(400)
    assert refused["param"] == "messages[0].content[1]"
    texts = [{"role": "user", "content": [{"type": "text", "text": "only text"}]}]
    assert (await chat(xmaxgate, messages=texts)).ok().content == "You said: only text"


async def test_X7_embedding_of_a_string(xmaxgate: Xmaxgate) -> None:
    """One item, index 0, a list of floats, and the usage."""
    body = (await embed(xmaxgate, "x")).ok().body
    [item] = body["data"]
    assert (body["object"], item["object"], item["index"]) == ("list", "embedding", 0)
    assert item["embedding"]
    assert all(isinstance(value, float) for value in item["embedding"])
    assert body["usage"] == {"prompt_tokens": 1, "total_tokens": 1}


async def test_X8_embeddings_of_an_array(xmaxgate: Xmaxgate) -> None:
    """Three strings give three different vectors in their order."""
    body = (await embed(xmaxgate, ["a", "b", "c"])).ok().body
    assert [item["index"] for item in body["data"]] == [0, 1, 2]
    alone = [(await embed(xmaxgate, text)).body["data"][0]["embedding"] for text in "abc"]
    assert [item["embedding"] for item in body["data"]] == alone


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/v1/messages", "/messages"])
@pytest.mark.parametrize("carrier", ["bearer", "x-api-key", "none"])
async def test_X9_messages_is_no_path(xmaxgate: Xmaxgate, path: str, carrier: str) -> None:
    """Whatever the credentials, a /messages path is 404 with the OpenAI error object that names the URL."""
    headers = {"bearer": {"authorization": f"Bearer {xmaxgate.key}"}, "x-api-key": {"x-api-key": xmaxgate.key}}.get(
        carrier, {}
    )
    body = {"model": "m-small", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
    error = (await ask(xmaxgate.url + path, body, headers=headers)).error(404, None, None)
    assert error["message"] == f"Invalid URL (POST {path})"
    assert error["type"] == "invalid_request_error"


async def test_X10_listed_models_work_and_others_do_not(xmaxgate: Xmaxgate) -> None:
    """Every listed id answers on its endpoint; an id that is not listed is `model_not_found` on both."""
    listed = (await ask(f"{xmaxgate.base_url}/models", key=xmaxgate.key)).ok().body["data"]
    for item in listed:
        if "embed" in item["id"]:
            (await embed(xmaxgate, "x")).ok()
        else:
            (await chat(xmaxgate, model=item["id"])).ok()
    (await chat(xmaxgate, model="m-nobody")).error(404, "model_not_found", "model")
    unknown = await ask(f"{xmaxgate.base_url}/embeddings", {"model": "m-nobody", "input": "x"}, xmaxgate.key)
    unknown.error(404, "model_not_found", "model")
    (await chat(xmaxgate, model="m-embed")).error(400)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_X11_sdk_client(xmaxgate: Xmaxgate, kind: str) -> None:
    """openai-python with this base URL and key lists, chats whole and streamed, and embeds."""
    sdk = sdk_of(kind, xmaxgate.base_url, xmaxgate.key)
    if kind == "sync":
        await asyncio.to_thread(_use, sdk.client)
        return
    assert {model.id for model in await collect(await sdk(sdk.client.models.list))} == set(MODELS)
    assert (await sdk.chat("m-small")).choices[0].message.content == "You said: hi there"
    assert text_of(await sdk.chunks("m-small")) == "You said: hi there"
    vectors = await sdk(sdk.client.embeddings.create, model="m-embed", input=["a", "b"])
    assert [len(item.embedding) for item in vectors.data] == [256, 256]
    with pytest.raises(NotFoundError):
        await sdk.chat("nobody")
    await sdk.close()


def _use(client: OpenAI) -> None:
    """The same with the client that blocks, from a thread of its own."""
    assert {model.id for model in client.models.list()} == set(MODELS)
    asked: Any = {"model": "m-small", "messages": [{"role": "user", "content": "hi there"}]}
    assert client.chat.completions.create(**asked).choices[0].message.content == "You said: hi there"
    assert text_of(list(client.chat.completions.create(**asked, stream=True))) == "You said: hi there"
    assert len(client.embeddings.create(model="m-embed", input=["a", "b"]).data) == 2
    client.close()
