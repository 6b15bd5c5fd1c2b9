"""XMaxGate's documented API on this gateway: `xmg_` keys, three endpoints under /v1, and no /messages.

Ids X1 to X11 are those of the acceptance list of that system. Its document: a base URL that ends in /v1, keys
`Authorization: Bearer xmg_...`, models with id, object and owned_by, chat of system, user and assistant turns, parts
where the model is multimodal, embeddings of a string or an array; "messages" is a member of JSON, never a path.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import NotFoundError

from tests.support.place import key_record
from tests.support.raw import Answer, ask
from tests.support.sdk import collect, sdk_of, text_of
from tests.support.served import Served, served

KEY = "xmg_main.secret-of-the-main-key"
REVOKED = "xmg_revoked.secret"
EXPIRED = "xmg_expired.secret"
SIMULATED = [{"provider": "simulator"}]
MODELS = {
    "m-small": {"names": ["m-small"], "owned_by": "acme", "capabilities": ["chat"], "candidates": SIMULATED},
    "m-vision": {
        "names": ["m-vision"],
        "owned_by": "acme",
        "capabilities": ["chat", "vision"],
        "candidates": SIMULATED,
    },
    "m-embed": {"names": ["m-embed"], "owned_by": "acme", "capabilities": ["embedding"], "candidates": SIMULATED},
}
LAYER = {
    "auth": {"key_prefix": "xmg_"},
    "profiles": {"default": {"model_extras": [], "rate_limit_headers": "none", "dialects": ["openai"]}},
    "keys": {
        "revoked": key_record(REVOKED, "xmg_", is_disabled=True),
        "expired": key_record(EXPIRED, "xmg_", expires_at="2020-01-01T00:00:00Z"),
    },
    "process": {"drain_s": 1},
}


@pytest.fixture(scope="module")
def xmaxgate() -> Iterator[Served]:
    """A gateway that is XMaxGate: its models alone, its keys."""
    with served(LAYER, files={"models.yaml": {"models": MODELS}}, key=KEY) as running:
        yield running


async def chat(gateway: Served, key: str | None = KEY, **body: Any) -> Answer:
    """One chat; members of the body as given."""
    given = {"model": "m-small", "messages": [{"role": "user", "content": "hi"}], **body}
    return await ask(f"{gateway.base_url}/chat/completions", given, key)


async def embed(gateway: Served, given: Any) -> Answer:
    """One embeddings call."""
    return await ask(f"{gateway.base_url}/embeddings", {"model": "m-embed", "input": given}, KEY)


async def test_X1_base_path_is_v1(xmaxgate: Served) -> None:
    """`/v1/models` exists, `/models` does not."""
    (await ask(f"{xmaxgate.url}/v1/models", key=KEY)).ok()
    (await ask(f"{xmaxgate.url}/models", key=KEY)).error(404)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        f"Basic {KEY}",
        f"Token {KEY}",
        KEY,
        "Bearer",
        "Bearer xmg_unknown.secret",
        f"Bearer {KEY}x",
        f"Bearer {KEY.replace('xmg_', 'sk-')}",
        f"Bearer {KEY.removeprefix('xmg_')}",
        f"Bearer {REVOKED}",
        f"Bearer {EXPIRED}",
    ],
)
async def test_X2_only_valid_xmg_keys(xmaxgate: Served, authorization: str | None) -> None:
    """No key, another scheme, another prefix, a wrong, revoked or expired key: 401 on all three endpoints."""
    headers = {} if authorization is None else {"authorization": authorization}
    messages = [{"role": "user", "content": "hi"}]
    for path, body in (
        ("/models", None),
        ("/chat/completions", {"model": "m-small", "messages": messages}),
        ("/embeddings", {"model": "m-embed", "input": "x"}),
    ):
        answer = await ask(xmaxgate.base_url + path, body, headers=headers)
        assert answer.error(401, "invalid_api_key")["type"] == "invalid_request_error"


async def test_X2_valid_key(xmaxgate: Served) -> None:
    """The key works, and its scheme is read in any case."""
    (await chat(xmaxgate)).ok()
    (await ask(f"{xmaxgate.base_url}/models", headers={"authorization": f"bearer {KEY}"})).ok()


async def test_X3_models(xmaxgate: Served) -> None:
    """The list holds chat and embedding models, each with id, object and owned_by, and nothing of other gateways."""
    listed = (await ask(f"{xmaxgate.base_url}/models", key=KEY)).ok().body
    assert listed["object"] == "list"
    assert [item["id"] for item in listed["data"]] == ["m-small", "m-vision", "m-embed"]
    assert all((item["object"], item["owned_by"]) == ("model", "acme") for item in listed["data"])
    assert all(set(item) - {"output_max_tokens"} == {"id", "object", "created", "owned_by"} for item in listed["data"])


async def test_X4_system_and_user_turn(xmaxgate: Served) -> None:
    """The documented call answers a `chat.completion`; upstream got both turns in order."""
    messages = [{"role": "system", "content": "You are terse X4."}, {"role": "user", "content": "Say hello."}]
    answer = (await chat(xmaxgate, messages=messages)).ok()
    assert answer.body["object"] == "chat.completion"
    assert answer.content == "You said: Say hello."
    assert messages in [seen["body"]["messages"] for seen in await xmaxgate.simulator.requests("m-small")]


async def test_X5_roles_and_order(xmaxgate: Served) -> None:
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


async def test_X6_parts_where_the_model_sees(xmaxgate: Served) -> None:
    """Parts reach a vision model unchanged; a model of text alone refuses the image, naming its place."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "X6"}, image]}]
    (await chat(xmaxgate, model="m-vision", messages=messages)).ok()
    assert (await xmaxgate.simulator.last("m-vision"))["body"]["messages"] == messages
    refused = (await chat(xmaxgate, messages=messages)).error(400)
    assert refused["param"] == "messages[0].content[1]"
    texts = [{"role": "user", "content": [{"type": "text", "text": "only text"}]}]
    assert (await chat(xmaxgate, messages=texts)).ok().content == "You said: only text"


async def test_X7_embedding_of_a_string(xmaxgate: Served) -> None:
    """One item, index 0, a list of floats, and the usage."""
    body = (await embed(xmaxgate, "x")).ok().body
    [item] = body["data"]
    assert (body["object"], item["object"], item["index"]) == ("list", "embedding", 0)
    assert item["embedding"]
    assert all(isinstance(value, float) for value in item["embedding"])
    assert body["usage"] == {"prompt_tokens": 1, "total_tokens": 1}


async def test_X8_embeddings_of_an_array(xmaxgate: Served) -> None:
    """Three strings give three different vectors in their order."""
    body = (await embed(xmaxgate, ["a", "b", "c"])).ok().body
    assert [item["index"] for item in body["data"]] == [0, 1, 2]
    alone = [(await embed(xmaxgate, text)).body["data"][0]["embedding"] for text in "abc"]
    assert [item["embedding"] for item in body["data"]] == alone


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/v1/messages", "/messages"])
@pytest.mark.parametrize("carrier", ["bearer", "x-api-key", "none"])
async def test_X9_messages_is_no_path(xmaxgate: Served, path: str, carrier: str) -> None:
    """Whatever the credentials, a /messages path is 404 with the OpenAI error object that names the URL."""
    headers = {"bearer": {"authorization": f"Bearer {KEY}"}, "x-api-key": {"x-api-key": KEY}}.get(carrier, {})
    body = {"model": "m-small", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
    error = (await ask(xmaxgate.url + path, body, headers=headers)).error(404, None, None)
    assert error["message"] == f"Invalid URL (POST {path})"
    assert error["type"] == "invalid_request_error"


async def test_X10_listed_models_work_and_others_do_not(xmaxgate: Served) -> None:
    """Every listed id answers on its endpoint; an id that is not listed is `model_not_found` on both."""
    listed = (await ask(f"{xmaxgate.base_url}/models", key=KEY)).ok().body["data"]
    for item in listed:
        if "embed" in item["id"]:
            (await embed(xmaxgate, "x")).ok()
        else:
            (await chat(xmaxgate, model=item["id"])).ok()
    (await chat(xmaxgate, model="m-large")).error(404, "model_not_found", "model")
    unknown = await ask(f"{xmaxgate.base_url}/embeddings", {"model": "m-large", "input": "x"}, KEY)
    unknown.error(404, "model_not_found", "model")
    (await chat(xmaxgate, model="m-embed")).error(400)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_X11_sdk_client(xmaxgate: Served, kind: str) -> None:
    """openai-python with this base URL and key lists, chats whole and streamed, and embeds."""
    sdk = sdk_of(kind, xmaxgate.base_url, KEY)
    assert {model.id for model in await collect(await sdk(sdk.client.models.list))} == set(MODELS)
    assert (await sdk.chat("m-small")).choices[0].message.content == "You said: hi there"
    assert text_of(await sdk.chunks("m-small")) == "You said: hi there"
    vectors = await sdk(sdk.client.embeddings.create, model="m-embed", input=["a", "b"])
    assert [len(item.embedding) for item in vectors.data] == [256, 256]
    with pytest.raises(NotFoundError):
        await sdk.chat("nobody")
    await sdk.close()
