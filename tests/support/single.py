"""A whole gateway in the test's own process, over the in-process link: its inside can be looked at, its clock moved.

Rules: real sockets on free ports, the same configuration as any gateway; everything is stopped when the block ends.
Not here: separate processes (served).
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.app.service import ServiceHalf
from gateway.app.single import Single, running
from gateway.config.load import load
from gateway.core.clock import Clock
from gateway.quota.reservation import Quota
from tests.support.place import KEY, Layer, patience, variables, write_files, write_layer
from tests.support.simulated import Simulated


@dataclass(slots=True)
class InProcess:
    """A gateway in this process. `half.kit` is its inside: quota, transport, in_flight, runtime."""

    root: Path
    whole: Single
    key: str

    @property
    def url(self) -> str:
        """Of the HTTP listener, without path."""
        return self.whole.http.url

    @property
    def base_url(self) -> str:
        """What an OpenAI SDK takes as base_url."""
        return self.whole.base_url

    @property
    def grpc_address(self) -> str:
        """HOST:PORT of the gRPC listener."""
        return f"127.0.0.1:{self.whole.grpc.port}"

    @property
    def simulator(self) -> Simulated:
        """The simulator of this gateway."""
        return Simulated(self.whole.simulator_url)

    @property
    def half(self) -> ServiceHalf:
        """Everything behind the link."""
        return self.whole.half

    @property
    def quota(self) -> Quota:
        """The limits' state; `open_count` reservations are not settled yet."""
        return self.whole.half.kit.quota

    def write_layer(self, layer: Layer) -> None:
        """Replace the layer this gateway was started with."""
        write_layer(self.root, layer)


@asynccontextmanager
async def single(
    layer: Layer | None = None,
    *,
    clock: Clock | None = None,
    environment: str = "test",
    environ: Mapping[str, str] | None = None,
    files: Mapping[str, Layer] | None = None,
    key: str = KEY,
) -> AsyncIterator[InProcess]:
    """Run a gateway here until the block ends; `clock` (a ManualClock) moves its limits' time."""
    root = Path(tempfile.mkdtemp(prefix="gateway-test-"))
    ports = {"GATEWAY_HTTP__PORT": "0", "GATEWAY_GRPC__PORT": "0", "GATEWAY_DEV_KEY": key}
    try:
        write_files(root, {"local.yaml": layer or {}, **(files or {})})
        found = variables(root, environment, {**patience(layer), **ports, **(environ or {})})
        loading = functools.partial(load, root, environment=environment, environ=found)
        async with running(loading, clock=clock) as whole:
            yield InProcess(root, whole, key)
    finally:
        shutil.rmtree(root, ignore_errors=True)
