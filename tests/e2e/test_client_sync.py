"""The sync client against a real gRPC server: what differs from the async one, and TLS for both."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from pathlib import Path

import grpc
import pytest

from gateway.client import (
    AsyncClient,
    CallCancelledError,
    Client,
    DeadlineExceededError,
    RateLimitError,
    StreamCutError,
    Tls,
    UnavailableError,
    text_of,
    vectors_of,
)
from tests.support.waiting import PATIENCE_S
from tests.unit.client.scripted import REPLY_TEXT, Scripted, serving


async def test_every_method(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """Whole answers, streams, completions, embeddings and models, without an event loop of the caller."""

    def talk() -> list[object]:
        with Client(server[1], key="gw-a.b") as client:
            stream = client.stream_chat(model="plain", messages="hi", request_id="req-9")
            streamed = "".join(text_of(chunk) for chunk in stream)
            return [
                text_of(client.chat(model="plain", messages=[{"role": "user", "content": "hi"}])),
                (streamed, stream.headers["x-request-id"], stream.trailers["server-timing"]),
                text_of(client.complete(model="m", prompt="abc")),
                "".join(text_of(chunk) for chunk in client.stream_complete(model="m", prompt="abc")),
                vectors_of(client.embed(model="m", input="x")),
                [model.id for model in client.list_models()],
                client.get_model("plain").id,
            ]

    assert await asyncio.to_thread(talk) == [
        REPLY_TEXT,
        (REPLY_TEXT, "req-9", "total;dur=1"),
        "ABC",
        "abc",
        [[0.0, -2.0]],
        ["plain", "thinking"],
        "plain",
    ]


async def test_failures_and_retries(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """The same classes, the same retries, the same refusal of a cut stream as in the async client."""

    def talk() -> None:
        with Client(server[1]) as client:
            with pytest.raises(RateLimitError) as caught:
                client.chat(model="fail-RATE_LIMITED", messages="hi")
            assert (caught.value.retry_after_s, caught.value.param) == (7.5, "messages[0]")
            with pytest.raises(StreamCutError):
                list(client.stream_chat(model="cut-ok", messages="hi"))
            with pytest.raises(DeadlineExceededError):
                client.chat(model="slow", messages="hi", timeout_s=0.2)

    await asyncio.to_thread(talk)
    servicer.reset()
    with Client(server[1]) as client:
        assert text_of(await asyncio.to_thread(client.chat, model="flaky-2", messages="hi")) == REPLY_TEXT
        servicer.reset()
        chunks = await asyncio.to_thread(lambda: list(client.stream_chat(model="flaky-1", messages="hi")))
        assert "".join(map(text_of, chunks)) == REPLY_TEXT
    with Client("127.0.0.1:1", max_retries=0) as client, pytest.raises(UnavailableError):
        await asyncio.to_thread(client.list_models)


@pytest.mark.parametrize("way", ["close", "with", "drop"])
async def test_leaving_a_stream_cancels_it(server: tuple[Scripted, str], servicer: Scripted, way: str) -> None:
    """Closing, leaving or dropping the stream is seen by the server."""

    def talk(client: Client) -> None:
        stream = client.stream_chat(model="slow-end", messages="hi")
        if way == "with":
            with stream:
                next(stream)
        else:
            next(stream)
            if way == "close":
                stream.close()

    with Client(server[1]) as client:
        await asyncio.to_thread(talk, client)
        await asyncio.wait_for(servicer.cancelled.wait(), PATIENCE_S)


async def test_close_from_another_thread_ends_calls(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """close() ends the calls of other threads with an error of ours."""
    client = Client(server[1])
    call = asyncio.create_task(asyncio.to_thread(client.chat, model="slow", messages="hi"))
    await asyncio.wait_for(servicer.started.wait(), PATIENCE_S)
    client.close()
    with pytest.raises(CallCancelledError):
        await asyncio.wait_for(call, PATIENCE_S)


async def test_threads_share_one_client(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """Eight threads over one client get eight answers over one channel."""
    results: list[str] = []
    with Client(server[1]) as client:

        def talk() -> None:
            results.append(text_of(client.chat(model="plain", messages="hi")))

        threads = [threading.Thread(target=talk) for _ in range(8)]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(lambda: [thread.join(20) for thread in threads])
    assert results == [REPLY_TEXT] * 8


# --- TLS -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(certificate, key) of a self-signed `gateway.test`."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=gateway.test", "-addext", "subjectAltName=DNS:gateway.test"]
    subprocess.run([*command, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return certificate, key


async def test_tls_and_mutual_tls(certificate: tuple[Path, Path]) -> None:
    """A trusted server answers both clients, with a client certificate when asked; an untrusted one does not."""
    cert, key = (path.read_bytes() for path in certificate)
    credentials = grpc.ssl_server_credentials([(key, cert)], root_certificates=cert, require_client_auth=True)
    paths = [str(path) for path in certificate]
    trusted = Tls(ca_file=paths[0], cert_file=paths[0], key_file=paths[1], server_name="gateway.test")
    async with serving(credentials) as (_, address):
        async with AsyncClient(address, tls=trusted) as client:
            assert await client.list_models()
        with Client(f"grpcs://{address}", tls=trusted) as sync_client:
            assert await asyncio.to_thread(sync_client.list_models)
        for wrong in (True, Tls(ca_file=paths[0], server_name="gateway.test"), False):
            async with AsyncClient(address, tls=wrong, max_retries=0, timeout_s=10) as client:
                with pytest.raises(UnavailableError):
                    await client.list_models()
