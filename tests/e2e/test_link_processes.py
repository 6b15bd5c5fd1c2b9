"""`gateway service` and `gateway frontend` as processes of their own, linked over TCP: secret, TLS, mTLS, refusals.

Rules: loopback only; a change is waited for, bounded, and seen from outside.
Not here: the link inside one process (test_link_*), one service with its frontends under a supervisor (test_serve).
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Certificates, make_certificates, needs_openssl
from tests.support.place import KEY, clean_environ, variables, write_layer
from tests.support.raw import ask
from tests.support.served import GATEWAY, served
from tests.support.waiting import eventually, free_port

START_S = 40.0
SECRET = "between-the-halves"
EXIT_CONFIGURATION = 78
QUICK = {"process": {"drain_s": 1}, "observe": {"log_format": "json"}}


@dataclass(slots=True)
class Process:
    """One half that runs."""

    process: subprocess.Popen[bytes]
    log: Path

    def records(self, event: str) -> list[dict[str, Any]]:
        """Log records of that name so far."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.startswith("{")]
        return [record for record in map(json.loads, lines) if record["event"] == event]

    async def ready(self, event: str) -> dict[str, Any]:
        """Wait for its record."""

        def found() -> list[dict[str, Any]]:
            assert self.process.poll() is None, self.log.read_text()
            return self.records(event)

        return (await eventually(found, event, within_s=START_S))[0]  # type: ignore[no-any-return]  # Any of eventually

    async def ended(self) -> int:
        """Wait for its exit code."""
        await eventually(lambda: self.process.poll() is not None, "the end of the process", within_s=START_S)
        return self.process.wait()


@dataclass(slots=True)
class Halves:
    """Starts halves in one directory; `address` is the link's."""

    root: Path
    address: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    started: list[Process] = field(default_factory=list)

    def start(self, *arguments: str, **environ: str) -> Process:
        """`gateway ARGUMENTS` with variables of its own; nothing of the service's configuration reaches a frontend."""
        log = self.root / f"{len(self.started)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [str(GATEWAY), *arguments],
                cwd=self.root,
                env=clean_environ() | environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.started.append(Process(process, log))
        return self.started[-1]

    async def service(self, layer: Mapping[str, Any], **environ: str) -> Process:
        """`gateway service`, ready, with a simulator beside it."""
        simulator = free_port()
        self.start("simulate", "--port", str(simulator))
        ports = {"GATEWAY_GRPC__PORT": "0", "GATEWAY_SIMULATOR__PORT": str(simulator)}
        write_layer(self.root, {**QUICK, **layer})
        known = variables(self.root, "development", {**ports, **environ})
        service = self.start("service", "--link", self.address, **known)
        await service.ready("service ready")
        return service

    def frontend(self, *arguments: str, **environ: str) -> Process:
        """`gateway frontend`, started."""
        return self.start("frontend", "--service", self.address, "--port", "0", *arguments, **environ)


@pytest.fixture
def halves(tmp_path: Path) -> Iterator[Halves]:
    """Halves that end with the test."""
    running = Halves(tmp_path)
    try:
        yield running
    finally:
        for one in running.started:
            one.process.terminate()
        for one in running.started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.process.wait(10)
            one.process.kill()
            one.process.wait(10)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What both ends trust."""
    return make_certificates(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What neither end trusts."""
    return make_certificates(tmp_path_factory.mktemp("theirs"))


async def content(frontend: Process) -> str:
    """The answer to one chat."""
    url = (await frontend.ready("frontend ready"))["url"]
    answer = await ask(
        f"{url}/v1/chat/completions", {"model": "sim", "messages": [{"role": "user", "content": "hi"}]}, KEY
    )
    return answer.ok().content


async def test_two_frontends_share_a_service_over_tcp(halves: Halves) -> None:
    """With the secret both answer; a wrong one is said seldom at both ends and ends that frontend with 78."""
    service = await halves.service({}, GATEWAY_LINK_SECRET=SECRET)
    frontends = [halves.frontend(GATEWAY_LINK_SECRET=SECRET) for _ in range(2)]
    stranger = halves.frontend(GATEWAY_LINK_SECRET="another")
    assert [await content(frontend) for frontend in frontends] == ["You said: hi"] * 2
    assert await stranger.ended() == EXIT_CONFIGURATION
    [said] = stranger.records("every service refuses this frontend")
    assert "GATEWAY_LINK_SECRET" in said["services"][halves.address]
    assert not stranger.records("frontend ready")
    assert len(stranger.records("gateway.rpc.link_client")) == 1
    assert len(service.records("gateway.rpc.link_server")) == 1
    assert not service.records("the link is plain text on the network")
    assert SECRET not in "".join(one.log.read_text() for one in halves.started)
    assert [await content(frontend) for frontend in frontends] == ["You said: hi"] * 2


@needs_openssl
async def test_with_mtls_the_certificate_is_the_identity(
    halves: Halves, ours: Certificates, theirs: Certificates
) -> None:
    """A certificate of the authority needs no secret; none, another one, or a service not trusted end with 78."""
    tls = {"cert_file": str(ours.cert), "key_file": str(ours.key), "ca_file": str(ours.ca)}
    service = await halves.service({"link": {"tls": tls}})
    own = {"GATEWAY_LINK_TLS_CERT": str(ours.cert), "GATEWAY_LINK_TLS_KEY": str(ours.key)}
    right = halves.frontend("--tls-ca", str(ours.ca), **own)
    refused = {
        "wants a certificate": halves.frontend("--tls-ca", str(ours.ca), GATEWAY_LINK_SECRET=SECRET),
        "wants a certificate its": halves.frontend(
            "--tls-ca", str(ours.ca), "--tls-cert", str(theirs.cert), "--tls-key", str(theirs.key)
        ),
        "not trusted": halves.frontend("--tls-ca", str(theirs.ca), **own),
        "wants TLS": halves.frontend(),
    }
    assert await content(right) == "You said: hi"
    for reason, frontend in refused.items():
        assert await frontend.ended() == EXIT_CONFIGURATION, reason
        assert reason in frontend.records("every service refuses this frontend")[0]["services"][halves.address]
    assert len(service.log.read_text().splitlines()) < 10, service.log.read_text()
    assert await content(right) == "You said: hi"


@needs_openssl
async def test_with_tls_alone_the_secret_is_the_identity(halves: Halves, ours: Certificates) -> None:
    """Without ca_file the link is encrypted, and a frontend without the secret is refused."""
    tls = {"cert_file": str(ours.cert), "key_file": str(ours.key)}
    await halves.service({"link": {"tls": tls}}, GATEWAY_LINK_SECRET=SECRET)
    right = halves.frontend("--tls-ca", str(ours.ca), GATEWAY_LINK_SECRET=SECRET)
    wrong = halves.frontend("--tls-ca", str(ours.ca))
    assert await content(right) == "You said: hi"
    assert await wrong.ended() == EXIT_CONFIGURATION
    assert "secret" in wrong.log.read_text()


async def test_a_plain_link_on_the_network_is_said_once(halves: Halves) -> None:
    """A TCP link beyond this machine works with the secret, with one warning."""
    halves.address = f"0.0.0.0:{free_port()}"
    service = await halves.service({}, GATEWAY_LINK_SECRET=SECRET)
    halves.address = halves.address.replace("0.0.0.0", "127.0.0.1")
    assert await content(halves.frontend(GATEWAY_LINK_SECRET=SECRET)) == "You said: hi"
    assert len(service.records("the link is plain text on the network")) == 1


async def test_a_frontend_that_finds_nobody_goes_on_waiting(halves: Halves) -> None:
    """A service that starts later is no mistake: the frontend is there for it."""
    frontend = halves.frontend(GATEWAY_LINK_SECRET=SECRET)
    await frontend.ready("gateway.rpc.link_client")  # said after some 2 s of trying
    assert frontend.process.poll() is None
    await halves.service({}, GATEWAY_LINK_SECRET=SECRET)
    assert await content(frontend) == "You said: hi"


async def test_serve_takes_frontends_of_other_machines_too(halves: Halves) -> None:
    """With link.address, `gateway serve` answers by its own frontends, and others can link over TCP."""
    layer = {**QUICK, "link": {"address": halves.address}}
    with served(layer, environ={"GATEWAY_LINK_SECRET": SECRET}) as running:
        body = {"model": "sim", "messages": [{"role": "user", "content": "hi"}]}
        assert (await ask(f"{running.base_url}/chat/completions", body, running.key)).ok().content == "You said: hi"
        assert await content(halves.frontend(GATEWAY_LINK_SECRET=SECRET)) == "You said: hi"


def test_files_that_cannot_be_used_end_a_frontend_at_once(halves: Halves) -> None:
    """A wrong command line is said in one line, with 78."""
    done = subprocess.run(
        [str(GATEWAY), "frontend", "--service", halves.address, "--tls-ca", "nowhere.pem"],
        cwd=halves.root,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (EXIT_CONFIGURATION, "nowhere.pem: No such file or directory\n")
