"""How links greet: protocol versions, the shared secret, mTLS."""

from __future__ import annotations

import logging
from pathlib import Path

import grpc
import pytest

from gateway.core.errors import Kind
from gateway.rpc.link_client import LinkClient
from gateway.rpc.link_server import LinkServer, serve
from gateway.rpc.options import LinkOptions
from tests.e2e.link_toy import (
    WAIT_S,
    Toy,
    begin,
    failure_of,
    serving,
    socket_address,
    take_all,
    until,
)
from tests.support.certificates import make_certificates, needs_openssl


@pytest.mark.parametrize(
    ("service", "frontend", "is_understood"),
    [(1, 1, True), (1, 2, True), (2, 1, True), (1, 3, False), (3, 1, False), (1, 0, False)],
)
async def test_neighbouring_versions_work_together(service: int, frontend: int, is_understood: bool) -> None:
    """Protocol versions that differ by one run calls; others never link, and both sides can say why."""
    with socket_address() as address:
        client = LinkClient([address], LinkOptions(protocol=frontend, connect_wait_s=0.2))
        async with serving(Toy(), address, LinkOptions(protocol=service)), client:
            if is_understood:
                assert await client.ready(WAIT_S)
                assert len(await take_all(begin(client, "echo"))) == 3
                return
            await until(lambda: "protocol" in client.last_error)
            assert client.state == "connecting"
            failure = await failure_of(begin(client, "echo"))
            assert (failure.kind, failure.retry_after_s) == (Kind.UNAVAILABLE, 1)


@pytest.mark.parametrize(
    ("ours", "theirs", "is_trusted"),
    [("s3cret", "s3cret", True), ("s3cret", "other", False), ("s3cret", "", False), ("", "", False), ("", "x", False)],
)
async def test_over_tcp_the_secret_decides(ours: str, theirs: str, is_trusted: bool) -> None:
    """Without the right secret no call is taken over TCP; a service without a secret trusts nobody there."""
    toy = Toy()
    grpc_server, port = await serve(LinkServer(toy, LinkOptions(secret=ours)), "127.0.0.1:0")
    address = f"127.0.0.1:{port}"
    async with LinkClient([address], LinkOptions(secret=theirs, connect_wait_s=0.2)) as client:
        if is_trusted:
            assert await client.ready(WAIT_S)
            assert len(await take_all(begin(client, "echo"))) == 3
        else:
            await until(lambda: "secret" in client.last_error)
            assert (await failure_of(begin(client, "echo"))).kind is Kind.UNAVAILABLE
            assert not toy.began
            assert "s3cret" not in client.last_error
    await grpc_server.stop(0)


@needs_openssl
@pytest.mark.parametrize("has_certificate", [True, False])
async def test_over_mtls_the_certificate_decides(tmp_path: Path, has_certificate: bool) -> None:
    """With mTLS no secret is needed; a frontend without a certificate gets no link."""
    made = make_certificates(tmp_path)
    authority, pair = made.ca.read_bytes(), made.pair
    trusted = grpc.ssl_server_credentials([pair], authority, require_client_auth=True)
    grpc_server, port = await serve(LinkServer(Toy()), "localhost:0", trusted)
    mine = grpc.ssl_channel_credentials(authority, *(pair if has_certificate else ()))
    async with LinkClient([f"localhost:{port}"], LinkOptions(connect_wait_s=0.2), credentials=mine) as client:
        if has_certificate:
            assert await client.ready(WAIT_S), client.last_error
            assert len(await take_all(begin(client, "echo"))) == 3
        else:
            await until(lambda: client.last_error)
            assert (await failure_of(begin(client, "echo"))).kind is Kind.UNAVAILABLE
    await grpc_server.stop(0)


@needs_openssl
async def test_tls_without_a_client_certificate_still_needs_the_secret(tmp_path: Path) -> None:
    """Encryption alone is no identity."""
    made = make_certificates(tmp_path)
    credentials = grpc.ssl_server_credentials([made.pair])
    grpc_server, port = await serve(LinkServer(Toy(), LinkOptions(secret="right")), "localhost:0", credentials)
    mine = grpc.ssl_channel_credentials(made.ca.read_bytes())
    async with LinkClient([f"localhost:{port}"], LinkOptions(secret="right"), credentials=mine) as client:
        assert await client.ready(WAIT_S), client.last_error
    async with LinkClient([f"localhost:{port}"], credentials=mine) as client:
        await until(lambda: "secret" in client.last_error)
    await grpc_server.stop(0)


async def test_a_refused_frontend_is_one_record_at_each_end(caplog: pytest.LogCaptureFixture) -> None:
    """However often it tries, a refused frontend does not fill the logs; the reason is there, and by address."""
    grpc_server, port = await serve(LinkServer(Toy(), LinkOptions(secret="right")), "127.0.0.1:0")
    options = LinkOptions(secret="wrong", backoff_first_s=0.001, backoff_max_s=0.002)
    tries: list[str] = []

    class Noted(LinkClient):
        def _say(self, address: str, error: Exception, failures: int, *, was_up: bool) -> None:
            super()._say(address, error, failures, was_up=was_up)
            tries.append(address)

    with caplog.at_level(logging.WARNING, logger="gateway.rpc"):
        async with Noted([f"127.0.0.1:{port}"], options) as client:
            await until(lambda: len(tries) > 10)
            assert "secret" in client.refusals[f"127.0.0.1:{port}"]
    said = [record.name for record in caplog.records if "secret is wrong" in record.getMessage()]
    assert sorted(said) == ["gateway.rpc.link_client", "gateway.rpc.link_server"]
    await grpc_server.stop(0)
