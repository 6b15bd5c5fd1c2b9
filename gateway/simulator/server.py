"""The simulator as an HTTP server: formats' routes, credentials, observation, start and stop.

Rules:
- Every request to a format's route is observed, and ends exactly once as completed, faulted or aborted.
- A client that leaves is counted at once, in whatever phase: its loss cancels the handler.
- Every failure is the format's error object; unknown paths and methods included.

Control (JSON): GET /health, GET /_sim/stats?last=N, GET /_sim/requests?model=NAME&last=N, POST /_sim/reset,
PUT /_sim/scripts/NAME.

Not here: what is answered (openai.py, answer.py), when and how brokenly (play.py), what names mean (behaviour.py).
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import orjson
from aiohttp import web

from gateway.simulator.anthropic import Anthropic
from gateway.simulator.anthropic_complete import AnthropicComplete
from gateway.simulator.aws import is_signed
from gateway.simulator.azure import Azure
from gateway.simulator.bedrock import Bedrock
from gateway.simulator.behaviour import Behaviour, UnknownOption, parse
from gateway.simulator.cohere import Cohere
from gateway.simulator.gemini import Gemini
from gateway.simulator.observed import Call, Observed
from gateway.simulator.openai import OpenAi
from gateway.simulator.palm import Palm
from gateway.simulator.play import Raw, play, refusal
from gateway.simulator.reply import Ask, Refused, WireFormat
from gateway.simulator.responses import Responses
from gateway.simulator.script import BadScript, Scripts, Turn

BACKLOG = 4096
MAX_REQUEST_BYTES = 128 << 20
DRAIN_S = 0.25
LAST_REQUESTS = 100
_log = logging.getLogger(__name__)
_ANTHROPIC: WireFormat = Anthropic()
FORMATS: tuple[WireFormat, ...] = (
    *(OpenAi(), Azure(), Responses(), _ANTHROPIC, AnthropicComplete()),
    *(Gemini(), Palm(), Cohere(), Bedrock()),
)


@dataclass(frozen=True, slots=True)
class Running:
    """A simulator that listens."""

    url: str
    port: int
    observed: Observed
    _runner: web.AppRunner

    async def stop(self) -> None:
        """Close the listener and every connection; open answers are cut after a short grace."""
        await self._runner.cleanup()


async def serve(host: str = "127.0.0.1", port: int = 0, *, key: str | None = None) -> Running:
    """Listen and answer; port 0 takes a free one. `key`: refuse every other key with 401. Raises OSError."""
    server = _Server(key)
    runner = web.AppRunner(
        server.app(), handler_cancellation=True, access_log=None, shutdown_timeout=DRAIN_S, keepalive_timeout=75.0
    )
    await runner.setup()
    server.runner = runner
    try:
        site = web.TCPSite(runner, host, port, backlog=BACKLOG)
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    bound = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    return Running(f"http://{shown}:{bound}", bound, server.observed, runner)


def run(
    host: str, port: int, key: str | None = None, *, on_listening: Callable[[Running], None] = lambda _: None
) -> None:
    """Serve until SIGTERM or SIGINT, on uvloop where it is installed. Raises OSError when the port is taken.

    `on_listening` is called once the port is open, with what runs.
    """
    factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve_until_signal(host, port, key, on_listening))


async def _serve_until_signal(host: str, port: int, key: str | None, on_listening: Callable[[Running], None]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    running = await serve(host, port, key=key)
    try:
        on_listening(running)
        await stopped.wait()
    finally:
        await running.stop()


class _Server:
    def __init__(self, key: str | None) -> None:
        self.observed = Observed()
        self.scripts = Scripts()
        self.runner: web.AppRunner | None = None
        self._key = key

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_REQUEST_BYTES, middlewares=[_openai_errors])
        app.router.add_get("/health", self._health)
        app.router.add_get("/_sim/stats", self._stats)
        app.router.add_get("/_sim/requests", self._requests)
        app.router.add_post("/_sim/reset", self._reset)
        app.router.add_put("/_sim/scripts/{name}", self._take_script)
        app.router.add_route("*", "/_sim/redirected", self._redirected)
        for wire_format in FORMATS:
            for route in wire_format.routes:
                app.router.add_route(route.method, route.path, self._endpoint(wire_format, route.operation))
        return app

    def _endpoint(
        self, wire_format: WireFormat, operation: str
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        routed = wire_format

        async def endpoint(request: web.Request) -> web.StreamResponse:
            # one path, two vendors: `/v1/models` has the shape of the one whose header asks for it
            is_anthropic = operation == "models" and "anthropic-version" in request.headers
            wire_format = _ANTHROPIC if is_anthropic else routed
            call = self.observed.begin(request.method, request.path_qs, request.headers)
            outcome = "faulted"
            try:
                response = await self._answer(request, call, wire_format, operation)
                outcome = "completed" if response.status < 300 else "faulted"
            except Refused as refused:
                response = refusal(call, wire_format, refused)
            except ConnectionError:  # a write found out that the client left, before the handler was cancelled
                response, outcome = Raw(), "aborted"
            except asyncio.CancelledError:
                outcome = "aborted"
                raise
            finally:
                self.observed.end(call, "faulted" if call.is_cut else outcome)
            return response

        return endpoint

    async def _answer(
        self, request: web.Request, call: Call, wire_format: WireFormat, operation: str
    ) -> web.StreamResponse:
        body = await request.read()
        self.observed.read(call, body)
        if self._key is not None and not _is_allowed(request, wire_format, body, self._key):
            raise Refused(401, "invalid_api_key", "Incorrect API key provided.")
        ask = wire_format.ask(operation, {**request.query, **request.match_info}, body)
        if not ask.is_attempt:
            return await play(request, call, wire_format, ask, Behaviour())
        self.observed.name(call, ask.model, is_stream=ask.is_stream)
        behaviour = _behaviour(ask).at(*self.observed.attempt(call))
        if behaviour.script:
            behaviour = replace(behaviour, turn=self._turn(ask, behaviour.script))
        return await play(request, call, wire_format, ask, behaviour)

    def _turn(self, ask: Ask, script: str) -> Turn:
        try:
            return self.scripts.turn(script, ask.body)
        except BadScript as error:
            raise Refused(404, "model_not_found", str(error), "model") from None

    async def _health(self, _: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _stats(self, request: web.Request) -> web.Response:
        connections = 0
        if self.runner is not None and self.runner.server is not None:
            connections = len(self.runner.server.connections)
        requests = self.observed.requests(None, _last(request))
        return _json({**self.observed.stats(), "connections_open": connections, "last_requests": requests})

    async def _requests(self, request: web.Request) -> web.Response:
        return _json(self.observed.requests(request.query.get("model"), _last(request)))

    async def _reset(self, _: web.Request) -> web.Response:
        self.observed.reset()
        return _json({"status": "ok"})

    async def _take_script(self, request: web.Request) -> web.Response:
        try:
            self.scripts.put(request.match_info["name"], await request.read())
        except BadScript as error:
            return web.Response(status=400, text=str(error))
        return _json({"status": "ok"})

    async def _redirected(self, _: web.Request) -> web.Response:
        self.observed.redirects_followed += 1
        return _json({"status": "a redirect was followed"})


def _is_allowed(request: web.Request, wire_format: WireFormat, body: bytes, key: str) -> bool:
    """Whether the request carries the key; where the format signs, the signature is over all of it."""
    if wire_format.is_authorized(request.headers, key):
        return True
    return isinstance(wire_format, Bedrock) and is_signed(request.raw_path, request.headers, body, key)


def _behaviour(ask: Ask) -> Behaviour:
    try:
        return parse(ask.model)
    except UnknownOption as error:
        raise Refused(404, "model_not_found", f"The model `{ask.model}` does not exist: {error}", "model") from None


@web.middleware
async def _openai_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        says = f"Invalid URL ({request.method} {request.path})"
        code = None
        if error.status == 405:
            says, code = f"Not allowed to {request.method} on {request.path}", "method_not_supported"
        elif error.status == 413:
            says = f"The request is larger than {MAX_REQUEST_BYTES} bytes."
        body = FORMATS[0].error(Refused(error.status, code, says))
        return web.Response(status=error.status, body=orjson.dumps(body), content_type="application/json")
    except (
        TypeError,
        ValueError,
        AttributeError,
        LookupError,
        ArithmeticError,
    ) as error:  # a member of a shape nobody sends
        _log.exception("the simulator did not understand a request")
        body = FORMATS[0].error(Refused(400, "invalid_type", f"The simulator did not understand the request: {error}"))
        return web.Response(status=400, body=orjson.dumps(body), content_type="application/json")


def _last(request: web.Request) -> int:
    text = request.query.get("last", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else LAST_REQUESTS


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")
