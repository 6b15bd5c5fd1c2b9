"""JSON text to Python values and back, exactly: what was read is what is written.

Rules:
- `loads(dumps(value))` is `value` for every value `loads` returns, types included: integers of any size up to the
  interpreter's limit (4,300 digits) stay integers, lone surrogates stay where they are, 1 and 1.0 differ.
- The common case is one orjson call; the standard library reads and writes what orjson cannot hold.
- Refused, with position: invalid UTF-8, a byte order mark, NaN, Infinity, numbers beyond a double's range, nesting
  deeper than `depth_max`, anything RFC 8259 does not allow.
- A member named twice: the last one counts (both parsers agree). It is not refused, because finding it would cost a
  slow parse of every body; nobody downstream sees both, because bodies are written anew.
- Messages never quote the text that was read.

Not here: which members a body may have (`gateway.wire.openai`), how an error looks to a client (the frontend).
"""

import json
import math
import re
from typing import Any, NoReturn

import orjson

_KEY_DIGITS = bytes(48 if 48 <= byte <= 57 else byte if byte in b".-" else 0 for byte in range(256))
_SAFE_DIGITS = 19  # 19 digits fit an unsigned 64-bit integer; with a minus sign they may not
_LONG_RUN = b"0" * _SAFE_DIGITS
_STEP = (_SAFE_DIGITS - 1) // 2  # of any 19 bytes in a row, every ninth is at least two
_RUN_END = re.compile(rb"[^0]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_CONTAINERS = frozenset((dict, list))
_PARSER_DEPTH_MAX = 1000  # both parsers stop a little above this


class JsonInvalid(ValueError):
    """The text is not JSON, or JSON that is not accepted here; the message says where and why."""


def loads(data: bytes, *, depth_max: int = 64) -> Any:
    """Read one JSON document of UTF-8 bytes.

    `depth_max` is the number of containers that may lie inside each other (`[[]]` is 2; at most 1,000).
    Raises JsonInvalid.
    """
    value = _exact(data) if _has_long_integer(data) else loads_own(data)
    if _openings(data, depth_max + 1) > depth_max and _is_deeper(value, depth_max):
        raise _too_deep(depth_max)
    return value


def loads_own(data: bytes) -> Any:
    """Read what `dumps` wrote in another process of this gateway: `loads` without its guards.

    For values without integers beyond 64 bits, which would become floats. Raises JsonInvalid.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return _second_reading(data, error)


def dumps(value: Any) -> bytes:
    """Write `value` without spaces; members keep their order.

    Floats must be finite. Raises TypeError for a value that is not JSON's.
    """
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, a lone surrogate, more than 254 levels
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def text(value: Any) -> str:
    """Like `dumps`, as text that always encodes to UTF-8 (lone surrogates are escaped)."""
    return dumps(value).decode()


def _openings(data: bytes, most: int) -> int:
    """How many brackets open in `data`, of each kind at most `most`; `replace` finds them, `count` would walk."""
    return 2 * len(data) - len(data.replace(b"{", b"", most)) - len(data.replace(b"[", b"", most))


def _has_long_integer(data: bytes) -> bool:
    """Whether a run of digits may be an integer beyond 64 bits, which orjson would read as a float."""
    if data[::_STEP].translate(_KEY_DIGITS).find(b"00") < 0:  # `in` would raise and catch a TypeError first
        return False
    digits = data.translate(_KEY_DIGITS)
    at = digits.find(_LONG_RUN)
    while at >= 0:
        found = _RUN_END.search(digits, at)
        end = found.start() if found else len(digits)
        before = digits[at - 1 : at]
        if before != b"." and (end - at > _SAFE_DIGITS or before == b"-"):
            return True
        at = digits.find(_LONG_RUN, end)
    return False


def _second_reading(data: bytes, error: orjson.JSONDecodeError) -> Any:
    """Read what orjson refused, if it is JSON; otherwise say what is wrong with it."""
    if _SURROGATE.search(data):
        return _exact(data)
    _decoded(data)
    if error.msg == "depth limit exceeded":
        raise _too_deep(_PARSER_DEPTH_MAX) from None
    raise _invalid(error.msg, error) from None


def _exact(data: bytes) -> Any:
    try:
        return _decoder.decode(_decoded(data))
    except json.JSONDecodeError as error:
        raise _invalid(error.msg, error) from None
    except RecursionError:
        raise _too_deep(_PARSER_DEPTH_MAX) from None


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise JsonInvalid(f"not valid JSON: byte {error.start} is not UTF-8") from None


def _integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:
        raise JsonInvalid(f"not valid JSON: an integer of {len(digits)} digits is too long") from None


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise JsonInvalid("not valid JSON: a number is beyond the range of a double")
    return value


def _no_constant(name: str) -> NoReturn:
    raise JsonInvalid(f"not valid JSON: {name} is not a JSON value")


_decoder = json.JSONDecoder(parse_int=_integer, parse_float=_finite, parse_constant=_no_constant)


def _is_deeper(value: Any, depth_max: int) -> bool:
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(depth_max):
        below: list[Any] = []
        for container in level:
            items = container.values() if type(container) is dict else container
            if not _CONTAINERS.isdisjoint(map(type, items)):
                below += [item for item in items if type(item) in _CONTAINERS]
        if not below:
            return False
        level = below
    return True


def _too_deep(depth_max: int) -> JsonInvalid:
    return JsonInvalid(f"nested deeper than {depth_max} levels")


def _invalid(reason: str, error: json.JSONDecodeError) -> JsonInvalid:
    if reason[1:2].islower():
        reason = reason[0].lower() + reason[1:]
    return JsonInvalid(f"not valid JSON: {reason} (line {error.lineno}, column {error.colno})")
