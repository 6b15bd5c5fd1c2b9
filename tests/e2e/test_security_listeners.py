"""Who may reach which listener: certificates at the gRPC one, the operators' surface apart from everybody else's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from gateway.wire.pb import admin_pb2, admin_pb2_grpc, chat_pb2, inference_pb2_grpc
from tests.support.certificates import Certificates, make_certificates, needs_openssl
from tests.support.place import KEY, key_record
from tests.support.raw import ask
from tests.support.single import InProcess, single
from tests.support.waiting import PATIENCE_S

ADMIN = "an-operators-secret"
PLAIN = "gw-plain.no-administrators-key"
CHAT = chat_pb2.ChatRequest(model="sim", messages=[{"role": "user", "blocks": [{"text": "hi"}]}])


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
async def secured(ours: Certificates) -> AsyncIterator[InProcess]:
    """A gateway whose gRPC clients must show a certificate."""
    tls = {"cert_file": str(ours.cert), "key_file": str(ours.key), "ca_file": str(ours.ca)}
    async with single({"grpc": {"tls": tls}, "keys": {"plain": key_record(PLAIN)}}) as running:
        yield running


async def chat(address: str, credentials: grpc.ChannelCredentials | None, key: str) -> str:
    """How a call ends: the status."""
    opened = (
        grpc.aio.insecure_channel(address)
        if credentials is None
        else grpc.aio.secure_channel(address.replace("127.0.0.1", "localhost"), credentials)
    )
    async with opened as channel:
        try:
            metadata = (("authorization", f"Bearer {key}"),)
            await inference_pb2_grpc.InferenceStub(channel).Chat(CHAT, metadata=metadata, timeout=PATIENCE_S)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        return "OK"


@needs_openssl
async def test_S12_a_client_shows_a_certificate_and_a_key(secured: InProcess, ours: Certificates) -> None:
    """With both it is served; a certificate alone does not say who calls, and the rules of keys are those of HTTP."""
    credentials = grpc.ssl_channel_credentials(ours.ca.read_bytes(), *ours.pair)
    assert await chat(secured.grpc_address, credentials, KEY) == "OK"
    assert await chat(secured.grpc_address, credentials, "gw-wrong.key") == "UNAUTHENTICATED"


@needs_openssl
async def test_S12_without_a_certificate_nobody_gets_in(secured: InProcess, ours: Certificates, tmp_path: Path) -> None:
    """No certificate, one of another authority, no TLS: the connection ends before any call."""
    theirs = make_certificates(tmp_path / "theirs")
    for credentials in (
        grpc.ssl_channel_credentials(ours.ca.read_bytes()),
        grpc.ssl_channel_credentials(ours.ca.read_bytes(), *theirs.pair),
        None,
    ):
        assert await chat(secured.grpc_address, credentials, KEY) == "UNAVAILABLE"


async def test_S16_the_operators_surface_has_a_listener_of_its_own() -> None:
    """Left out of the public profile and of gRPC, it is there for nobody; inside, for its credential."""
    layer = {
        "http": {"listeners": {"inside": {"port": 0, "profile": "operators"}}},
        "grpc": {"is_admin_served": False},
        "keys": {"plain": key_record(PLAIN)},
        "profiles": {
            "default": {"endpoints": ["completions", "accounts"]},
            "operators": {"endpoints": ["admin", "metrics"]},
        },
    }
    async with single(layer, environ={"GATEWAY_ADMIN_KEY": ADMIN}) as running:
        inside = running.whole.http.urls["inside"]
        for path in ("/admin/deployments", "/admin/explain?model=sim", "/admin/users", "/metrics"):
            assert (await ask(f"{running.url}{path}", None, ADMIN)).status == 404, path
        (await ask(f"{inside}/admin/deployments", None, ADMIN)).ok()
        for key in (PLAIN, "wrong", None):
            assert (await ask(f"{inside}/admin/deployments", None, key)).status in {401, 403}
        async with grpc.aio.insecure_channel(running.grpc_address) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await admin_pb2_grpc.AdminStub(channel).ListDeployments(
                    admin_pb2.ListDeploymentsRequest(), metadata=(("authorization", f"Bearer {ADMIN}"),)
                )
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_S15_a_flood_of_wrong_keys_asks_nobody() -> None:
    """500 wrong keys of all forms: no database is made, nothing is reserved, no provider is asked, and all say 401."""
    layer = {"keys": {"plain": key_record(PLAIN)}}
    async with single(layer) as running:
        wrong = ["", "x", "gw-", "gw-plain.wrong", "gw-nobody.secret", "eyJhbGciOiJub25lIn0.e30.", "sk-" + "x" * 3000]
        body = {"model": "sim", "messages": [{"role": "user", "content": "hi"}]}
        for number in range(500):
            answer = await ask(f"{running.base_url}/chat/completions", body, wrong[number % len(wrong)] or None)
            assert answer.status == 401, answer.text
            assert json.loads(answer.text)["error"]["type"] == "invalid_request_error"
        assert running.quota.open_count == 0
        assert running.half.kit.transport.open_replies == 0
        assert not list((running.root / "state").rglob("*.db"))
