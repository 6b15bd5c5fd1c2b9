"""One HTTP request from its head to its answer: routes, the one place where failures become answers.

Rules:
    - Whatever happens, a request that can be answered gets JSON: the OpenAI error object with our message.
    - A bug is a 500 with the request id and one traceback in the log; nothing of it reaches the client.
    - A request keeps the settings it started with.
    - Each request is observed once, after its answer.

Not here: sockets and their limits (server.py), reading bodies (body.py), writing answers (reply.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from gateway.core.errors import GatewayError, Kind
from gateway.frontend import (
    accounts,
    admin,
    answer,
    context,
    gemini,
    inference,
    inferxgate,
    kept,
    new_api,
    pages,
    status,
)
from gateway.frontend.bodies import Bodies
from gateway.frontend.observer import Observer, unobserved
from gateway.frontend.openapi import document_bytes
from gateway.frontend.reply import Reply
from gateway.frontend.responses import RESPONSES_FAMILY
from gateway.frontend.settings import FrontendSettings, without_port
from gateway.frontend.voice import GEMINI
from gateway.frontend.watch import Watch
from gateway.rpc.contract import Caller

log = logging.getLogger("gateway.frontend")

Endpoint = Callable[[Reply], Awaitable[None]]
_DIALECTS = {  # routes that only clients of one format ask for
    "/v1/chat/completions": "openai",
    "/v1/completions": "openai",
    "/v1/embeddings": "openai",
    "/v1/responses": "responses",
    **dict.fromkeys((kept.ONE, kept.ITEMS, kept.CANCEL), "responses"),
    "/v1/messages": "anthropic",
    "/v1/messages/count_tokens": "anthropic",
    **dict.fromkeys((gemini.MODELS, gemini.MODEL, *gemini.METHOD_ROUTES.values()), "gemini"),
}
_GROUPS = {  # further paths of a profile's `endpoints`: a route, or the first part of many
    "/v1/completions": "completions",
    "/metrics": "metrics",
    "/openapi.json": "openapi",
    "/admin/": "admin",
    "/auth/": "accounts",
    "/status": new_api.GROUP,
    "/api/": new_api.GROUP,
    new_api.UNIMPLEMENTED_ROUTE: new_api.GROUP,
    "/dashboard/": new_api.BILLING,
    "/v1/dashboard/billing/subscription": new_api.BILLING,
    "/v1/dashboard/billing/usage": new_api.BILLING,
    "/stats": inferxgate.GROUP,
    "/v1/providers": inferxgate.GROUP,
    **dict.fromkeys(inferxgate.KEY_ROUTES, inferxgate.GROUP),
}

_PROBES = frozenset(("/health", "/readyz"))  # asked by address, by whoever watches over machines


class Written(web.StreamResponse):
    """What aiohttp's connection asks of an answer that is already written."""

    def __init__(self, *, keep_alive: bool) -> None:  # the base writes answers; this one has none left to write
        self._keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to do."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to do."""


_KEPT, _CLOSED = Written(keep_alive=True), Written(keep_alive=False)


class Edge:
    """The request handler of a frontend; `settings` and `is_ready` are asked per request.

    `metrics` gives the body of `/metrics`; without it that path does not exist.
    """

    def __init__(
        self,
        caller: Caller,
        settings: Callable[[], FrontendSettings],
        *,
        is_ready: Callable[[], bool] = lambda: True,
        metrics: Callable[[], Awaitable[bytes]] | None = None,
        observer: Observer = unobserved,
    ) -> None:
        self.settings = settings
        self.observer = observer
        self.is_draining = False
        self.replies: set[Reply] = set()
        self.bodies = Bodies()
        self.loop: asyncio.AbstractEventLoop | None = None  # the server's; asking for it costs 1 us under uvloop
        self._caller = caller
        self._is_ready = is_ready
        self._metrics = metrics
        self._watch = Watch()
        self._started_s = time.monotonic()
        self._routes = self._make_routes()
        self._start = status.Start()
        self._others = self._make_others()

    def _make_routes(self) -> dict[str, dict[str, Endpoint]]:
        def get(endpoint: Endpoint) -> dict[str, Endpoint]:
            return {"GET": endpoint, "HEAD": endpoint}

        caller = self._caller
        routes: dict[str, dict[str, Endpoint]] = {
            "/": get(pages.front_page),
            "/health": get(self._health),
            "/readyz": get(self._ready),
            "/openapi.json": get(self._openapi),
            "/admin/explain": get(partial(admin.explain, caller)),
            "/admin/deployments": get(partial(admin.deployments, caller)),
            "/v1/models": get(partial(pages.list_models, caller)),
            "/v1/chat/completions": {"POST": partial(inference.infer, caller, inference.CHAT)},
            "/v1/completions": {"POST": partial(inference.infer, caller, inference.COMPLETIONS)},
            "/v1/embeddings": {"POST": partial(inference.infer, caller, inference.EMBEDDINGS)},
            "/v1/responses": {"POST": partial(inference.infer, caller, RESPONSES_FAMILY)},
            "/v1/messages": {"POST": partial(inference.infer, caller, inference.MESSAGES)},
            "/v1/messages/count_tokens": {"POST": partial(inference.infer, caller, inference.MESSAGE_COUNT)},
        }
        if self._metrics is not None:
            routes["/metrics"] = get(self._show_metrics)
        return routes

    def _make_others(self) -> dict[str, dict[str, Endpoint]]:
        """Paths of other gateways, in their profiles only."""
        return {
            "/api/status": {"GET": self._status, "HEAD": self._status},
            "/status": {"GET": self._status_page, "HEAD": self._status_page},
            **inferxgate.routes(self._caller),
            **new_api.routes(self._caller),
        }

    async def __call__(self, request: web.BaseRequest, profile: str = "default") -> web.StreamResponse:
        """Answer one request to a listener of that profile; cancelled when its client goes away."""
        settings = self.settings()
        http = settings.http
        headers = request.headers
        request_id = context.request_id(headers, is_trusted=http.is_request_id_trusted)
        keep_alive = request.keep_alive and not self.is_draining and not is_surplus(request)
        seen = settings.profile(profile, headers.get("host"))
        task = asyncio.current_task(self.loop)
        reply = Reply(request, request_id, http, seen, self._watch, self.bodies, task, keep_alive=keep_alive)
        self.replies.add(reply)
        try:
            await self._answer(reply)
        except asyncio.CancelledError:
            if reply.outcome != "cut":
                raise
            await _say_cut(reply)
        except ConnectionError:
            reply.keep_alive = False
        finally:
            self.replies.discard(reply)
            self._watch.discard(reply)
            reply.hold.release()
            self._observe(reply)
        return _KEPT if reply.keep_alive else _CLOSED

    def _observe(self, reply: Reply) -> None:
        try:
            self.observer(reply.observation())
        except Exception:  # the answer is written; whoever counts it must not spoil the connection
            log.exception("request %s could not be observed", reply.request_id)

    async def _answer(self, reply: Reply) -> None:
        try:
            await self._endpoint(reply)
        except GatewayError as error:
            await reply.fail(error)
        except ConnectionError:
            raise
        except Exception:  # a bug, whatever it is, must be a 500
            log.exception("request %s failed", reply.request_id, extra={"request_id": reply.request_id})
            await reply.fail(
                GatewayError(Kind.INTERNAL, f"The gateway failed; give request id {reply.request_id} to its operator.")
            )

    def _endpoint(self, reply: Reply) -> Awaitable[None]:
        """What answers this request. No coroutine of its own: each that waits is a quarter KB of an open stream."""
        request = reply.request
        if not reply.keep_alive and is_surplus(request):
            raise GatewayError(
                Kind.OVERLOADED, "Too many connections are open (http.max_connections).", retry_after_s=1.0
            )
        path = path_of(request)
        if reply.http.allowed_hosts and path not in _PROBES:
            _check_host(request, reply.http.allowed_hosts)
        route, methods = self._find(path)
        if methods is None or not _has_route(route, reply):
            _speak_as_asked(route, path, reply)
            raise GatewayError(Kind.NOT_FOUND, f"Invalid URL ({request.method} {path[:200]})")
        reply.route = route
        endpoint = methods.get(request.method)
        if endpoint is not None:
            return endpoint(reply)
        if request.method == "OPTIONS":
            return self._preflight(reply, methods)
        _speak_as_asked(route, path, reply)
        raise _wrong_method(request.method, path, methods)

    def _find(self, path: str) -> tuple[str, dict[str, Endpoint] | None]:
        methods = self._routes.get(path) or self._others.get(path)
        if methods is None and (found := gemini.find(self._caller, path)) is not None:
            return found
        if methods is None and path.startswith(pages.MODEL_PREFIX) and len(path) > len(pages.MODEL_PREFIX):
            endpoint = partial(pages.get_model, self._caller, path=path)
            return "/v1/models/{id}", {"GET": endpoint, "HEAD": endpoint}
        if methods is None and (found := kept.find(self._caller, path)) is not None:
            return found
        if methods is None and (found := accounts.find(self._caller, path)) is not None:
            return found
        if methods is None and (found := new_api.find(self._caller, path)) is not None:
            return found
        return path, methods

    async def _preflight(self, reply: Reply, methods: dict[str, Endpoint]) -> None:
        cors = reply.http.cors
        headers = reply.request.headers
        lines = f"allow: {', '.join([*methods, 'OPTIONS'])}\r\n"
        if cors.allow_origins and "origin" in headers and "access-control-request-method" in headers:
            lines += answer.preflight_lines(cors)
        await reply.send(204, "", b"", lines)

    async def _health(self, reply: Reply) -> None:
        await pages.health(reply, time.monotonic() - self._started_s)

    async def _ready(self, reply: Reply) -> None:
        await pages.ready(reply, is_ready=self._is_ready(), is_draining=self.is_draining)

    async def _status(self, reply: Reply) -> None:
        await status.show(reply, self._start, is_up=self._is_ready() and not self.is_draining)

    async def _status_page(self, reply: Reply) -> None:
        await status.page(reply, self._start, is_up=self._is_ready() and not self.is_draining)

    async def _openapi(self, reply: Reply) -> None:
        await reply.send(200, answer.JSON, document_bytes(), "cache-control: max-age=300\r\n")

    async def _show_metrics(self, reply: Reply) -> None:
        body = b"" if self._metrics is None else await self._metrics()
        if inferxgate.GROUP in reply.profile.endpoints:
            body += await asyncio.to_thread(inferxgate.in_its_words, body)
        await reply.send(200, pages.METRICS_TYPE, body)

    def begin_drain(self) -> None:
        """Take no new request after those that run, and let each of their answers close its connection."""
        self.is_draining = True
        for reply in self.replies:
            reply.keep_alive = False

    def cut_all(self) -> None:
        """End every running request with an explicit failure; for the end of a drain."""
        for reply in list(self.replies):
            if reply.task is not None:
                reply.outcome = "cut"
                reply.task.cancel()


async def _say_cut(reply: Reply) -> None:
    """Tell a client that is still there why its answer ends."""
    reply.keep_alive = False
    with contextlib.suppress(ConnectionError):
        await reply.fail(GatewayError(Kind.UNAVAILABLE, "The gateway is shutting down.", retry_after_s=1.0))


def _check_host(request: web.BaseRequest, allowed: tuple[str, ...]) -> None:
    """Refuse a name that is not ours, in `host` or in an absolute target (RFC 9112, 3.2.2): both must be."""
    asked = (request.headers.get("host", "").lower(), request.host.lower())  # the latter is an absolute target's
    if any(name not in allowed and without_port(name) not in allowed for name in asked):
        raise GatewayError(
            Kind.INVALID_REQUEST,
            "This gateway does not answer under that host name (http.allowed_hosts).",
            code="misdirected_request",
            http_status=421,
        )


def _has_route(route: str, reply: Reply) -> bool:
    """Whether the profile has the client format a route belongs to, and the group of paths."""
    group = _GROUPS.get(route)
    dialect = _DIALECTS.get(route)
    if dialect is not None:
        return dialect in reply.profile.dialects and (group is None or group in reply.profile.endpoints)
    group = group or _GROUPS.get(route[: route.find("/", 1) + 1])
    return group is None or group in reply.profile.endpoints


def _speak_as_asked(route: str, path: str, reply: Reply) -> None:
    """Refuse a path only Gemini's clients ask for in their format."""
    is_gemini = _DIALECTS.get(route) == gemini.DIALECT or gemini.is_own(path)
    if is_gemini and gemini.DIALECT in reply.profile.dialects:
        reply.speak(GEMINI)


def _wrong_method(method: str, path: str, methods: dict[str, Endpoint]) -> GatewayError:
    allowed = ", ".join([*methods, "OPTIONS"])
    error = GatewayError(Kind.METHOD_NOT_ALLOWED, f"{method} is not possible on {path[:200]}; use {allowed}.")
    error.headers = {"allow": allowed}
    return error


def is_surplus(request: web.BaseRequest) -> bool:
    """Whether the connection of this request is one too many."""
    return getattr(request.protocol, "is_surplus", False)


def path_of(request: web.BaseRequest) -> str:
    """The path as sent, without query; of an absolute target, its path."""
    target = request.raw_path
    if not target.startswith("/"):
        target = request.rel_url.raw_path
    return target.partition("?")[0].partition("#")[0]
