"""A message that mirrors a Gemini object: groups of members, each read into typed fields and proven by writing it back.

Rules:
- A group of members is either written from its typed fields or given back from `extra`, never both: after reading, the
  group is written, and if that is not exactly what was read, its members go to `extra` as they were.
- A group that was not in the JSON but would be written is named in `nulls`, and not written then.
- Members may be spelled in camelCase or snake_case; what is not camelCase comes back from `extra`.
- Nested objects keep what they cannot express themselves (`read` returns True), so that nothing large is kept twice.

Not here: the groups (parts.py, contents.py, request.py, ...), what they mean.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeGuard, cast

from gateway.wire.json import text
from gateway.wire.openai import fields
from gateway.wire.openai.fields import plain_number
from gateway.wire.openai.mirror import JsonObject, kept_object

_UPPER = re.compile(r"[A-Z]")
is_text = cast("Callable[[Any], TypeGuard[str]]", fields.is_text)
"""Whether protobuf can hold the value as a string."""


class Group(NamedTuple):
    """Members that are read and written together.

    `read(message, said)` gets those that are there, by their camelCase names (none: an empty object), and returns True
    when writing is known to give exactly them back. `write(message, out)` adds members to `out`. `has_default` says
    that typed fields are filled, or written, when the JSON has none of the members.
    """

    names: tuple[str, ...]
    read: Callable[[Any, JsonObject], bool | None]
    write: Callable[[Any, JsonObject], None]
    has_default: bool = False


class Table:
    """The compiled groups of one kind of object."""

    __slots__ = ("_camel", "_groups", "_of_name", "_spellings")

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = tuple(groups)
        self._camel = {spelling: name for group in groups for name in group.names for spelling in (name, snake(name))}
        self._spellings = [frozenset(name for n in group.names for name in (n, snake(n))) for group in groups]
        self._of_name = {name: at for at, names in enumerate(self._spellings) for name in names}

    def decode(self, obj: JsonObject, message: Any) -> None:
        """Read `obj` into `message`, which has `extra` and `nulls`."""
        extra, absent = self.read(obj, message)
        if extra:
            message.extra = text(extra)
        if absent:
            message.nulls.extend(absent)

    def read(self, obj: JsonObject, message: Any) -> tuple[JsonObject, list[str]]:
        """Read `obj` into `message`; return what belongs into `extra` and into `nulls`."""
        extra: JsonObject = {}
        absent: list[str] = []
        given: dict[int, JsonObject] = {}
        of_name = self._of_name
        for name, value in obj.items():
            at = of_name.get(name)
            if at is None:
                extra[name] = value
            else:
                given.setdefault(at, {})[name] = value
        for at, group in enumerate(self._groups):
            said = given.get(at)
            if said is None and not group.has_default:
                continue
            is_exact = group.read(message, self._named(said) if said else {})
            if is_exact and said and group.names[0] in said and len(said) == 1:
                continue
            written: JsonObject = {}
            group.write(message, written)
            if not said:
                absent += [group.names[0]] if written else []
            elif not same(written, said):
                extra.update(said)
        return extra, absent

    def encode(self, message: Any) -> JsonObject:
        """Return the JSON object of `message`. Raises JsonInvalid for a JSON text in it that is none."""
        return self.write(message, kept_object(message.extra) if message.extra else {}, message.nulls)

    def write(self, message: Any, extra: JsonObject, absent: Sequence[str] = ()) -> JsonObject:
        """Return the JSON object of `message` with these `extra` and `nulls`."""
        out: JsonObject = {}
        for group, spellings in zip(self._groups, self._spellings, strict=True):
            if (absent and group.names[0] in absent) or (extra and not spellings.isdisjoint(extra)):
                continue
            group.write(message, out)
        out.update(extra)
        return out

    def _named(self, said: JsonObject) -> JsonObject:
        """The members by their camelCase names; the camelCase spelling counts when both are there."""
        camel = self._camel
        if all(camel[name] == name for name in said):
            return said
        return {camel[name]: value for name, value in said.items()} | {n: v for n, v in said.items() if camel[n] == n}


def snake(name: str) -> str:
    """The snake_case spelling of a camelCase name."""
    return _UPPER.sub(lambda found: "_" + found.group().lower(), name)


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal, in type too; the order of members does not count."""
    if type(left) is not type(right):
        return False
    if type(left) is dict:
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    if type(left) is list:
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right) and (type(left) is not float or repr(left) == repr(right))


def string(name: str, field: str) -> Group:
    """A string member and the optional string field that holds it."""

    def read(message: Any, said: JsonObject) -> bool:
        if is_text(value := said.get(name)):
            setattr(message, field, value)
            return True
        return False

    def write(message: Any, out: JsonObject) -> None:
        if message.HasField(field):
            out[name] = getattr(message, field)

    return Group((name,), read, write)


def integer(name: str, field: str) -> Group:
    """A whole number; protobuf's JSON allows it as text too."""

    def read(message: Any, said: JsonObject) -> None:
        if (value := whole(said.get(name))) is not None:
            setattr(message, field, value)

    def write(message: Any, out: JsonObject) -> None:
        if message.HasField(field):
            out[name] = getattr(message, field)

    return Group((name,), read, write)


def number(name: str, field: str) -> Group:
    """A double; whole numbers are written without a fraction."""

    def read(message: Any, said: JsonObject) -> None:
        value = said.get(name)
        if type(value) is float or (type(value) is int and abs(value) < 2**53):
            setattr(message, field, value)

    def write(message: Any, out: JsonObject) -> None:
        if message.HasField(field):
            out[name] = plain_number(getattr(message, field))

    return Group((name,), read, write)


def boolean(name: str, field: str) -> Group:
    """true or false."""

    def read(message: Any, said: JsonObject) -> None:
        if type(value := said.get(name)) is bool:
            setattr(message, field, value)

    def write(message: Any, out: JsonObject) -> None:
        if message.HasField(field):
            out[name] = getattr(message, field)

    return Group((name,), read, write)


def record(name: str, field: str, table: Table) -> Group:
    """An object, and the message it mirrors."""

    def read(message: Any, said: JsonObject) -> bool:
        if type(value := said.get(name)) is not dict:
            return False
        inner = getattr(message, field)
        inner.SetInParent()
        table.decode(value, inner)
        return True

    def write(message: Any, out: JsonObject) -> None:
        if message.HasField(field):
            out[name] = table.encode(getattr(message, field))

    return Group((name,), read, write)


def whole(value: Any) -> int | None:
    """A whole number of 64 bits, also one spelled as text or with a fraction of zero; None for anything else."""
    if type(value) is float and value.is_integer():
        value = int(value)
    elif type(value) is str and len(value) < 20 and value.removeprefix("-").isascii():
        value = int(value) if value.removeprefix("-").isdigit() else None
    return value if type(value) is int and -(2**63) <= value < 2**63 else None
