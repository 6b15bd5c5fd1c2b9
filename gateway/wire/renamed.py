"""An answer that names the model as its caller does, where it named it as its provider does.

Rules:
- Only what says which model answered is changed: everything else, unknown members included, stays as it was.
- What says no model says none afterwards.
- A message is copied before it is changed, as others may read the same answer.

Not here: which answers are renamed (pipeline.renamed).
"""

from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from gateway.wire.json import dumps, loads, text
from gateway.wire.openai.mirror import JsonObject

M = TypeVar("M", bound=Message)

MEMBERS: Final = ("model", "modelVersion", "model_version")
"""What formats call it. Anthropic's first event has it in `message`, events of the Responses format in `response`."""
_NESTED: Final = ("message", "response")
_DEPTH_MAX: Final = 1000


def renamed(event: M, model: str) -> M:
    """A whole answer, or an event of a stream, with that name."""
    named: Any = event
    has_name = "model" in named.DESCRIPTOR.fields_by_name and named.HasField("model")
    has_extra = '"model' in named.extra
    if not (has_name or has_extra):
        return event
    made: Any = type(event)()
    made.CopyFrom(event)
    if has_name:
        made.model = model
    if has_extra:
        made.extra = text(_renamed(loads(made.extra.encode(), depth_max=_DEPTH_MAX), model))
    return made  # type: ignore[no-any-return]  # of the event's own type


def renamed_json(answer: bytes, model: str) -> bytes:
    """The JSON of a whole answer with that name. Raises JsonInvalid."""
    return dumps(_renamed(loads(answer), model))


def _renamed(obj: JsonObject, model: str) -> JsonObject:
    for name in MEMBERS:
        if isinstance(obj.get(name), str):
            obj[name] = model
    for name in _NESTED:
        if isinstance(inner := obj.get(name), dict) and isinstance(inner.get("model"), str):
            inner["model"] = model
    return obj
