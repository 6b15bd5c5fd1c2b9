"""What operators ask a running gateway, over HTTP, gRPC and the command line: one record, one credential, one state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typer.testing import CliRunner

from gateway.cli import app
from gateway.wire.pb import admin_pb2, admin_pb2_grpc, chat_pb2, inference_pb2_grpc
from tests.support.place import key_record
from tests.support.recorder import Recorder, Scripted, recording
from tests.support.single import InProcess, single

ADMIN = "an-operators-secret"
PLAIN = "gw-plain.no-administrators-key"
LOCAL = {"dialect": "openai", "auth": "none", "is_local": True}


@pytest.fixture
async def gateway() -> AsyncIterator[tuple[InProcess, Recorder]]:
    """Two providers, of which `bad` fails, behind one model; another model asks `bad` alone."""
    async with recording() as upstream:
        upstream.answer = lambda seen: Scripted(503, b"{}") if "/bad/" in seen.path else Scripted()
        blocks = {name: {**LOCAL, "base_url": f"{upstream.url}/{name}"} for name in ("bad", "good")}
        rules = [{"name": "eu", "when": {"headers": {"x-region": "eu"}}, "candidates": ["good"]}]
        both = {"names": ["both"], "candidates": [{"provider": "bad"}, {"provider": "good"}]}
        layer: dict[str, Any] = {
            "http": {"call_headers": ["x-region"]},
            "keys": {"plain": key_record(PLAIN)},
            "providers": blocks,
            "models": {
                "both": {**both, "retry": {"attempts_max": 1}, "routing": {"rules": rules}},
                "lonely": {"names": ["lonely"], "candidates": [{"provider": "bad", "upstream_model": "l"}]},
            },
        }
        async with single(layer, environ={"GATEWAY_ADMIN_KEY": ADMIN}) as made:
            yield made, upstream


async def get(made: InProcess, path: str, key: str = ADMIN) -> tuple[int, Any]:
    """Status and JSON of an operator's request."""
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession() as session, session.get(made.url + path, headers=headers) as answer:
        return answer.status, await answer.json()


async def chat(made: InProcess, model: str, request_id: str, **headers: str) -> int:
    """One call."""
    body = {"model": model, "messages": [{"role": "user", "content": "x"}]}
    sent = {"authorization": f"Bearer {made.key}", "x-request-id": request_id, **headers}
    async with (
        aiohttp.ClientSession() as session,
        session.post(made.base_url + "/chat/completions", json=body, headers=sent) as answer,
    ):
        return answer.status


async def test_a_past_call_is_explained_alike_over_both_protocols(gateway: tuple[InProcess, Recorder]) -> None:
    """Considered, tried with result, chosen; by the request id that its answer carried."""
    made, _ = gateway
    assert await chat(made, "both", "req_known") == 200
    status, told = await get(made, "/admin/explain?request_id=req_known")
    assert (status, told["chosen"], told["outcome"]) == (200, "good/*", "complete")
    assert [(each["deployment"], each["outcome"]) for each in told["tried"]] == [
        ("bad/*", "provider_error"),
        ("good/*", "complete"),
    ]
    async with grpc.aio.insecure_channel(made.grpc_address) as channel:
        stub = admin_pb2_grpc.AdminStub(channel)
        reply = await stub.ExplainRoute(
            admin_pb2.ExplainRouteRequest(request_id="req_known"), metadata=(("authorization", f"Bearer {ADMIN}"),)
        )
    assert (reply.chosen, reply.ms, reply.at) == (told["chosen"], told["ms"], told["at"])
    assert (await get(made, "/admin/explain?request_id=req_unknown"))[0] == 404


async def test_a_hypothetical_call_is_planned_with_the_state_of_now(gateway: tuple[InProcess, Recorder]) -> None:
    """After five failures the breaker's reason; with a header the rule's name, for real calls too."""
    made, upstream = gateway
    for number in range(5):
        assert await chat(made, "both", f"req_{number}") == 200
    _, told = await get(made, "/admin/explain?model=both")
    assert [each["deployment"] for each in told["candidates"]] == ["good/*"]
    assert told["dropped"][0]["reason"].endswith("5 failures in a row")
    _, ruled = await get(made, "/admin/explain?model=both&header.X-Region=eu&prompt_tokens=10")
    assert ruled["because"] == ["rule eu"]
    asked = len(upstream.seen)
    assert await chat(made, "both", "req_eu", **{"x-region": "eu"}) == 200
    assert len(upstream.seen) == asked + 1
    assert (await get(made, "/admin/explain?request_id=req_eu"))[1]["because"] == ["rule eu"]


async def test_metadata_of_an_rpc_is_read_like_headers(gateway: tuple[InProcess, Recorder]) -> None:
    """Those that are configured, and no other."""
    made, upstream = gateway
    request = chat_pb2.ChatRequest(model="both")
    request.messages.add(role="user").blocks.add(text="x")
    metadata = (("authorization", f"Bearer {made.key}"), ("x-request-id", "req_rpc"), ("x-region", "eu"))
    async with grpc.aio.insecure_channel(made.grpc_address) as channel:
        await inference_pb2_grpc.InferenceStub(channel).Chat(request, metadata=metadata)
    assert ["/good/" in seen.path for seen in upstream.seen] == [True]
    assert (await get(made, "/admin/explain?request_id=req_rpc"))[1]["because"] == ["rule eu"]


async def test_only_administrators_may_ask(gateway: tuple[InProcess, Recorder]) -> None:
    """A good key that is no administrator's is 403, a wrong one 401; over gRPC likewise; nothing is told."""
    made, _ = gateway
    assert (await get(made, "/admin/deployments", PLAIN))[0] == 403
    assert (await get(made, "/admin/explain?model=both", "nonsense"))[0] == 401
    async with grpc.aio.insecure_channel(made.grpc_address) as channel:
        stub = admin_pb2_grpc.AdminStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListDeployments(
                admin_pb2.ListDeploymentsRequest(), metadata=(("authorization", f"Bearer {PLAIN}"),)
            )
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("?model=both&request_id=r", 400), ("?model=nobody", 404), ("?model=both&x=1", 400),
     ("?model=both&prompt_tokens=many", 400)],
)  # fmt: skip
async def test_a_wrong_question_says_what_is_wrong(
    gateway: tuple[InProcess, Recorder], query: str, status: int
) -> None:
    """With the OpenAI error object."""
    found, body = await get(gateway[0], f"/admin/explain{query}")
    assert (found, bool(body["error"]["message"])) == (status, True)


async def test_the_state_of_deployments_is_listed(gateway: tuple[InProcess, Recorder]) -> None:
    """Breaker, reason, latency; no credential."""
    made, _ = gateway
    for number in range(5):
        await chat(made, "both", f"req_{number}")
    _, told = await get(made, "/admin/deployments?model=both")
    states = {each["deployment"]: each for each in told["deployments"]}
    assert states.keys() == {"bad/both", "good/both"}
    assert (states["bad/both"]["breaker"], states["good/both"]["breaker"]) == ("open", "closed")
    assert states["bad/both"]["openings"] == "1"
    assert states["good/both"]["answer_s"] > 0
    assert (await get(made, "/admin/deployments?model=nobody"))[0] == 404


async def test_each_route_has_its_health_and_can_be_watched(gateway: tuple[InProcess, Recorder]) -> None:
    """NOT_SERVING when every deployment is left out, SERVING again after a call that went well."""
    made, upstream = gateway
    statuses = health_pb2.HealthCheckResponse
    async with grpc.aio.insecure_channel(made.grpc_address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="route/lonely"))
        assert (await watch.read()).status == statuses.SERVING
        for number in range(5):
            await chat(made, "lonely", f"req_{number}")
        assert (await watch.read()).status == statuses.NOT_SERVING
        both = await stub.Check(health_pb2.HealthCheckRequest(service="route/both"))
        assert both.status == statuses.SERVING
        upstream.answer = lambda _: Scripted()
        assert await chat(made, "lonely", "req_good") == 200
        assert (await watch.read()).status == statuses.SERVING
        watch.cancel()


async def test_the_command_line_asks_a_running_service(
    gateway: tuple[InProcess, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same record, as a table or JSON; without the key it says why not."""
    made, _ = gateway
    await chat(made, "both", "req_told")
    monkeypatch.chdir(made.root)
    monkeypatch.setenv("GATEWAY_ENV", "test")
    monkeypatch.setenv("GATEWAY_ADMIN_KEY", ADMIN)
    runner, address = CliRunner(), ["--address", made.grpc_address]

    def ask(*words: str) -> Any:
        return runner.invoke(app, ["route", *words, *address])

    told = await asyncio.to_thread(ask, "explain", "--request-id", "req_told")
    assert "tried bad/*: provider_error" in told.output
    assert "answered by good/*" in told.output
    live = await asyncio.to_thread(ask, "explain", "both", "--live", "--header", "x-region=eu", "--json")
    assert json.loads(live.output)["because"] == ["rule eu"]
    listed = await asyncio.to_thread(ask, "list", "both")
    assert "good/both" in listed.output
    monkeypatch.setenv("GATEWAY_ADMIN_KEY", "wrong")
    refused = await asyncio.to_thread(ask, "list")
    assert (refused.exit_code, "UNAUTHENTICATED" in refused.output) == (1, True)
