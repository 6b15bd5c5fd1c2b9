"""A message that mirrors a JSON object: one declarative table, compiled into closures that read and write it.

Rules:
- A member goes into its typed field when that field gives back exactly the same JSON; otherwise it goes into `extra`,
  and into the typed field too when that can hold an equal value (1.0 where 1 would be written).
- A known member that is null goes into `nulls`; typed fields win over `nulls`, `extra` wins over both.
- Members are written in the order of field numbers, then nulls, then `extra`.
- What a message not made from JSON should not lack (`fills`) is written only if `extra` is empty; so a message read
  from JSON without such a member gets at least the `extra` `{}`.

Not here: the tables (chat.py, content.py, ...), what a member means.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, Final, NamedTuple, TypeAlias

from gateway.wire.json import JsonInvalid, loads, text

JsonObject: TypeAlias = dict[str, Any]
Reader: TypeAlias = Callable[[Any, Any], bool]
"""Put a JSON value into a message; False: the typed field does not reproduce it, keep it in `extra` as well."""
Writer: TypeAlias = Callable[[JsonObject, Any], None]
"""Put the value of a set protobuf field into the JSON object."""

EMPTY: Final = "{}"
"""The `extra` of a message that was read from JSON, lacks a member of `fills` and has nothing else to keep."""
ABSENT: Final = object()
"""What a fill returns when the message needs none."""

_KEPT_DEPTH_MAX = 900
_EXTRA, _NULLS = 14, 15


class Field(NamedTuple):
    """One JSON member: how it is read, and how each protobuf field that may hold it is written."""

    name: str
    read: Reader
    writers: Mapping[str, Writer]
    read_null: Reader | None = None


class Mirror:
    """The compiled table of one message class.

    `first` names the members to read before all others, in this order (they add to one list of blocks).
    `fills` says which members a message not made from JSON must have: name -> function of the message.
    """

    __slots__ = (
        "_fill_names",
        "_fills",
        "_first",
        "_first_names",
        "_null_readers",
        "_proto_names",
        "_readers",
        "_writers",
        "message_class",
        "names",
    )

    def __init__(
        self,
        message_class: Any,
        fields: Sequence[Field],
        *,
        first: tuple[str, ...] = (),
        fills: Mapping[str, Callable[[Any], Any]] | None = None,
    ) -> None:
        described = {field.name: field for field in message_class.DESCRIPTOR.fields}
        self.message_class = message_class
        self.names = frozenset(name for field in fields for name in field.writers)
        self._readers = {field.name: field.read for field in fields}
        self._null_readers = {field.name: field.read_null for field in fields if field.read_null}
        self._writers = {described[name]: write for field in fields for name, write in field.writers.items()}
        self._proto_names = {field.name: tuple(field.writers) for field in fields}
        self._first = first
        self._first_names = frozenset(first)
        self._fills = dict(fills or {})
        self._fill_names = frozenset(self._fills)

    def decode(self, obj: JsonObject, message: Any, kept: Any = None) -> None:
        """Read `obj` into the empty `message`; `kept` is where `extra` and `nulls` go if not there."""
        if kept is None:
            kept = message
        extra: JsonObject | None = None
        readers = self._readers
        if self._first_names and len(self._first_names.intersection(obj)) > 1:
            obj = self._ordered(obj)
        for name, value in obj.items():
            read = readers.get(name)
            if read is not None:
                if value is None and (read := self._null_readers.get(name)) is None:
                    kept.nulls.append(name)
                    continue
                if read(message, value):
                    continue
            if extra is None:
                extra = {}
            extra[name] = value
        if extra is not None:
            kept.extra = text(extra)
        elif self._fills and not self._fill_names <= obj.keys() and self._lacks_fill(obj, message):
            kept.extra = EMPTY

    def encode(self, message: Any) -> JsonObject:
        """Return the JSON object of `message`. Raises JsonInvalid for a JSON text in it that is none."""
        out: JsonObject = {}
        writers = self._writers
        extra = nulls = None
        for field, value in message.ListFields():
            if (write := writers.get(field)) is not None:
                write(out, value)
            elif field.number == _EXTRA:
                extra = value
            elif field.number == _NULLS:
                nulls = value
        if nulls or extra:
            add_kept(out, nulls or (), extra)
        if self._fills and not extra and not self._fill_names <= out.keys():
            self._fill(out, message)
        return out

    def disputed(self, message: Any) -> list[str]:
        """Name the members of `extra` that say something else than the typed fields do.

        Never any in a message read from JSON; a caller that makes messages itself could pass checks of the typed
        fields with one value and have another one sent.
        """
        extra = kept_object(message.extra) if message.extra else {}
        return [name for name in self._readers.keys() & extra.keys() if self._is_disputed(name, extra[name], message)]

    def _is_disputed(self, name: str, value: Any, message: Any) -> bool:
        said = self.message_class()
        if value is not None:
            self._readers[name](said, value)
        fields = self._proto_names[name]
        if not fields:  # it adds blocks: what is readable must be there as blocks, not in `extra`
            return bool(said.ListFields())
        return any(_set_value(said, field) != _set_value(message, field) for field in fields)

    def made(self, obj: JsonObject) -> Any:
        """Return a new message read from `obj`."""
        message = self.message_class()
        self.decode(obj, message)
        return message

    def _fill(self, out: JsonObject, message: Any) -> None:
        for name, fill in self._fills.items():
            if name not in out and (value := fill(message)) is not ABSENT:
                out[name] = value

    def _lacks_fill(self, obj: JsonObject, message: Any) -> bool:
        return any(name not in obj and fill(message) is not ABSENT for name, fill in self._fills.items())

    def _ordered(self, obj: JsonObject) -> JsonObject:
        return {name: obj[name] for name in self._first if name in obj} | obj


def _set_value(message: Any, name: str) -> Any:
    return next((value for field, value in message.ListFields() if field.name == name), None)


def always(value: Any) -> Callable[[Any], Any]:
    """A fill that is the same for every message."""
    return lambda _message: copy(value)


def add_kept(out: JsonObject, nulls: Sequence[str], extra: str | None) -> None:
    """Add to a JSON object what `nulls` and `extra` of its message say."""
    for name in nulls[:]:
        out.setdefault(name, None)
    if extra and extra != EMPTY:
        out.update(kept_object(extra))


def kept_object(extra: str) -> JsonObject:
    """Return the object in an `extra`."""
    value = kept_value(extra, "extra")
    if type(value) is not dict:
        raise JsonInvalid("extra of a message is not a JSON object")
    return value


def kept_value(json_text: str, name: str) -> Any:
    """Return the value of a JSON text field called `name`."""
    try:
        return loads(json_text.encode(), depth_max=_KEPT_DEPTH_MAX)
    except JsonInvalid as error:
        raise JsonInvalid(f"{name}: {error}") from None
