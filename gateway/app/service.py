"""The service half: configuration, pipeline, gRPC listener and the service's end of the link.

Rules:
    - Start: load and check, then listen; a wrong configuration ends the process with every problem named.
    - Reload (SIGHUP, file change): a good tree replaces the runtime as a whole and is published to the
      frontends; a bad one changes nothing and is said once.
    - Stop: refuse new calls, finish what runs within `process.drain_s`, then close connections. The supervisor
      announces it by SIGUSR1, so that gRPC clients drain while frontends do, which need the link until they are gone.
Not here:
    - The HTTP half (app.frontend); both in one process (app.single).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress

import grpc
import orjson

from gateway.accounts.history import History
from gateway.accounts.journal.keeper import Keeper
from gateway.app.books import accounts_of, history_of, keeper_of, quota_of
from gateway.app.breakers import Breakers
from gateway.app.heap import Heap, started
from gateway.app.link_tls import is_plain_abroad, service_credentials
from gateway.app.loop import EXIT_CONFIGURATION, adopt_logging, run, signals
from gateway.app.observers import LinkMetrics
from gateway.app.state import pepper_of
from gateway.app.stores import answers_of, store_of
from gateway.config.load import load
from gateway.config.problems import ConfigErrors
from gateway.config.schema import Config
from gateway.config.snapshot import Current, Reloaded
from gateway.config.standin import at_address
from gateway.config.watch import reload, watch
from gateway.core.clock import Clock, SystemClock
from gateway.observe.lag import watch_lag
from gateway.observe.log import LEVELS, Log, make_log
from gateway.observe.metrics import (
    CACHE_BYTES,
    CACHE_ENTRIES,
    GENERATION,
    IN_FLIGHT,
    JOURNAL_DROPPED,
    LOG_DROPPED,
    RELOADS,
    REPLIES,
    RESERVATIONS,
    CallMetrics,
)
from gateway.pipeline.kit import Kit, Runtime
from gateway.providers.transport import Transport
from gateway.quota.shared import SharedQuota
from gateway.rpc.link_server import LinkServer, serve
from gateway.rpc.options import LinkOptions
from gateway.service.dispatch import Dispatch
from gateway.service.server import GrpcServer

Publish = Callable[[str, int], None]
LINK_VARIABLE = "GATEWAY_INTERNAL_LINK"


def make_current() -> Current:
    """The configuration in force, with the simulator's address filled in. Raises ConfigErrors."""
    return Current(load, adapt=lambda config: at_address(config, config.simulator.host, config.simulator.port))


class ServiceHalf:
    """Everything behind the link: kit, dispatch, reload."""

    def __init__(self, current: Current, log: Log, clock: Clock | None = None) -> None:
        self.current = current
        self.log = log
        self._pepper = pepper_of(current.get().config, current.loaded.sources.state_dir)
        clock = clock or SystemClock()
        self._store = store_of(current.get().config, log)
        self.kit = Kit(
            runtime=self._runtime(),
            quota=quota_of(current.get().config, clock, self._store),
            transport=Transport(),
            metrics=CallMetrics(),
            log=log,
            clock=clock,
            answers=answers_of(current.get().config, clock, self._store),
            accounts=accounts_of(self._config, current.loaded.sources.state_dir, self._pepper, clock, log, self._store),
        )
        self.dispatch = Dispatch(self.kit)
        self._publish: Publish = lambda _json, _generation: None
        self._tasks: list[asyncio.Task[None]] = []
        self._state_dir = current.loaded.sources.state_dir
        self._keeper: Keeper | None = None
        self._history: History | None = None
        self._heap = Heap()
        self._breakers = Breakers(log)
        self._note_generation()

    def start(self, publish: Publish) -> None:
        """Begin to watch; `publish` takes the frontends' part of the configuration, now and after reloads."""
        self._publish = publish
        self.log.attach(asyncio.get_running_loop().call_later)
        if self._store is not None:
            self._store.start()
        if isinstance(self.kit.quota, SharedQuota):
            self.kit.quota.start()
        if self.kit.accounts is not None:
            self.kit.accounts.tell(self.kit.quota.add, self.kit.quota.balance_usd_micros)
            self.kit.accounts.start()
            self._keeper = keeper_of(self.kit.accounts, self._config(), self._state_dir, self.kit.instance, self.log)
        if self._keeper is not None and self.kit.accounts is not None:
            self.kit.journal = self._keeper.journal
            self._keeper.start()
            self._history = history_of(self.kit.accounts, self.kit.clock, self.kit.quota)
            if self._history is not None:
                self._history.start(self._keeper.is_adopted)
        self.publish()
        self._tasks = [
            asyncio.create_task(watch(self.current, self.take)),
            asyncio.create_task(watch_lag(self.log, "service", self.loop_lag_warn_s, self._sample)),
        ]

    @property
    def store_is_up(self) -> bool:
        """Whether there is a shared store that answers now."""
        return self._store is not None and self._store.is_up

    def loop_lag_warn_s(self) -> float:
        """Event-loop lag that is worth a record, by the configuration in force."""
        return self.kit.runtime.config.observe.loop_lag_warn_s

    def stalled_for_s(self) -> float:
        """How long a reader may take nothing, by the configuration in force."""
        return self.kit.runtime.config.http.stalled_for_s

    def call_headers(self) -> tuple[str, ...]:
        """Which metadata of an RPC routing may look at, by the configuration in force."""
        return self.kit.runtime.config.http.call_headers

    def routes(self) -> dict[str, bool]:
        """Of every model, by slug: whether a call would find a deployment that is not left out."""
        kit, now_s = self.kit, asyncio.get_running_loop().time()
        return {
            entry.slug: any(
                d.unavailable_reason is None and kit.board.refusal(d, now_s) is None for d in entry.candidates
            )
            for entry in kit.runtime.catalogue.entries
        }

    def publish(self) -> None:
        """Send the frontends their part of the configuration."""
        snapshot = self.current.get()
        self._publish(frontend_settings(snapshot.config), snapshot.generation)

    def ask_reload(self) -> None:
        """Reload soon; for a signal handler."""
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(asyncio.create_task(self._reload()))

    async def _reload(self) -> None:
        self.take(await reload(self.current))

    def take(self, result: Reloaded) -> None:
        """Act on what a reload did."""
        RELOADS.labels(result.outcome).inc()
        if result.outcome == "kept":
            if result.is_news:
                problems = [str(problem) for problem in result.problems]
                self.log.write("error", "configuration is wrong; the last good one stays", problems=problems)
            return
        if result.outcome == "unchanged":
            self.log.write("info", "configuration unchanged")
            return
        self.swap()
        self.log.write("info", "configuration in force", restart_needed=list(result.restart_needed))

    def swap(self) -> None:
        """Put the current snapshot in force."""
        self.kit.runtime = self._runtime()
        self.log.level = LEVELS[self.kit.runtime.config.observe.log_level]
        self._note_generation()
        self.publish()
        deployments = [d for entry in self.kit.runtime.catalogue.entries for d in entry.candidates]
        self._tasks.append(asyncio.create_task(self.kit.transport.retire(deployments)))
        self._tasks = [task for task in self._tasks if not task.done()]

    async def stop(self) -> None:
        """Close connections; what still runs is cut."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.kit.stop()
        await self.kit.transport.close()
        if isinstance(self.kit.quota, SharedQuota):
            await self.kit.quota.stop()
        self.kit.journal = None
        if self._history is not None:
            await self._history.stop()
        if self._keeper is not None:
            await self._keeper.stop()
        if self.kit.accounts is not None:
            await self.kit.accounts.stop()
        if self._store is not None:
            await self._store.close()
        self.log.detach()

    def _sample(self) -> None:
        """What is open now: each of these returns to zero when nothing runs."""
        IN_FLIGHT.set(self.kit.in_flight)
        RESERVATIONS.set(self.kit.quota.open_count)
        REPLIES.set(self.kit.transport.open_replies)
        CACHE_BYTES.set(self.kit.answers.memory_bytes)
        CACHE_ENTRIES.set(len(self.kit.answers))
        LOG_DROPPED.set(self.log.dropped_count)
        if self.kit.journal is not None:
            JOURNAL_DROPPED.set(self.kit.journal.dropped_bytes)
        self._heap.look(self.kit.in_flight)
        self._breakers.look(self.kit)

    def _config(self) -> Config:
        return self.current.get().config

    def _runtime(self) -> Runtime:
        snapshot = self.current.get()
        return Runtime.of(snapshot.config, snapshot.generation, self._pepper)

    def _note_generation(self) -> None:
        GENERATION.set(self.kit.runtime.generation)
        self.log.generation = self.kit.runtime.generation


def frontend_settings(config: Config) -> str:
    """The part of the configuration a frontend needs, as JSON. Holds no secret."""
    sections = {
        "http": config.http.model_dump(mode="json"),
        "profiles": {name: profile.model_dump(mode="json") for name, profile in config.profiles.items()},
        "observe": config.observe.model_dump(mode="json"),
        "process": config.process.model_dump(mode="json"),
        "store": {"is_shared": config.store.url is not None and config.store.url.is_set},
    }
    return orjson.dumps(sections).decode()


def link_options(config: Config) -> LinkOptions:
    """The link's bounds from the configuration."""
    link = config.link
    return LinkOptions(
        secret=link.secret.reveal() if link.secret is not None and link.secret.is_set else "",
        credit_bytes=link.credit_bytes,
        part_bytes=link.part_bytes,
        calls_max=link.queue_max_calls,
        request_bytes_max=max(config.http.body_max_bytes, config.grpc.message_max_bytes) * 2,
        stalled_for_s=config.http.stalled_for_s,
        backoff_first_s=link.reconnect.base_s,
        backoff_max_s=link.reconnect.max_s,
    )


async def _main(current: Current, addresses: list[str]) -> int:
    config = current.get().config
    log = make_log(config.observe.log_level, config.observe.log_format, "service")
    adopt_logging(log)
    try:
        half = ServiceHalf(current, log)
    except ValueError as error:  # the pepper, or the database's place
        log.write("error", "cannot start", error=str(error))
        return EXIT_CONFIGURATION
    link = LinkServer(half.dispatch, link_options(config), LinkMetrics("service"))
    grpc_server = GrpcServer(config, half.dispatch, half.stalled_for_s, half.call_headers, half.routes)
    try:
        links = await _serve(link, addresses, current)
        if config.grpc.is_enabled:
            await grpc_server.start(service_credentials(config.grpc.tls, current.loaded.sources.config_dir))
    except (OSError, RuntimeError) as error:
        log.write("error", "cannot listen", error=str(error), link=addresses)
        return EXIT_CONFIGURATION
    plain = [address for address in addresses if is_plain_abroad(address, config.link.tls)]
    if plain:
        log.write("warning", "the link is plain text on the network", link=plain, hint="set link.tls")
    half.start(link.publish)

    def drain_s() -> float:
        return current.get().config.process.drain_s

    def begin_stop() -> None:
        grpc_server.begin_stop(drain_s(), config.process.drain_announce_s)

    async with signals(half.ask_reload, begin_stop) as stop:
        started()
        log.write(
            "info", "service ready", grpc_port=grpc_server.port, link=addresses, link_ports=[port for _, port in links]
        )
        await stop.wait()
        log.write("info", "draining", drain_s=drain_s(), in_flight=half.kit.in_flight)
        begin_stop()
        await grpc_server.announced.wait()
        half.dispatch.is_draining = True
        cut = await link.drain(drain_s())
        await grpc_server.stop(0)
        for link_server, _ in links:
            await link_server.stop(0)
        await half.stop()
        log.write("info", "stopped", cut=cut)
    return 0


async def _serve(link: LinkServer, addresses: list[str], current: Current) -> list[tuple[grpc.aio.Server, int]]:
    """Listen for frontends, over TCP with TLS where it is set; server and port by address."""
    credentials = service_credentials(current.get().config.link.tls, current.loaded.sources.config_dir)
    return [await serve(link, one, None if one.startswith("unix:") else credentials) for one in addresses]


def link_addresses(config: Config, given: str | None) -> list[str]:
    """Where to take frontends: as given on the command line; else on the supervisor's socket and at `link.address`."""
    if given:
        return [given]
    return list(dict.fromkeys(filter(None, (os.environ.get(LINK_VARIABLE), config.link.address))))


def main(address: str | None = None) -> int:
    """Run the service until it is told to stop. `address` of the link overrides `link.address`."""
    try:
        current = make_current()
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return EXIT_CONFIGURATION
    config = current.get().config
    addresses = link_addresses(config, address)
    if not addresses:
        sys.stderr.write("no address for the link: set link.address (HOST:PORT or unix:PATH) or pass --link\n")
        return EXIT_CONFIGURATION
    has_identity = (config.link.secret is not None and config.link.secret.is_set) or config.link.tls.ca_file
    if not has_identity and any(not one.startswith("unix:") for one in addresses):
        sys.stderr.write("a link over TCP needs link.secret (GATEWAY_LINK_SECRET on both ends) or link.tls.ca_file\n")
        return EXIT_CONFIGURATION
    with suppress(KeyboardInterrupt):
        return run(lambda: _main(current, addresses), config.process.event_loop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
