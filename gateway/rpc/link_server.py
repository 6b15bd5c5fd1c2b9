"""The service's end of the link: every call of a frontend over one stream.

Rules:
    - One task per call runs the dispatch's generator inside aclosing: it is closed on cancel, deadline,
      stall and link loss, whatever phase it is in.
    - A wrong frame harms at most its own call; a wrong greeting ends the link with a status that says why.
    - Bounded per link: calls, bytes queued to send, bytes of requests arriving in parts.
    - A draining service refuses new calls with UNAVAILABLE, code `draining`, and finishes the others.
Not here:
    - What a call does (pipeline), one call's sending (server_call), the frontend's end (link_client).
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from gateway.core.errors import GatewayError, Kind
from gateway.rpc import frames
from gateway.rpc.contract import METHODS, Caller
from gateway.rpc.options import MESSAGE_BYTES_MAX, PATH, SERVICE, LinkObserver, LinkOptions, channel_arguments
from gateway.rpc.outbox import Outbox, OutboxClosed
from gateway.rpc.server_call import ServerCall
from gateway.rpc.sparse import Sparse
from gateway.wire.pb import link_pb2

LAST_FLUSH_S = 1.0  # for what is queued when a drain is over
REFUSED_EVERY_S = 60.0  # a peer host that is refused gets one record in so long

EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]  # missing in the stubs

_log = logging.getLogger(__name__)


class LinkRefused(Exception):
    """The greeting of a frontend was wrong; the link ends with this status."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class LinkServer:
    """Serves Link.Exchange from a `Caller`.

    Mount with `server.add_generic_rpc_handlers((link.handler(),))` or use `serve`. `generation` is the
    configuration's, told to frontends in Hello. All members are used on one event loop.
    """

    def __init__(
        self, dispatch: Caller, options: LinkOptions | None = None, observer: LinkObserver | None = None
    ) -> None:
        self.dispatch = dispatch
        self.options = options or LinkOptions()
        self.observer = observer
        self.instance = secrets.token_hex(8)
        self.generation = 0
        self.is_draining = False
        self.settings: bytes | None = None
        self._links: set[_ServerLink] = set()
        self._refusals = Sparse(REFUSED_EVERY_S)

    def handler(self) -> Any:
        """The gRPC handler of gateway.v1.Link; bytes in, bytes out."""
        exchange: Any = grpc.stream_stream_rpc_method_handler(self._exchange)
        return grpc.method_handlers_generic_handler(SERVICE, {PATH.rpartition("/")[2]: exchange})

    @property
    def calls(self) -> int:
        """Calls open on all links."""
        return sum(len(link.calls) for link in self._links)

    @property
    def links(self) -> int:
        """Frontends connected."""
        return len(self._links)

    def publish(self, settings_json: str, generation: int) -> None:
        """Send settings to every frontend, now and on every later Hello. ValueError when far too large."""
        if len(settings_json) > MESSAGE_BYTES_MAX // 8:
            raise ValueError(f"settings for frontends are {len(settings_json)} characters, over 1 MiB")
        self.generation = generation
        self.settings = frames.settings(generation, settings_json)
        for link in self._links:
            link.outbox.notify("settings", self.settings)

    async def drain(self, timeout_s: float | None = None) -> int:
        """Take no new calls, finish what runs, end the links.

        Returns the number of calls cut because `timeout_s` passed; 0 when all finished. May be cancelled,
        which cuts at once. Afterwards new links are refused.
        """
        self.is_draining = True
        links = list(self._links)
        for link in links:
            link.outbox.notify("drain", frames.drain())
        try:
            async with asyncio.timeout(timeout_s):
                for link in links:
                    await link.idle()
        except TimeoutError:
            pass
        finally:
            cut = sum(len(link.calls) for link in links)
            for link in links:
                link.outbox.close()
        try:
            async with asyncio.timeout(LAST_FLUSH_S):
                for link in links:
                    await link.closed.wait()
        except TimeoutError:
            _log.warning("a frontend did not read the end of its link")
        return cut

    async def _exchange(self, _requests: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        link = _ServerLink(self, context)
        try:
            await link.greet()
        except LinkRefused as refused:
            self._say_refused(refused, context.peer())
            await context.abort(refused.code, str(refused))
        self._links.add(link)
        self._links_changed()
        try:
            await link.run()
        finally:
            self._links.discard(link)
            self._links_changed()

    def _say_refused(self, refused: LinkRefused, peer: str) -> None:
        left_out = self._refusals.left_out(peer.rpartition(":")[0])  # the host: a port is another each time
        if left_out is not None:
            more = f" ({left_out} more since the last record)" if left_out else ""
            _log.warning("link refused: %s%s", refused, more, extra={"peer": peer})

    def _links_changed(self) -> None:
        if self.observer is not None:
            self.observer.links_changed(len(self._links))


class _ServerLink:
    """One frontend's stream."""

    def __init__(self, server: LinkServer, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        self.server = server
        self.options = server.options
        self.observer = server.observer
        self.dispatch = server.dispatch
        self.outbox = Outbox(server.options.outbox_bytes, server.observer)
        self.calls: dict[int, ServerCall] = {}
        self.closed = asyncio.Event()
        self.loop = asyncio.get_running_loop()  # asking for it costs 1 us under uvloop
        self.credit_bytes = server.options.credit_bytes
        self.part_bytes = server.options.part_bytes
        self.assembling_bytes = 0
        self._context = context
        self._last_call = 0
        self._idle: asyncio.Event | None = None
        self._greeted_with: list[link_pb2.Frame] = []

    async def greet(self) -> None:
        """Exchange Hello. Raises LinkRefused."""
        if self.server.is_draining:
            raise LinkRefused(grpc.StatusCode.UNAVAILABLE, "this service is draining")
        try:
            async with asyncio.timeout(self.options.hello_wait_s):
                received = await self._context.read()
        except TimeoutError:
            raise LinkRefused(grpc.StatusCode.DEADLINE_EXCEEDED, "no Hello arrived") from None
        first = [] if received is EOF else _decode(received)
        if not first or first[0].WhichOneof("kind") != "hello":
            raise LinkRefused(grpc.StatusCode.FAILED_PRECONDITION, "the first frame of a link must be Hello")
        self._check(first[0].hello)
        if self.server.is_draining:
            raise LinkRefused(grpc.StatusCode.UNAVAILABLE, "this service is draining")
        self.credit_bytes = first[0].hello.credit_bytes
        self.part_bytes = max(1024, min(self.part_bytes, first[0].hello.part_bytes or self.part_bytes))
        self._greeted_with = first[1:]
        options, server = self.options, self.server
        said = frames.hello(
            options.protocol, server.instance, server.generation, options.credit_bytes, options.part_bytes, ""
        )
        self.outbox.notify("hello", said)
        if server.settings is not None:
            self.outbox.notify("settings", server.settings)

    async def run(self) -> None:
        """Carry calls until either side ends the stream; then every call is cancelled and waited for."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self.outbox.drive(self._context.write))
        try:
            done, _ = await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                self._explain(task)
            self.outbox.close()
            reader.cancel()
            await asyncio.wait({writer}, timeout=LAST_FLUSH_S)  # a status cannot follow a write that was cancelled
        finally:
            self.outbox.close()
            reader.cancel()
            writer.cancel()
            try:
                await self._cancel_all()
                await asyncio.gather(reader, writer, return_exceptions=True)
            finally:
                self.closed.set()
        refused = next((task.exception() for task in done if not task.cancelled()), None)
        if isinstance(refused, LinkRefused):
            await self._context.abort(refused.code, str(refused))

    async def idle(self) -> None:
        """Wait until no call is open."""
        while self.calls:
            self._idle = asyncio.Event()
            await self._idle.wait()

    def forget(self, call: ServerCall) -> None:
        """A call is over, however it ended."""
        self.calls.pop(call.number, None)
        self.assembling_bytes -= call.drop_request()
        if not self.calls and self._idle is not None:
            self._idle.set()

    async def _read(self) -> None:
        for frame in self._greeted_with:
            await self._take(frame)
        self._greeted_with = []
        read, observer = self._context.read, self.observer
        while (received := await read()) is not EOF:
            batch = _decode(received)
            if observer is not None:
                observer.batch_received(len(batch), len(received))
            for frame in batch:
                await self._take(frame)

    async def _take(self, frame: link_pb2.Frame) -> None:
        kind = frame.WhichOneof("kind")
        if kind == "open":
            await self._open(frame.call, frame.open)
        elif kind == "hello":
            raise LinkRefused(grpc.StatusCode.INVALID_ARGUMENT, "Hello was said twice")
        elif (call := self.calls.get(frame.call)) is None:
            return  # of a call that ended; or a kind of a newer protocol
        elif kind == "credit":
            call.add_credit(frame.credit)
        elif kind == "cancel":
            call.stop(None)
        elif kind == "part":
            self._add_part(call, frame.part)
            await self.outbox.relief()

    async def _open(self, number: int, opened: link_pb2.Open) -> None:
        failure = self._why_not(number, opened)
        if failure is None:
            self._last_call = number
            self.calls[number] = call = ServerCall(self, number, opened)
            if not opened.is_in_parts:
                call.start()
            return
        running = self.calls.get(number)
        if running is not None:
            running.stop(failure)
        else:
            self._last_call = max(self._last_call, number)
            await self._refuse(number, failure)

    async def _refuse(self, number: int, failure: GatewayError) -> None:
        try:
            await self.outbox.put(frames.failed(number, failure))
        except OutboxClosed:
            return

    def _why_not(self, number: int, opened: link_pb2.Open) -> GatewayError | None:
        """The reason why a call cannot be opened; None when it can."""
        if number <= self._last_call:
            return GatewayError(Kind.INVALID_REQUEST, f"call number {number} was used before on this link")
        if self.server.is_draining:
            return GatewayError(Kind.UNAVAILABLE, "this service is draining", code="draining", retry_after_s=1)
        if len(self.calls) >= self.options.calls_max:
            return GatewayError(
                Kind.OVERLOADED, f"{self.options.calls_max} calls are open on this link already", retry_after_s=1
            )
        if opened.method not in METHODS:
            return GatewayError(Kind.UNIMPLEMENTED, f"the service has no method {opened.method[:100]!r}")
        if len(opened.request) > self.options.request_bytes_max:
            return _too_large(self.options.request_bytes_max)
        return None

    def _add_part(self, call: ServerCall, part: link_pb2.Part) -> None:
        if not call.is_assembling:
            return
        self.assembling_bytes += len(part.data)
        if call.add_part(part.data) > self.options.request_bytes_max:
            call.stop(_too_large(self.options.request_bytes_max))
        elif self.assembling_bytes > self.options.assembly_bytes_max:
            call.stop(GatewayError(Kind.OVERLOADED, "too many large requests are arriving at once", retry_after_s=1))
        elif part.is_last:
            self.assembling_bytes -= call.request_bytes
            call.start()

    async def _cancel_all(self) -> None:
        running = [call.task for call in self.calls.values() if call.task is not None]
        for call in list(self.calls.values()):
            call.stop(None)
        if running:
            await asyncio.wait(running)

    def _check(self, hello: link_pb2.Hello) -> None:
        ours = self.options.protocol
        if not hello.protocol or abs(hello.protocol - ours) > 1:
            message = f"this service speaks link protocol {ours}, the frontend {hello.protocol}: upgrade the older one"
            raise LinkRefused(grpc.StatusCode.FAILED_PRECONDITION, message)
        if not self._is_trusted(hello.secret):
            message = "the link's secret is wrong or missing: set the same GATEWAY_LINK_SECRET on both ends"
            raise LinkRefused(grpc.StatusCode.UNAUTHENTICATED, message)

    def _is_trusted(self, secret: str) -> bool:
        """A unix socket is guarded by its folder, mTLS by its certificates, TCP by the secret."""
        context = self._context
        if context.peer().startswith("unix:") or "x509_pem_cert" in context.auth_context():
            return True
        ours = self.options.secret
        return bool(ours) and hmac.compare_digest(ours.encode(), secret.encode())

    def _explain(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, LinkRefused):
            _log.warning("link broke: %s", type(error).__name__, extra={"peer": self._context.peer()})


def _too_large(limit_bytes: int) -> GatewayError:
    return GatewayError(Kind.REQUEST_TOO_LARGE, f"the request is over {limit_bytes} bytes")


def _decode(received: bytes) -> Any:
    """The frames of a batch (repeated field); typed Any for speed of reading."""
    try:
        return link_pb2.FrameBatch.FromString(received).frames
    except DecodeError as error:
        raise LinkRefused(grpc.StatusCode.INVALID_ARGUMENT, "a batch is not a gateway.v1.FrameBatch") from error


async def serve(
    link: LinkServer, address: str, credentials: grpc.ServerCredentials | None = None
) -> tuple[grpc.aio.Server, int]:
    """Start a gRPC server with only the link on it. Returns it and the bound port (0 on a unix socket).

    `address` is `unix:/path` or `host:port`. RuntimeError when it cannot be bound. The caller stops it
    with `await link.drain(...)`, then `await server.stop(grace)`.
    """
    server = grpc.aio.server(options=channel_arguments())
    server.add_generic_rpc_handlers((link.handler(),))
    port = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    await server.start()
    return server, 0 if address.startswith("unix:") else port
