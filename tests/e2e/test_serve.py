"""`gateway serve` as its user meets it: first start, keys made and revoked, reload, its other compositions.

Rules: each property on processes of its own; a change is waited for, bounded, and seen from outside.
Not here: processes that die (tests/chaos); what calls answer (the other tests of this folder).
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.wire.pb import chat_pb2, inference_pb2_grpc, types_pb2
from tests.support.place import clean_environ, variables, write_files
from tests.support.raw import Answer, ask
from tests.support.served import GATEWAY, Served, served
from tests.support.waiting import PATIENCE_S, eventually

QUICK = {"process": {"drain_s": 1}, "observe": {"log_format": "json"}}
EXIT_CONFIGURATION = 78


async def chat(gateway: Served, key: str, model: str = "sim", **body: Any) -> Answer:
    """One chat over HTTP."""
    given = {"model": model, "messages": [{"role": "user", "content": "hi"}], **body}
    return await ask(f"{gateway.base_url}/chat/completions", given, key)


async def grpc_code(gateway: Served, key: str, model: str = "sim") -> grpc.StatusCode:
    """How one chat over gRPC ended."""
    message = types_pb2.Message(role="user", blocks=[types_pb2.Block(text="hi")])
    request = chat_pb2.ChatRequest(model=model, messages=[message])
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        call = inference_pb2_grpc.InferenceStub(channel).Chat(
            request, metadata=(("authorization", f"Bearer {key}"),), timeout=20
        )
        code: grpc.StatusCode = await call.code()
        return code


def start_again(stopped: Served) -> subprocess.Popen[str]:
    """The same command in the same directory; what it prints is kept, what it logs is not."""
    return subprocess.Popen(
        [str(GATEWAY), "serve"],
        cwd=stopped.root,
        env=stopped.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


async def test_first_start_makes_a_key_and_shows_it_once() -> None:
    """The printed key works; no file and no log line holds it; a second start prints none and the key still works."""
    with served(QUICK, key=None) as running:
        [key] = re.findall(r"export OPENAI_API_KEY=(\S+)", running.log_text())
        [url] = re.findall(r"export OPENAI_BASE_URL=(\S+)", running.log_text())
        assert url == running.base_url
        assert key.startswith("gw-")
        assert (await chat(running, key)).ok().content == "You said: hi"
        assert await grpc_code(running, key) is grpc.StatusCode.OK
        assert "SIMULATOR" in running.log_text()
        (await chat(running, key + "x")).error(401)
        assert running.log_text().count(key) == 1
        assert running.stop() == 0
        state = running.root / "state"
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        for path in state.rglob("*"):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
            assert path.is_dir() or key.partition(".")[2].encode() not in path.read_bytes(), path
        again = start_again(running)
        try:
            await eventually(running.is_ready, "the second start to be ready")
            (await chat(running, key)).ok()
        finally:
            again.terminate()
            printed, _ = again.communicate(timeout=PATIENCE_S)
        assert "OPENAI_API_KEY" not in printed


@pytest.fixture(scope="module")
def keyed() -> Iterator[Served]:
    """A gateway whose keys come and go."""
    with served(QUICK) as running:
        yield running


async def test_keys_are_made_listed_and_revoked_while_it_runs(keyed: Served) -> None:
    """A made key works on both protocols within seconds, is never shown again, and stops when it is revoked."""
    made = keyed.command("keys", "create", "--name", "ana", "--model", "gpt-4o-mini", "--rpm", "50")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()

    async def works() -> bool:
        return (await chat(keyed, key, "gpt-4o-mini")).status == 200

    await eventually(works, "the new key to work")
    assert await grpc_code(keyed, key, "gpt-4o-mini") is grpc.StatusCode.OK
    (await chat(keyed, key, "gpt-4o")).error(403, "permission_denied")
    assert (await chat(keyed, key, "gpt-4o-mini")).headers["x-ratelimit-limit-requests"] == "50"
    [record] = json.loads(keyed.command("keys", "list", "--json").stdout)
    assert (record["name"], record["state"], record["models"]) == ("ana", "active", "gpt-4o-mini")
    assert key.partition(".")[2] not in keyed.command("keys", "list").stdout + json.dumps(record)
    revoked = keyed.command("keys", "revoke", record["id"])
    assert revoked.returncode == 0, revoked.stderr

    async def is_refused() -> bool:
        return (await chat(keyed, key, "gpt-4o-mini")).status == 401

    await eventually(is_refused, "the revoked key to be refused")
    assert await grpc_code(keyed, key, "gpt-4o-mini") is grpc.StatusCode.UNAUTHENTICATED
    (await chat(keyed, keyed.key)).ok()


async def test_files_and_sighup_reload_and_a_bad_file_changes_nothing() -> None:
    """A new model appears and the generation rises, in headers and metrics; a wrong file is said once and kept out."""
    model = {"names": ["m-new"], "candidates": [{"provider": "simulator"}]}
    with served(QUICK) as running:
        first = (await chat(running, running.key)).ok().headers["x-gateway-generation"]
        (await chat(running, running.key, "m-new")).error(404)
        running.write_layer({**QUICK, "models": {"m-new": model}})

        async def is_there() -> bool:
            return (await chat(running, running.key, "m-new")).status == 200

        await eventually(is_there, "the new model")
        second = (await chat(running, running.key)).ok().headers["x-gateway-generation"]
        assert int(second) == int(first) + 1
        running.write_layer({**QUICK, "models": {"m-new": {**model, "kandidates": []}}})
        running.signal(signal.SIGHUP)

        def complaints() -> list[dict[str, Any]]:
            return [line for line in running.logs() if "last good one stays" in json.dumps(line)]

        await eventually(complaints, "a word about the wrong file")
        assert "kandidates" in json.dumps(complaints())
        assert await is_there()
        assert (await chat(running, running.key)).ok().headers["x-gateway-generation"] == second
        running.write_layer({**QUICK, "limits": {"requests_per_minute": 100}, "models": {"m-new": model}})

        async def is_limited() -> bool:
            return "x-ratelimit-limit-requests" in (await chat(running, running.key)).headers

        await eventually(is_limited, "the mended file")
        assert len(complaints()) == 1
        metrics = (await ask(f"{running.url}/metrics")).text
        assert re.search(rf"^gateway_\w*generation\w*(\{{.*\}})? {int(second) + 1}(\.0)?$", metrics, re.MULTILINE), (
            metrics
        )


@pytest.mark.parametrize(
    ("arguments", "layer"),
    [(["--single"], QUICK), ([], {**QUICK, "process": {"drain_s": 1, "frontends": 3}})],
    ids=["single", "three-frontends"],
)
async def test_other_compositions_answer_the_same(arguments: list[str], layer: dict[str, Any]) -> None:
    """One process, or three frontends on one port: HTTP whole and streamed, gRPC, pages; a stop that is clean."""
    with served(layer, arguments=arguments) as running:
        for _ in range(12):
            assert (await chat(running, running.key)).ok().content == "You said: hi"
        streamed = (await chat(running, running.key, "sim-chunks-50", stream=True)).ok()
        assert streamed.is_done
        assert len(streamed.content.split()) == 50
        assert await grpc_code(running, running.key) is grpc.StatusCode.OK
        for path in ("/health", "/readyz", "/openapi.json", "/v1/models"):
            (await ask(running.url + path, key=running.key)).ok()
        assert running.stop() == 0, running.log_text()
        assert not [line for line in running.logs() if line.get("level") in ("error", "critical")]


async def test_metrics_add_up_over_processes() -> None:
    """Whichever of three frontends is asked, /metrics comes to count the requests of all, each once."""
    with served({**QUICK, "process": {"drain_s": 1, "frontends": 3}}) as running:
        for _ in range(15):
            (await chat(running, running.key)).ok()

        async def counted() -> int:
            text = (await ask(f"{running.url}/metrics")).text
            found = re.findall(r"^gateway_http_requests_total\{[^}]*chat/completions[^}]*\} (\S+)", text, re.MULTILINE)
            return int(sum(map(float, found)))

        async def is_all() -> bool:
            return await counted() == 15

        await eventually(is_all, "all processes to have handed over their counts")
        assert [await counted() for _ in range(4)] == [15] * 4


def test_an_address_in_use_is_said_and_ends_it(gateway: Served) -> None:
    """A port somebody else has: exit code 78 and words that name the setting, within seconds."""
    taken = gateway.url.rpartition(":")[2]
    done = subprocess.run(
        [str(GATEWAY), "serve", "--single"],
        cwd=gateway.root,
        env={**gateway.env, "GATEWAY_HTTP__PORT": taken, "GATEWAY_GRPC__PORT": "0", "GATEWAY_SIMULATOR__PORT": "0"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == EXIT_CONFIGURATION
    assert "in use" in done.stderr
    assert taken in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_as_soon_as_it_starts_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    """From the moment its directory is there: told to end it ends well, told to reload it starts; nothing stays."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    write_files(tmp_path, {"local.yaml": QUICK})
    ports = {"GATEWAY_HTTP__PORT": "0", "GATEWAY_GRPC__PORT": "0", "GATEWAY_SIMULATOR__PORT": "0"}
    environ = {**clean_environ(), **variables(tmp_path, "development", ports), "TMPDIR": str(scratch)}
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = await asyncio.create_subprocess_exec(
            str(GATEWAY), "serve", cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        await eventually(lambda: list(scratch.iterdir()), "its directory", every_s=0.001)
        command.send_signal(number)
        if number == signal.SIGHUP:
            await eventually(lambda: "frontend ready" in log.read_text(), "it starts", within_s=60)
            command.terminate()
        async with asyncio.timeout(60):
            assert await command.wait() == 0, log.read_text()
    finally:
        if command.returncode is None:
            command.kill()
            await command.wait()
    assert list(scratch.iterdir()) == []
    assert "Traceback" not in log.read_text()
