"""Both halves in one process, over the in-process link: for tests, laptops and the lowest latency.

Rules:
    - Same parts, same configuration, same behaviour as `service` and `frontend`; only the link differs.
    - The simulator runs in the process too, when the configuration wants it.
Not here:
    - The halves (app.service, app.frontend).
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.app.frontend import Settings, edge_of
from gateway.app.link_tls import service_credentials
from gateway.app.loop import EXIT_CONFIGURATION, adopt_logging, run, signals
from gateway.app.service import ServiceHalf
from gateway.config.load import Loaded
from gateway.config.problems import ConfigErrors
from gateway.config.schema import Config
from gateway.config.snapshot import Current
from gateway.config.standin import at_address, is_on
from gateway.core.clock import Clock
from gateway.frontend.server import Running, serve
from gateway.observe.log import Log, make_log
from gateway.rpc.inprocess import InProcessLink
from gateway.service.server import GrpcServer
from gateway.simulator import server as simulator


@dataclass(slots=True)
class Single:
    """A whole gateway that runs in this process. `simulator_url` is empty when there is none."""

    half: ServiceHalf
    http: Running
    grpc: GrpcServer
    link: InProcessLink
    simulator_url: str

    @property
    def base_url(self) -> str:
        """What an OpenAI SDK takes as base_url."""
        return f"{self.http.url}/v1"


@asynccontextmanager
async def running(
    load: Callable[[], Loaded],
    *,
    log: Log | None = None,
    clock: Clock | None = None,
    drain_s: float = 0.0,
    announce_s: float = 0.0,
) -> AsyncGenerator[Single, None]:
    """Start everything, give it, and stop it within `drain_s`. Raises ConfigErrors, and OSError for a port in use."""
    place = _Place()
    current = Current(load, adapt=place.adapt)
    config = current.get().config
    log = log or make_log(config.observe.log_level, config.observe.log_format, "gateway")
    stand_in = None
    if is_on(config):
        stand_in = await simulator.serve(config.simulator.host, config.simulator.port)
        place.host, place.port = config.simulator.host, stand_in.port
        current.refresh()
    half = ServiceHalf(current, log, clock)
    settings = Settings(log)
    link = InProcessLink(half.dispatch, on_settings=settings.take)
    grpc_server = GrpcServer(config, half.dispatch, half.stalled_for_s, half.call_headers, half.routes)
    http = None
    try:
        half.start(link.publish)
        http = await serve(edge_of(link, settings, log), host=config.http.host, port=config.http.port)
        if config.grpc.is_enabled:
            await grpc_server.start(service_credentials(config.grpc.tls, current.loaded.sources.config_dir))
        yield Single(half, http, grpc_server, link, stand_in.url if stand_in else "")
    finally:
        grpc_server.begin_stop(drain_s, announce_s)
        if http is not None:
            await http.drain(drain_s, announce_s)
        half.dispatch.is_draining = True
        await grpc_server.stop(drain_s)
        await link.aclose()
        await half.stop()
        if stand_in is not None:
            await stand_in.stop()


class _Place:
    """Where the simulator listens, once it does."""

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", 0

    def adapt(self, config: Config) -> Config:
        return at_address(config, self.host, self.port)


async def _main(load: Callable[[], Loaded], ready: Callable[[Single], None]) -> int:
    loaded = load()
    process = loaded.config.process
    log = make_log(loaded.config.observe.log_level, loaded.config.observe.log_format, "gateway")
    adopt_logging(log)
    try:
        async with (
            running(load, log=log, drain_s=process.drain_s, announce_s=process.drain_announce_s) as single,
            signals(single.half.ask_reload) as stop,
        ):
            ready(single)
            await stop.wait()
            log.write("info", "draining", in_flight=single.half.kit.in_flight)
    except OSError as error:
        log.write("error", "cannot listen", error=str(error))
        return EXIT_CONFIGURATION
    return 0


def main(load: Callable[[], Loaded], ready: Callable[[Single], None]) -> int:
    """Run until told to stop; `ready` is called once everything listens."""
    try:
        event_loop = load().config.process.event_loop
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return EXIT_CONFIGURATION
    return run(lambda: _main(load, ready), event_loop)
