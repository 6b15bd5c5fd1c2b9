"""Frames as chunks: each function gives the serialized FrameBatch of one frame.

Rules:
    - Chunks may be joined into one batch. Numbers of calls start at 1; 0 is the link itself.
    - What an event costs in credit is decided here, once for both ends.
Not here:
    - When frames are sent (link_server, link_client), how they queue (outbox).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import CallContext, Event, Raw
from gateway.rpc.options import FRAME_COST_BYTES
from gateway.rpc.status import to_error, valid_text
from gateway.wire import json
from gateway.wire.pb import link_pb2

_STATE_OF_KIND = {
    Kind.CANCELLED: link_pb2.END_STATE_CANCELLED,
    Kind.STREAM_CUT: link_pb2.END_STATE_CUT,
}


def text_cost(text: str) -> int:
    """Credit bytes of a text event."""
    return (len(text) if text.isascii() else len(text.encode())) + FRAME_COST_BYTES


def texts_cost(texts: Sequence[Any]) -> int:
    """Credit bytes of several."""
    joined = "".join(texts)
    return (len(joined) if joined.isascii() else len(joined.encode())) + FRAME_COST_BYTES * len(texts)


def hello(protocol: int, instance: str, generation: int, credit_bytes: int, part_bytes: int, secret: str) -> bytes:
    """The first frame of a side."""
    said = link_pb2.Hello(
        protocol=protocol,
        instance=instance,
        generation=generation,
        credit_bytes=credit_bytes,
        part_bytes=part_bytes,
        secret=secret,
    )
    return _chunk(link_pb2.Frame(hello=said))


def opening(call: int, method: str, context: CallContext, request: bytes, *, is_in_parts: bool) -> bytes:
    """The frame that starts a call."""
    batch = link_pb2.FrameBatch()
    opened = batch.frames.add(call=call).open  # filled in place: a message given to a constructor is encoded and read
    opened.method = method
    opened.request = request
    opened.context.CopyFrom(context)
    if is_in_parts:
        opened.is_in_parts = True
    return batch.SerializeToString()


def head(call: int, headers: Mapping[str, str]) -> bytes:
    """Response headers."""
    batch = link_pb2.FrameBatch()
    _add_head(batch, call, headers)
    return batch.SerializeToString()


def whole(call: int, headers: Mapping[str, str], event: Event, trailers: Mapping[str, str]) -> bytes:
    """A complete call with one event, in one frame."""
    batch = link_pb2.FrameBatch()
    told = batch.frames.add(call=call).whole
    told.headers = json.dumps(dict(headers))
    if type(event) is Raw:
        told.json = event.json
    else:
        told.event = event.SerializeToString()  # type: ignore[union-attr]  # never a str
    told.trailers = json.dumps(dict(trailers))
    return batch.SerializeToString()


def whole_apart(call: int, headers: Mapping[str, str], event: Event, trailers: Mapping[str, str]) -> bytes:
    """The same as three frames at once, for a frontend that does not know the one."""
    batch = link_pb2.FrameBatch()
    _add_head(batch, call, headers)
    if type(event) is Raw:
        batch.frames.add(call=call, json=event.json)
    else:
        batch.frames.add(call=call, event=event.SerializeToString())  # type: ignore[union-attr]  # never a str
    _add_end(batch, call, trailers)
    return batch.SerializeToString()


def texts(call: int, several: Iterable[Any]) -> bytes:
    """Neighbouring text events, all of them `str`."""
    batch = link_pb2.FrameBatch()
    batch.frames.add(call=call).texts.texts.extend(several)
    return batch.SerializeToString()


def parts(call: int, payload: bytes, part_bytes: int, *, is_json: bool = False) -> Iterator[tuple[bytes, int]]:
    """A payload over `part_bytes`, cut: chunks with their cost in credit."""
    last = (len(payload) - 1) // part_bytes * part_bytes
    for start in range(0, len(payload), part_bytes):
        part = link_pb2.Part(data=payload[start : start + part_bytes], is_last=start == last, is_json=is_json)
        yield _chunk(link_pb2.Frame(call=call, part=part)), len(part.data) + FRAME_COST_BYTES


def complete(call: int, trailers: Mapping[str, str]) -> bytes:
    """The end of a call that succeeded."""
    batch = link_pb2.FrameBatch()
    _add_end(batch, call, trailers)
    return batch.SerializeToString()


def failed(call: int, failure: GatewayError) -> bytes:
    """The end of a call that did not."""
    state = _STATE_OF_KIND.get(failure.kind, link_pb2.END_STATE_ERROR)
    ended = link_pb2.End(state=state, error=to_error(failure), trailers=_texts(failure.trailers))
    return _chunk(link_pb2.Frame(call=call, end=ended))


def cancel(call: int) -> bytes:
    """The reader went away."""
    return _chunk(link_pb2.Frame(call=call, cancel=link_pb2.Cancel()))


def credit(call: int, size_bytes: int) -> bytes:
    """The reader took so much."""
    return _chunk(link_pb2.Frame(call=call, credit=size_bytes))


def drain() -> bytes:
    """The service takes no new calls."""
    return _chunk(link_pb2.Frame(drain=link_pb2.Drain()))


def settings(generation: int, settings_json: str) -> bytes:
    """The part of the configuration a frontend needs."""
    return _chunk(link_pb2.Frame(settings=link_pb2.Settings(generation=generation, json=settings_json)))


def _add_head(batch: link_pb2.FrameBatch, call: int, headers: Mapping[str, str]) -> None:
    told = batch.frames.add(call=call).head
    told.SetInParent()  # also without headers
    _tell(told.headers, headers)


def _add_end(batch: link_pb2.FrameBatch, call: int, trailers: Mapping[str, str]) -> None:
    ended = batch.frames.add(call=call).end
    ended.state = link_pb2.END_STATE_COMPLETE
    _tell(ended.trailers, trailers)


def _tell(told: MutableMapping[str, str], texts: Mapping[str, str]) -> None:
    if not ("".join(texts.values()).isascii() and "".join(texts).isascii()):  # what nobody foresaw
        texts = _texts(texts)
    for name, value in texts.items():
        told[name] = value


def _chunk(frame: link_pb2.Frame) -> bytes:
    return link_pb2.FrameBatch(frames=[frame]).SerializeToString()


def _texts(texts: Mapping[str, str]) -> Mapping[str, str]:
    return {valid_text(name): valid_text(value) for name, value in texts.items()}
