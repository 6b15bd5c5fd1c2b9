"""An answer onto the socket, at the moments and with the faults its behaviour asks for.

Rules:
- Blind to wire formats: a format says what, this file says when, how far, and how it breaks.
- A client that leaves cancels the handler at any await; nothing here swallows that.
- What the simulator breaks off itself is marked on the call (`is_cut`), so that it does not count as the client's.

Not here: bytes of a frame (frames.py), routes and counting (server.py, observed.py).
"""

import asyncio
import socket
import struct
import zlib

import orjson
from aiohttp import web

from gateway.simulator.behaviour import Behaviour
from gateway.simulator.bench import CHUNKS
from gateway.simulator.frames import amazon, dump, encode, with_line_ends
from gateway.simulator.observed import Call
from gateway.simulator.reply import Ask, Canned, Frame, Json, Refused, StreamReply, WireFormat
from gateway.wire.bedrock.eventstream import MEDIA_TYPE

SILENCE_S = 600.0
COMMENT_EVERY_S = 0.1
BUFFERED_BYTES = 256 << 10
FAIR_CHUNKS = 64  # a stream without pace lets the others go on after so many
HTML = "<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"


async def play(
    request: web.Request, call: Call, wire_format: WireFormat, ask: Ask, behaviour: Behaviour
) -> web.StreamResponse:
    """Answer one request. Raises Refused, and CancelledError when the connection went away, whoever closed it."""
    if behaviour.is_bench and (canned := wire_format.bench(ask.operation)) is not None:
        return await _play_canned(request, call, canned, ask, behaviour)
    connection = _Connection(request, call, behaviour)
    await _before_headers(connection, ask, behaviour)
    if (early := _instead(call, wire_format, behaviour)) is not None:
        return early
    reply = wire_format.reply(ask, behaviour)
    if isinstance(reply, StreamReply):
        return await _play_stream(connection, reply, wire_format)
    return await _play_body(connection, reply)


def refusal(call: Call, wire_format: WireFormat, refused: Refused, retry_after_ms: int = 0) -> web.Response:
    """Return an error answer; a wait that is no whole second is told exactly in `retry-after-ms` as well."""
    headers = {"x-request-id": call.request_id}
    if retry_after_ms:
        headers["retry-after"] = str(-(-retry_after_ms // 1000))
        if retry_after_ms % 1000:
            headers["retry-after-ms"] = str(retry_after_ms)
    body = orjson.dumps(wire_format.error(refused))
    return web.Response(status=refused.status, body=body, headers=headers, content_type="application/json")


class Raw(web.StreamResponse):
    """A response whose bytes are written to the transport by hand; aiohttp adds nothing to it."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__()
        self._data = data
        self._is_kept = False

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays for the next request."""
        return self._is_kept

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the whole response at once."""
        self._is_kept = request.keep_alive
        if self._data and request.transport is not None:
            request.transport.write(self._data)

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


class _Connection:
    """One answer's way out: headers, then bytes in the pieces, the coding and up to the cut the behaviour wants."""

    def __init__(self, request: web.Request, call: Call, behaviour: Behaviour) -> None:
        self.request, self.call, self.behaviour = request, call, behaviour
        self.is_array = self.is_amazon = False
        self._elements = 0
        self._response = web.StreamResponse()
        self._gzip = zlib.compressobj(wbits=31) if behaviour.is_gzip else None

    async def start(self, content_type: str, length: int | None = None) -> None:
        response = self._response
        response.headers.update({"content-type": content_type, "x-request-id": self.call.request_id})
        if self._gzip is not None:
            response.headers["content-encoding"] = "gzip"
            length = None
        if length is None:
            response.enable_chunked_encoding()
        else:
            response.content_length = length
        if self.behaviour.is_closing:
            response.force_close()
        await response.prepare(self.request)
        self.call.phase = "headers"

    async def write(self, data: bytes) -> None:
        if self._gzip is not None:
            data = self._gzip.compress(data) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
        step = self.behaviour.bytes_per_write
        if not step:
            await self._response.write(data)
            return
        for at in range(0, len(data), step):
            await self._response.write(data[at : at + step])
            await asyncio.sleep(0)

    async def write_frame(self, frame: Frame, *, huge_mb: int = 0, is_malformed: bool = False) -> None:
        """Write one event of a stream, or one element of its array."""
        if self.is_amazon:
            await self.write(amazon(frame, self.behaviour, huge_mb=huge_mb, is_malformed=is_malformed))
        elif not self.is_array:
            await self.write(encode(frame, self.behaviour, huge_mb=huge_mb, is_malformed=is_malformed))
        elif isinstance(frame.payload, dict):
            data = dump(frame.payload, self.behaviour, huge_mb=huge_mb, is_malformed=is_malformed)
            await self.write((b",\r\n" if self._elements else b"[") + data)
            self._elements += 1

    async def end(self) -> web.StreamResponse:
        if self.is_array:
            await self.write(b"]" if self._elements else b"[]")
        if self._gzip is not None:
            await self._response.write(self._gzip.flush())
        await self._response.write_eof()
        if self.behaviour.is_hanging_up and self.request.transport is not None:
            self.request.transport.close()
        return self._response

    async def wait(self, ms: int) -> None:
        """Wait in a stream; with comments, the line is kept alive meanwhile."""
        if not self.behaviour.has_comments or self.is_array or self.is_amazon:
            await asyncio.sleep(ms / 1000)
            return
        deadline = asyncio.get_running_loop().time() + ms / 1000
        while (rest := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(rest, COMMENT_EVERY_S))
            await self.write(with_line_ends(b": keep-alive\n\n", self.behaviour))

    async def cut(self, *, is_reset: bool = False, last: bytes = b"") -> None:
        """Close the connection here, with FIN or RST. Never returns: the loss of it cancels the handler."""
        self.call.is_cut = True
        transport = self.request.transport
        if transport is not None and last:
            transport.write(last)
        if transport is not None and is_reset:
            await asyncio.sleep(0.02)  # a RST overtakes what the peer has not read yet
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        elif transport is not None:
            transport.close()
        await asyncio.sleep(SILENCE_S)


async def _before_headers(connection: _Connection, ask: Ask, behaviour: Behaviour) -> None:
    fault = behaviour.fault
    await asyncio.sleep((fault.slow_headers_ms + (0 if ask.is_stream else fault.wait_ms)) / 1000)
    if fault.is_silent:
        await asyncio.sleep(SILENCE_S * behaviour.scale_percent / 100)
    if fault.is_cut_before_headers or fault.is_silent:
        await connection.cut()
    if fault.is_reset_before_headers:
        await connection.cut(is_reset=True)
    if fault.is_garbage:
        await connection.cut(last=b"SSH-2.0-simulator\r\n\x00\xff\r\n\r\n")


def _instead(call: Call, wire_format: WireFormat, behaviour: Behaviour) -> web.Response | None:
    """Return what this behaviour answers in place of the format's answer, if anything."""
    fault = behaviour.fault
    if fault.status:
        says = f"The simulator answers with status {fault.status}, as the model's name asks."
        return refusal(call, wire_format, Refused(fault.status, None, says), fault.retry_after_ms)
    if fault.is_flagged:
        says = "The response was filtered due to the prompt triggering the content management policy."
        return refusal(call, wire_format, Refused(400, "content_filter", says, "prompt"))
    if fault.is_redirect:
        return web.Response(status=307, headers={"location": "/_sim/redirected"})
    return web.Response(text=HTML, content_type="text/html") if fault.is_html else None


async def _play_body(connection: _Connection, body: Json) -> web.StreamResponse:
    behaviour, fault = connection.behaviour, connection.behaviour.fault
    data = dump(body, behaviour, huge_mb=fault.huge_body_mb, is_malformed=fault.malformed_chunk is not None)
    await asyncio.sleep(fault.first_ms / 1000)
    await connection.start("application/json", len(data))
    half = len(data) // 2
    await connection.write(data[:half])
    connection.call.phase = "streaming"
    if fault.stall_after_chunks is not None:
        await asyncio.sleep(fault.stall_ms / 1000)
    if fault.cut_after_chunks is not None or fault.badchunk_after_chunks is not None:
        await connection.cut()
    if fault.reset_after_chunks is not None:
        await connection.cut(is_reset=True)
    await connection.write(data[half:])
    return await connection.end()


async def _play_stream(connection: _Connection, reply: StreamReply, wire_format: WireFormat) -> web.StreamResponse:
    behaviour, fault = connection.behaviour, connection.behaviour.fault
    connection.is_array, connection.is_amazon = reply.is_array, reply.is_amazon
    plain = "application/json" if reply.is_array else "text/event-stream; charset=utf-8"
    await connection.start(MEDIA_TYPE if reply.is_amazon else plain)
    if behaviour.has_bom and not reply.is_amazon:
        await connection.write(b"\xef\xbb\xbf")
    await connection.wait(fault.first_ms)
    for frame in reply.opening:
        await connection.write_frame(frame)
    sent = 0
    if await _break_after(connection, sent, wire_format):
        return await connection.end()
    for frame in reply.content:
        if sent and behaviour.pace_ms:
            await connection.wait(behaviour.pace_ms)
        sent += 1
        huge_mb = fault.huge_chunk_mb if sent == 1 else 0
        await connection.write_frame(frame, huge_mb=huge_mb, is_malformed=sent == fault.malformed_chunk)
        connection.call.phase = "streaming"
        connection.call.sent()
        if sent % FAIR_CHUNKS == 0:
            await asyncio.sleep(0)
        if await _break_after(connection, sent, wire_format):
            return await connection.end()
    for frame in (*reply.closing, *(() if fault.is_done_omitted else reply.end)):
        await connection.write_frame(frame)
    return await connection.end()


async def _break_after(connection: _Connection, sent: int, wire_format: WireFormat) -> bool:
    """Do what this behaviour does after so many content chunks; return whether the stream ends with it."""
    fault = connection.behaviour.fault
    if sent == fault.stall_after_chunks:
        await connection.wait(fault.stall_ms)
    if sent == fault.cut_after_chunks:
        await connection.cut()
    if sent == fault.reset_after_chunks:
        await connection.cut(is_reset=True)
    if sent == fault.badchunk_after_chunks:
        await connection.cut(last=b"zz\r\nthis is no chunk\r\n")
    if sent == fault.error_after_chunks:
        refused = Refused(500, "server_error", "The simulator broke the stream off, as the model's name asks.")
        await connection.write_frame(Frame(wire_format.error(refused), wire_format.error_event))
        return True
    return False


async def _play_canned(
    request: web.Request, call: Call, canned: Canned, ask: Ask, behaviour: Behaviour
) -> web.StreamResponse:
    if behaviour.fault.wait_ms:
        await asyncio.sleep(behaviour.fault.wait_ms / 1000)
    if not ask.is_stream:
        return Raw(canned.answer)
    if behaviour.chunks is None:
        return Raw(canned.opening + canned.chunk * CHUNKS + canned.closing)
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    transport.write(canned.opening)
    call.phase = "streaming"
    for _ in range(behaviour.chunks):
        await asyncio.sleep(behaviour.pace_ms / 1000)
        if transport.get_write_buffer_size() > BUFFERED_BYTES:
            await request.writer.drain()
        transport.write(canned.chunk)
    transport.write(canned.closing)
    return Raw()
