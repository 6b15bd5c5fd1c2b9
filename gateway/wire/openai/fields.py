"""The kinds of members a table is made of: text, numbers, booleans, JSON text, lists, nested objects.

Rules:
- A kind reads only what it writes back exactly (see mirror.py); equal but differently spelled values are set too.
- A whole number in a double is written without a fraction: clients write 1 more often than 1.0, and no `extra` then.
- Empty lists and maps are not kept by protobuf: they go to `extra`.

Not here: members with a spelling of their own (content, tool calls, tool_choice, prompt): content.py, tools.py, ...
"""

from typing import Any

from gateway.wire.json import text
from gateway.wire.openai.base64text import lenient_bytes, packed_bytes, packed_text
from gateway.wire.openai.mirror import Field, JsonObject, Mirror, Writer, kept_value

_EXACT_MAX = 2**53


def is_text(value: Any) -> bool:
    """Whether protobuf can hold the value as a string: a `str` without lone surrogates."""
    if type(value) is not str:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_is(name: str) -> Writer:
    """A writer that gives the field's own value to member `name`."""

    def write(out: JsonObject, value: Any) -> None:
        out[name] = value

    return write


def string(name: str, proto: str | None = None, *, allow_empty: bool = True) -> Field:
    """A string; `allow_empty=False` for fields without presence, which cannot hold an empty one."""
    field = proto or name

    def read(message: Any, value: Any) -> bool:
        if type(value) is not str or not (value or allow_empty):
            return False
        try:
            setattr(message, field, value)
        except UnicodeEncodeError:
            return False
        return True

    return Field(name, read, {field: as_is(name)})


def boolean(name: str) -> Field:
    """true or false."""

    def read(message: Any, value: Any) -> bool:
        if type(value) is not bool:
            return False
        setattr(message, name, value)
        return True

    return Field(name, read, {name: as_is(name)})


def integer(name: str) -> Field:
    """A whole number in the range of its field."""

    def read(message: Any, value: Any) -> bool:
        is_exact = type(value) is int
        if not is_exact:
            if type(value) is not float or not value.is_integer():
                return False
            value = int(value)
        try:
            setattr(message, name, value)
        except ValueError:
            return False
        return is_exact

    return Field(name, read, {name: as_is(name)})


def number(name: str) -> Field:
    """A double; whole numbers are written without a fraction."""

    def read(message: Any, value: Any) -> bool:
        if type(value) is not float and type(value) is not int:
            return False
        try:
            setattr(message, name, value)
        except OverflowError:
            return False
        if type(value) is float and not value.is_integer():
            return True
        return type(plain := plain_number(getattr(message, name))) is type(value) and plain == value

    def write(out: JsonObject, value: float) -> None:
        out[name] = plain_number(value)

    return Field(name, read, {name: write})


def plain_number(value: float) -> int | float:
    """A double as a client would write it."""
    return int(value) if value.is_integer() and -_EXACT_MAX < value < _EXACT_MAX else value


def json_text(name: str) -> Field:
    """Any JSON value, kept as text in field `<name>_json`."""
    field = f"{name}_json"

    def read(message: Any, value: Any) -> bool:
        setattr(message, field, text(value))
        return True

    def write(out: JsonObject, value: str) -> None:
        out[name] = kept_value(value, field)

    return Field(name, read, {field: write})


def base64(name: str) -> Field:
    """Bytes, as standard base64 text on JSON."""

    def read(message: Any, value: Any) -> bool:
        if type(value) is not str:
            return False
        data = packed_bytes(value)
        if (held := lenient_bytes(value) if data is None else data) is not None:
            setattr(message, name, held)
        return data is not None

    def write(out: JsonObject, value: bytes) -> None:
        out[name] = packed_text(value)

    return Field(name, read, {name: write})


def strings(name: str) -> Field:
    """A list of strings, not empty."""

    def read(message: Any, value: Any) -> bool:
        if type(value) is not list or not value or not all(map(is_text, value)):
            return False
        getattr(message, name).extend(value)
        return True

    def write(out: JsonObject, value: Any) -> None:
        out[name] = list(value)

    return Field(name, read, {name: write})


def string_map(name: str) -> Field:
    """An object of strings, not empty; written in the order of its keys."""

    def read(message: Any, value: Any) -> bool:
        if type(value) is not dict or not value:
            return False
        if not all(map(is_text, value)) or not all(map(is_text, value.values())):
            return False
        getattr(message, name).update(value)
        return True

    def write(out: JsonObject, value: Any) -> None:
        out[name] = dict(sorted(value.items()))

    return Field(name, read, {name: write})


def record(name: str, mirror: Mirror) -> Field:
    """A nested object."""

    def read(message: Any, value: Any) -> bool:
        if type(value) is not dict:
            return False
        nested = getattr(message, name)
        nested.SetInParent()
        mirror.decode(value, nested)
        return True

    def write(out: JsonObject, value: Any) -> None:
        out[name] = mirror.encode(value)

    return Field(name, read, {name: write})


def records(name: str, mirror: Mirror) -> Field:
    """A list of objects, not empty."""

    def read(message: Any, value: Any) -> bool:
        if type(value) is not list or not value or not all(type(item) is dict for item in value):
            return False
        nested = getattr(message, name)
        for item in value:
            mirror.decode(item, nested.add())
        return True

    def write(out: JsonObject, value: Any) -> None:
        out[name] = [mirror.encode(item) for item in value]

    return Field(name, read, {name: write})
