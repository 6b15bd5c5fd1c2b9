"""Where requests to providers may go, and whom they trust: the configuration decides both, never a caller."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.providers.outgoing import url_of
from gateway.providers.post import Target
from gateway.providers.transport import Transport, tls_context
from tests.support.certificates import Certificates, make_certificates, needs_openssl
from tests.unit.pipeline.kits import deployment_of
from tests.unit.providers.requests import failure, reply_of

PATHS = ("/models/{model}:generateContent", "/model/{model}/converse", "/chat/completions")
NAMES = ("../../admin", "a/../b", "%2e%2e", "m?x=1", "m#x", "m\r\nX: y", "http://evil/", "m@evil", "\\..\\x", "m;x", "")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", NAMES)
async def test_S1_a_models_name_stays_one_part_of_the_path(path: str, name: str) -> None:
    """Host, other parts of the path and the query are those of the configuration, whatever a caller calls a model."""
    target = Target(url_of(deployment_of("http://provider.example:1/v1"), path, name))
    assert (target.url.host, target.url.port, target.url.raw_query_string) == ("provider.example", 1, "")
    assert target.url.raw_path.count("/") == "/v1".count("/") + path.count("/")
    assert "\r" not in target.url.raw_path


@pytest.mark.parametrize("name", [".", ".."])
def test_S1_a_model_is_no_step_in_a_path(name: str) -> None:
    """A dot segment cannot be quoted: it is refused where it would be one, and a name elsewhere."""
    deployment = deployment_of("http://provider.example/v1")
    with pytest.raises(GatewayError) as caught:
        url_of(deployment, PATHS[1], name)
    assert (caught.value.kind, caught.value.param) == (Kind.INVALID_REQUEST, "model")
    assert url_of(deployment, PATHS[2], name) == "http://provider.example/v1/chat/completions"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("provider"))


@pytest.fixture
async def secured(certificates: Certificates) -> AsyncIterator[str]:
    """A provider whose certificate an authority of its own signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.cert, certificates.key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@needs_openssl
async def test_S3_a_certificate_nobody_vouches_for_is_refused(transport: Transport, secured: str) -> None:
    """Also of this machine: nothing is sent, and the log says why."""
    error = await failure(reply_of(transport, secured).__aenter__())
    assert error.kind is Kind.PROVIDER_ERROR
    assert "CERTIFICATE_VERIFY_FAILED" in error.cause


@needs_openssl
async def test_S3_a_provider_may_have_authorities_of_its_own(
    transport: Transport, secured: str, certificates: Certificates
) -> None:
    """`ca_file` of one provider is trusted for that one alone, and its name is still compared."""
    async with reply_of(transport, secured, ca_file=str(certificates.ca)) as reply:
        assert await reply.read() == b"{}"
    error = await failure(reply_of(transport, secured).__aenter__())
    assert error.kind is Kind.PROVIDER_ERROR


async def test_S3_authorities_that_are_gone_fail_the_attempt(transport: Transport, tmp_path: Path) -> None:
    """Not the process, and not without checking."""
    error = await failure(reply_of(transport, "https://127.0.0.1:9", ca_file=str(tmp_path / "gone.pem")).__aenter__())
    assert error.kind is Kind.PROVIDER_ERROR


@pytest.mark.parametrize("has_file", [True, False])
def test_S3_old_versions_of_tls_are_not_spoken(certificates: Certificates, has_file: bool) -> None:
    """Both kinds of pool begin at TLS 1.2 and check names, whatever the machine's OpenSSL allows."""
    context = tls_context(str(certificates.ca) if has_file else None)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
