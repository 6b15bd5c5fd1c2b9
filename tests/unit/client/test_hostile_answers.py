"""What a wrong server may send the public client: an error or a message, never an endless wait."""

from __future__ import annotations

import contextlib
import random

import pytest

from gateway.client import v1

NESTED = 3000
REFUSALS = (ValueError, KeyError, EOFError, OverflowError)  # of betterproto2; no MemoryError, no RecursionError


def nested(depth: int) -> bytes:
    """A field of unknown number that holds itself, `depth` times; lengths are right."""
    data = b""
    for _ in range(depth):
        size, coded = len(data), b""
        while size >= 128:
            coded, size = coded + bytes([size % 128 + 128]), size // 128
        data = b"\x0a" + coded + bytes([size]) + data
    return data


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x0a\xff\xff\xff\xff\x7f", id="length-beyond-the-message"),
        pytest.param(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", id="length-of-too-many-bytes"),
        pytest.param(b"\x0b" * 5000, id="groups-that-never-end"),
        pytest.param(b"\x0c", id="end-of-no-group"),
        pytest.param(b"\x0a\x02\xff\xfe", id="text-not-utf8"),
        pytest.param(b"\x00\x00", id="field-zero"),
        pytest.param(nested(NESTED), id="deep"),
    ],
)
def test_S11_a_broken_message_is_an_error_or_a_message(data: bytes) -> None:
    """Parsing ends, with a message or an exception of the parser; no size named in it is believed."""
    for kind in (v1.ChatResponse, v1.ChatChunk, v1.ListModelsResponse):
        with contextlib.suppress(*REFUSALS):
            kind.parse(data)


def test_S11_random_bytes_end_the_same_way() -> None:
    """Bytes of no meaning, and good ones with a flipped bit."""
    draw = random.Random(11)
    good = bytes(v1.ChatResponse(id="r", model="m", created=1))
    for _ in range(2000):
        data = bytearray(draw.randbytes(draw.randrange(60)) if draw.random() < 0.5 else good)
        if data:
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        with contextlib.suppress(*REFUSALS):
            v1.ChatResponse.parse(bytes(data))
