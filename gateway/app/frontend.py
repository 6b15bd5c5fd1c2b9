"""The HTTP half: a listener, and links to one or several services.

Rules:
    - It reads no configuration: what it needs arrives over the link, also after each reload.
    - It listens once the first settings arrived; until then it waits for a service. When every service answers but
      refuses it (secret, certificate, version) for `REFUSED_FOR_S`, it ends as wrongly configured. So it does with
      several services that share no store: each would count every limit on its own.
    - Stop: stop accepting, finish what runs within the drain time, then end it with an explicit error.
Not here:
    - What a request means (frontend); policy of any kind (service).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.app.heap import Heap, started
from gateway.app.link_tls import FrontendTls, why_refused
from gateway.app.loop import EXIT_CONFIGURATION, adopt_logging, run, signals
from gateway.app.observers import HttpMetrics, LinkMetrics
from gateway.frontend.edge import Edge
from gateway.frontend.routes import ROUTES
from gateway.frontend.server import Running, serve
from gateway.frontend.settings import FrontendSettings
from gateway.observe.lag import watch_lag
from gateway.observe.log import LEVELS, Log, make_log
from gateway.observe.metrics import BODIES, CONNECTIONS, LOG_DROPPED, exposition
from gateway.rpc.link_client import LinkClient
from gateway.rpc.options import LinkOptions
from gateway.wire import json

if TYPE_CHECKING:
    from gateway.rpc.inprocess import InProcessLink

LINK_VARIABLE = "GATEWAY_INTERNAL_LINK"
LINK_OPTIONS_VARIABLE = "GATEWAY_INTERNAL_LINK_OPTIONS"
SHARED_PORT_VARIABLE = "GATEWAY_INTERNAL_SHARED_PORT"
DRAIN_DEFAULT_S = 30.0
LOOP_LAG_WARN_DEFAULT_S = 0.25
REFUSED_FOR_S = 10.0  # so long every service refuses in a row before that is a wrong configuration
REFUSED_LOOK_S = 1.0
SHARE_HINT = "set store.url of the services, or name one service: each would count every limit on its own"


class Settings:
    """The settings in force, as they come over the link; `host` and `port` given here win."""

    def __init__(self, log: Log, host: str | None = None, port: int | None = None) -> None:
        self.arrived = asyncio.Event()
        self.value = FrontendSettings()
        self.drain_s = DRAIN_DEFAULT_S
        self.drain_announce_s = 0.0
        self.has_metrics = True
        self.has_shared_store = False
        self.loop_lag_warn_s = LOOP_LAG_WARN_DEFAULT_S
        self._log = log
        self._host = host
        self._port = port

    def get(self) -> FrontendSettings:
        """What a request is answered by."""
        return self.value

    def take(self, generation: int, text: str) -> None:
        """Put settings in force; ones that cannot be read change nothing."""
        try:
            value = FrontendSettings.from_json(text)
            sections = json.loads(text.encode())
            process = sections.get("process") or {}
            self.drain_s = float(process.get("drain_s", DRAIN_DEFAULT_S))
            self.drain_announce_s = float(process.get("drain_announce_s", 0.0))
            self.has_shared_store = bool((sections.get("store") or {}).get("is_shared", True))  # not said: older
            self._observe(sections.get("observe") or {})
        except (ValueError, TypeError) as error:
            self._log.write("error", "settings from the service cannot be read", error=str(error))
            return
        own = {name: given for name, given in (("host", self._host), ("port", self._port)) if given is not None}
        self.value = replace(value, http=replace(value.http, **own)) if own else value  # type: ignore[arg-type]  # host, port
        self._log.generation = generation
        self.arrived.set()

    def _observe(self, section: dict[str, Any]) -> None:
        self.has_metrics = bool(section.get("has_metrics", True))
        self.loop_lag_warn_s = float(section.get("loop_lag_warn_s", LOOP_LAG_WARN_DEFAULT_S))
        self._log.level = LEVELS.get(section.get("log_level", "info"), self._log.level)
        if section.get("log_format", "auto") != "auto":
            self._log.is_json = section["log_format"] == "json"


async def metrics() -> bytes:
    """The body of /metrics; gathered off the loop, since it reads files of all processes."""
    return await asyncio.to_thread(exposition)


def edge_of(link: LinkClient | InProcessLink, settings: Settings, log: Log) -> Edge:
    """The request handler before a link, which is ready when the link is."""
    return Edge(
        link,
        settings.get,
        is_ready=lambda: link.state == "ready",
        metrics=metrics if settings.has_metrics else None,
        observer=HttpMetrics(log, ROUTES),
    )


async def _main(addresses: list[str], tls: FrontendTls | None, host: str | None, port: int | None) -> int:
    log = make_log(os.environ.get("GATEWAY_LOG_LEVEL", "info"), "auto", "frontend")
    adopt_logging(log)
    settings = Settings(log, host, port)
    told = json.loads(os.environ.get(LINK_OPTIONS_VARIABLE, "{}").encode())
    options = LinkOptions(secret=os.environ.get("GATEWAY_LINK_SECRET", ""), **told)
    credentials = tls.credentials() if tls is not None else None
    link = LinkClient(
        addresses, options, on_settings=settings.take, observer=LinkMetrics("frontend"), credentials=credentials
    )
    async with link, signals() as stop:
        reasons = await _first_settings(settings, stop, _refused(link, addresses, tls))
        if reasons:
            log.write("error", "every service refuses this frontend", services=reasons)
            return EXIT_CONFIGURATION
        if stop.is_set():
            return 0
        if len(addresses) > 1 and not settings.has_shared_store:
            log.write("error", "several services share no store", services=addresses, hint=SHARE_HINT)
            return EXIT_CONFIGURATION
        edge = edge_of(link, settings, log)
        try:
            running = await _listen(edge, settings)
        except OSError as error:
            log.write("error", "cannot listen", error=str(error), hint="http.host, http.port")
            return EXIT_CONFIGURATION
        log.attach(asyncio.get_running_loop().call_later)
        heap = Heap()

        def sample() -> None:
            CONNECTIONS.set(running.connection_count)
            BODIES.set(edge.bodies.held_bytes)
            LOG_DROPPED.set(log.dropped_count)
            heap.look(running.connection_count)

        lag = asyncio.create_task(watch_lag(log, "frontend", lambda: settings.loop_lag_warn_s, sample))
        started()
        log.write("info", "frontend ready", url=running.url)
        await stop.wait()
        log.write("info", "draining", drain_s=settings.drain_s, connections=running.connection_count)
        await running.drain(settings.drain_s, settings.drain_announce_s)
        lag.cancel()
        log.detach()
    return 0


async def _first_settings(
    settings: Settings, stop: asyncio.Event, refused: Coroutine[Any, Any, dict[str, str]]
) -> dict[str, str]:
    """Wait for the service's settings, or to be told to stop, or to be refused: then the reason by address."""
    refusal = asyncio.create_task(refused)
    waits = {asyncio.create_task(settings.arrived.wait()), asyncio.create_task(stop.wait()), refusal}
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return refusal.result() if refusal.done() and not settings.arrived.is_set() else {}


async def _refused(link: LinkClient, addresses: list[str], tls: FrontendTls | None) -> dict[str, str]:
    """Wait until every service has refused for REFUSED_FOR_S in a row; give the reason by address."""
    clock = asyncio.get_running_loop().time
    began_s: float | None = None
    while True:
        await asyncio.sleep(REFUSED_LOOK_S)
        looked_s = clock()
        reasons = {one: link.refusals.get(one) or await why_refused(one, tls) for one in addresses}
        if not all(reasons.values()):
            began_s = None
            continue
        began_s = looked_s if began_s is None else began_s
        if clock() - began_s >= REFUSED_FOR_S:
            return reasons


async def _listen(edge: Edge, settings: Settings) -> Running:
    http = settings.value.http
    return await serve(edge, host=http.host, port=http.port, reuse_port=SHARED_PORT_VARIABLE in os.environ)


def tls_of(ca_file: str | None, cert_file: str | None, key_file: str | None) -> FrontendTls | None:
    """The TLS files of the command line, else of the environment; None without any. Raises ValueError."""
    ca_file = ca_file or os.environ.get("GATEWAY_LINK_TLS_CA") or None
    cert_file = cert_file or os.environ.get("GATEWAY_LINK_TLS_CERT") or None
    key_file = key_file or os.environ.get("GATEWAY_LINK_TLS_KEY") or None
    if ca_file is None and (cert_file or key_file):
        raise ValueError("--tls-cert and --tls-key need --tls-ca: the authorities that sign services")
    tls = FrontendTls(ca_file, cert_file, key_file) if ca_file else None
    if tls is not None:
        tls.context()
    return tls


def main(
    addresses: list[str] | None = None,
    host: str | None = None,
    port: int | None = None,
    *,
    tls_files: tuple[str | None, str | None, str | None] = (None, None, None),
) -> int:
    """Run a frontend until it is told to stop. `addresses` are services, `HOST:PORT` or `unix:PATH`.

    `tls_files`: authorities, own certificate, own key; what is None comes from GATEWAY_LINK_TLS_*.
    """
    found = addresses or [a for a in os.environ.get(LINK_VARIABLE, "").split(",") if a]
    if not found:
        sys.stderr.write("no service to talk to: pass --service HOST:PORT\n")
        return EXIT_CONFIGURATION
    try:
        tls = tls_of(*tls_files) if any(not address.startswith("unix:") for address in found) else None
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIGURATION
    return run(lambda: _main(found, tls, host, port))


if __name__ == "__main__":
    sys.exit(main())
