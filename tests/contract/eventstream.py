"""Amazon's binary event stream, written from a source people can read.

A source has one message per line: `event NAME JSON`, `exception NAME JSON` or `error CODE TEXT`. Empty lines and lines
that begin with `#` say nothing; a line `garbage HEX` puts bytes as they are.

Rules: an implementation of its own, so that the reader under test is not checked against its own idea of the format.
Not here: what the messages mean (gateway.wire.bedrock).
Source: Amazon Transcribe developer guide, "Event stream encoding"; the Smithy event stream specification.
"""

from __future__ import annotations

from binascii import crc32

_TEXT_TYPE = 7


def binary(source: str) -> bytes:
    """The bytes of a whole stream."""
    lines = [line for line in source.split("\n") if line.strip() and not line.startswith("#")]
    return b"".join(_line(*line.split(" ", 2)) for line in lines)


def _line(kind: str, name: str, payload: str = "") -> bytes:
    if kind == "garbage":
        return bytes.fromhex(name)
    if kind == "error":
        return message({":message-type": "error", ":error-code": name, ":error-message": payload}, b"")
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return message(headers, payload.encode())


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message: prelude, its checksum, headers, payload, checksum of all of it."""
    head = b""
    for name, value in headers.items():
        name_bytes, value_bytes = name.encode(), value.encode()
        head += bytes([len(name_bytes)]) + name_bytes
        head += bytes([_TEXT_TYPE]) + len(value_bytes).to_bytes(2, "big") + value_bytes
    body = (16 + len(head) + len(payload)).to_bytes(4, "big") + len(head).to_bytes(4, "big")
    body += crc32(body).to_bytes(4, "big") + head + payload
    return body + crc32(body).to_bytes(4, "big")
