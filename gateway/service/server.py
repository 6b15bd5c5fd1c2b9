"""The gRPC listener of a service: Inference, Accounts, health, reflection.

Rules:
    - Message size, concurrency, keepalive and connection age are bounded by the configuration.
    - Health: "" and each service serve until drain; then NOT_SERVING while calls finish. `route/SLUG` serves while a
      deployment of that model is not left out by its breaker, looked at twice a second. Who watches is
      told, and then let go: a watch has no end of its own and would hold the drain for all of its time.
    - Reflection lists the services in development only, unless configured.
Not here:
    - The link's listener (rpc.link_server); what calls do (dispatch).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gateway.config.schema import Config
from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import ACCOUNTS, ADMIN, INFERENCE, Caller
from gateway.service.edge import CallHeaders, inference_handler
from gateway.service.watch import Watch
from gateway.wire.pb import accounts_pb2, admin_pb2, inference_pb2  # noqa: F401  # registers descriptors for reflection

SERVICES = (INFERENCE, ACCOUNTS, ADMIN)
ROUTE = "route/"  # before a model's slug, in health checks
ROUTES_EVERY_S = 0.5
METADATA_MAX_BYTES = 16 * 1024
LAST_WORDS_S = 1.0  # for the statuses of RPCs that were ended after the grace


class GrpcServer:
    """The listener. `port` is the bound port."""

    def __init__(
        self,
        config: Config,
        caller: Caller,
        stalled_for_s: Callable[[], float] | None = None,
        call_headers: CallHeaders | None = None,
        routes: Callable[[], Mapping[str, bool]] = dict,
    ) -> None:
        """`stalled_for_s` and `call_headers` give what is in force after reloads; without them, `config`'s stay.

        `routes` says of every model, by its slug, whether a call would find a deployment that is not left out.
        """
        self._config = config
        self._server = grpc.aio.server(options=_options(config), maximum_concurrent_rpcs=config.grpc.max_calls)
        self._health = _Health()
        self._watch = Watch(stalled_for_s or (lambda: config.http.stalled_for_s))
        self._routes = routes
        self._route_watch: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self.announced = asyncio.Event()  # health checks were told, for as long as was wanted
        headers = call_headers or (lambda: config.http.call_headers)
        self._services = SERVICES if config.grpc.is_admin_served else (INFERENCE, ACCOUNTS)
        for service in self._services:
            self._server.add_generic_rpc_handlers((inference_handler(caller, self._watch, headers, service),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if config.grpc.reflection == "on" or (config.grpc.reflection == "auto" and config.environment == "development"):
            names = (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)
        self.port = 0

    async def start(self, credentials: grpc.ServerCredentials | None = None) -> None:
        """Bind and serve, encrypted with `credentials`. Raises OSError when the address cannot be bound."""
        host, port = self._config.grpc.host, self._config.grpc.port
        shown = f"[{host}]" if ":" in host else host
        try:
            if credentials is None:
                self.port = self._server.add_insecure_port(f"{shown}:{port}")
            else:
                self.port = self._server.add_secure_port(f"{shown}:{port}", credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {shown}:{port} for gRPC (grpc.host, grpc.port): is it in use?") from error
        await self._server.start()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        self._route_watch = asyncio.create_task(self._watch_routes())

    def begin_stop(self, grace_s: float, announce_s: float = 0.0) -> None:
        """Tell health checks now, take no new calls in `announce_s`; what runs has `grace_s` then. Again: nothing."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(grace_s, announce_s))

    async def stop(self, grace_s: float) -> None:
        """Take no new calls; end what runs after `grace_s`, explicitly."""
        self.begin_stop(grace_s)
        if self._stopping is not None:
            await self._stopping

    async def _stop(self, grace_s: float, announce_s: float) -> None:
        if self._route_watch is not None:
            self._route_watch.cancel()
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        for slug in self._routes():
            await self._health.set(f"{ROUTE}{slug}", health_pb2.HealthCheckResponse.NOT_SERVING)
        await asyncio.sleep(announce_s)
        self.announced.set()
        asyncio.get_running_loop().call_later(min(grace_s, LAST_WORDS_S), self._health.end_watches)
        stopping = asyncio.create_task(self._server.stop(grace_s + LAST_WORDS_S))
        await asyncio.wait({stopping}, timeout=grace_s)
        self._watch.end_all(GatewayError(Kind.UNAVAILABLE, "The gateway is shutting down.", retry_after_s=1.0))
        await stopping

    async def _watch_routes(self) -> None:
        """Tell the health of each model when it changes; of one that a reload took away, that it is unknown."""
        told: dict[str, bool] = {}
        statuses = health_pb2.HealthCheckResponse
        while True:
            routes = self._routes()
            for slug, is_usable in routes.items():
                if told.get(slug) is not is_usable:
                    await self._health.set(f"{ROUTE}{slug}", statuses.SERVING if is_usable else statuses.NOT_SERVING)
            for slug in told.keys() - routes.keys():
                await self._health.set(f"{ROUTE}{slug}", statuses.SERVICE_UNKNOWN)
            told = dict(routes)
            await asyncio.sleep(ROUTES_EVERY_S)

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", *self._services):
            await self._health.set(name, status)


class _Health(health.aio.HealthServicer):  # type: ignore[misc, name-defined]  # missing in the stubs
    """The standard health service, whose watches can be ended."""

    def __init__(self) -> None:
        super().__init__()
        self._watches: set[asyncio.Task[Any]] = set()
        self._is_over = False

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802 - the RPC's name
        """Tell the status now and whenever it changes; UNAVAILABLE once the server is stopping."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("an RPC runs in a task")
        self._watches.add(task)
        try:
            await super().Watch(request, context)
        except asyncio.CancelledError:
            if not self._is_over:
                raise
            await context.abort(grpc.StatusCode.UNAVAILABLE, "The gateway is shutting down.")
        finally:
            self._watches.discard(task)

    def end_watches(self) -> None:
        """End every watch that is open."""
        self._is_over = True
        for task in self._watches:
            task.cancel()


def _options(config: Config) -> list[tuple[str, int]]:
    grpc_ = config.grpc
    options = [
        ("grpc.max_receive_message_length", grpc_.message_max_bytes),
        ("grpc.max_send_message_length", grpc_.message_max_bytes),
        ("grpc.max_metadata_size", METADATA_MAX_BYTES),
        ("grpc.max_concurrent_streams", grpc_.max_concurrent_streams),
        ("grpc.max_allowed_incoming_connections", grpc_.max_connections),
        ("grpc.server_handshake_timeout_ms", int(grpc_.handshake_timeout_s * 1000)),
        ("grpc.keepalive_time_ms", int(grpc_.keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(grpc_.keepalive_timeout_s * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.so_reuseport", 0),
    ]
    if grpc_.max_connection_age_s:
        options.append(("grpc.max_connection_age_ms", int(grpc_.max_connection_age_s * 1000)))
    return options
