"""A provider whose base_url is the gateway itself: the call ends within one hop, with an error that says so."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import grpc
import pytest

from gateway.config.watch import reload
from gateway.wire.pb import chat_pb2, inference_pb2_grpc
from tests.support.place import KEY, Layer
from tests.support.raw import Answer, ask
from tests.support.recorder import Recorder, recording
from tests.support.single import InProcess, single

HI = [{"role": "user", "content": "hi"}]
ENVIRON = {"RING_KEY": KEY}
BACK = "This call already passed through this gateway: the base_url of a provider points back at it."
Chain = tuple[InProcess, Recorder]


def ring(name: str, base_url: str) -> Layer:
    """A layer whose model `ring` is served by a provider `name` at `base_url`, tried three times."""
    provider = {"dialect": "openai", "base_url": base_url, "is_local": True, "api_key": {"env": "RING_KEY"}}
    retry = {"attempts_max": 3, "backoff_base_s": 0.001, "backoff_max_s": 0.002}
    model = {"names": ["ring"], "candidates": [{"provider": name}], "retry": retry}
    return {"providers": {name: provider}, "models": {"ring": model}}


async def put(gateway: InProcess, layer: Layer) -> None:
    """Put a layer in force."""
    gateway.write_layer(layer)
    gateway.half.take(await reload(gateway.half.current))
    assert "ring" in gateway.half.current.get().config.models


async def attempts(gateway: InProcess, provider: str) -> int:
    """Tries against a provider so far, of all outcomes."""
    text = (await ask(f"{gateway.url}/metrics")).text
    found = re.findall(rf'^gateway_attempts_total\{{outcome="\w+",provider="{provider}"\}} (\S+)$', text, re.MULTILINE)
    return int(sum(float(count) for count in found))


async def chat(gateway: InProcess, headers: dict[str, str] | None = None, **body: object) -> Answer:
    """One chat with model `ring`."""
    given = {"model": "ring", "messages": HI, **body}
    return await ask(f"{gateway.base_url}/chat/completions", given, gateway.key, headers=headers)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_gateway_that_is_its_own_provider_refuses_at_once(is_stream: bool) -> None:
    """One try against itself, no retry, and an answer that an SDK does not try again either."""
    name = f"itself-{int(is_stream)}"
    async with single({}, environ=ENVIRON) as gateway:
        await put(gateway, ring(name, gateway.base_url))
        answer = await chat(gateway, stream=is_stream)
        assert answer.error(508, "loop_detected")["message"] == BACK
        assert answer.headers["x-should-retry"] == "false"
        assert await attempts(gateway, name) == 1
        kit = gateway.half.kit
        assert (kit.in_flight, kit.quota.open_count, kit.transport.open_replies) == (0, 0, 0)


async def test_a_ring_of_two_gateways_is_seen_where_it_closes() -> None:
    """The first refuses its own call; the second hands that on and tries nothing else."""
    async with single({}, environ=ENVIRON) as one, single({}, environ=ENVIRON) as two:
        await put(one, ring("the-second", two.base_url))
        await put(two, ring("the-first", one.base_url))
        answer = await chat(one)
        assert answer.error(508, "loop_detected")["message"] == BACK
        assert (await attempts(one, "the-second"), await attempts(one, "the-first")) == (1, 1)


def hops_of(upstream: Recorder) -> list[str | None]:
    """What each request to the upstream said it passed."""
    return [seen.header("x-gateway-hop") for seen in upstream.seen]


@pytest.fixture
async def chain() -> AsyncIterator[Chain]:
    """A gateway before an upstream."""
    async with recording() as upstream, single(upstream.layer("ring")) as gateway:
        yield gateway, upstream


async def test_every_request_to_a_provider_says_what_it_passed(chain: Chain) -> None:
    """The own id last, what the caller said before it, nothing of what is no id."""
    gateway, upstream = chain
    own = gateway.half.kit.instance
    (await chat(gateway)).ok()
    (await chat(gateway, {"x-gateway-hop": "one, two"})).ok()
    (await chat(gateway, {"x-gateway-hop": "not an id,<script>,"})).ok()
    assert hops_of(upstream) == [own, f"one,two,{own}", own]


async def test_too_many_gateways_are_refused_before_the_provider(chain: Chain) -> None:
    """A call that passed nine is in a ring of services that do not know each other."""
    gateway, upstream = chain
    answer = await chat(gateway, {"x-gateway-hop": ",".join("abcdefghi")})
    assert "more than 8 gateways" in answer.error(508, "loop_detected")["message"]
    assert hops_of(upstream) == []


async def test_grpc_calls_carry_what_they_passed(chain: Chain) -> None:
    """Metadata says it as a header does, with the same refusal."""
    gateway, upstream = chain
    own = gateway.half.kit.instance
    request = chat_pb2.ChatRequest(model="ring", messages=[{"role": "user", "blocks": [{"text": "hi"}]}])
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        stub = inference_pb2_grpc.InferenceStub(channel)
        key = ("authorization", f"Bearer {gateway.key}")
        await stub.Chat(request, metadata=(key, ("x-gateway-hop", "one")))
        assert hops_of(upstream) == [f"one,{own}"]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Chat(request, metadata=(key, ("x-gateway-hop", own)))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert refused.value.details() == BACK
