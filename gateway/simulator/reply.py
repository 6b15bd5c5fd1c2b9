"""What a wire format takes and gives: the seam between formats (openai.py, ...) and what all of them share.

Rules:
- A format is pure: JSON in, JSON out; it decides the members, never the bytes, the moments or the faults.
- A stream names its content apart from its opening and closing, so that faults can count content chunks.

Not here: bytes (frames.py), clocks and sockets (play.py), which text is said (answer.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from gateway.simulator.behaviour import Behaviour

Json = dict[str, Any]


class Frame(NamedTuple):
    """One event of a stream: its JSON (or literal bytes, such as `[DONE]`) and its name, if the format names events."""

    payload: Json | bytes
    event: str | None = None


@dataclass(frozen=True, slots=True)
class StreamReply:
    """A stream in four parts; `content` is made while it is sent and ends the part that faults count."""

    opening: tuple[Frame, ...]
    content: Iterable[Frame]
    closing: tuple[Frame, ...]
    end: tuple[Frame, ...]
    is_amazon: bool = False
    """Messages of Amazon's event stream instead of server-sent events."""
    is_array: bool = False
    """One JSON array instead of server-sent events; event names and oddities of event lines have no place in it."""


Reply = Json | StreamReply


@dataclass(frozen=True, slots=True)
class Ask:
    """A decoded request: the operation of its route, the model it names, and its JSON."""

    operation: str
    model: str
    is_stream: bool = False
    body: Json = field(default_factory=dict)
    is_attempt: bool = True
    """Whether the model's behaviour applies; a look into the catalogue has none and counts for no model."""


class Refused(Exception):
    """An answer that is an error of the format: HTTP status, structured code, and what was wrong."""

    def __init__(self, status: int, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param


class Route(NamedTuple):
    """One path of a format (aiohttp syntax) and the operation it means."""

    method: str
    path: str
    operation: str


class Canned(NamedTuple):
    """Whole HTTP/1.1 responses for load tests, made once: an answer, and a stream in its three parts."""

    answer: bytes
    opening: bytes
    chunk: bytes
    closing: bytes


class WireFormat(Protocol):
    """One vendor's wire format."""

    routes: tuple[Route, ...]
    error_event: str | None
    """Name of the event that carries an error in a stream."""

    def is_authorized(self, headers: Mapping[str, str], key: str) -> bool:
        """Say whether the request carries the key, where this format carries it."""

    def ask(self, operation: str, params: Mapping[str, str], body: bytes) -> Ask:
        """Decode a request; `params` are those of its path and of its query. Raises Refused."""

    def reply(self, ask: Ask, behaviour: Behaviour) -> Reply:
        """Return the healthy answer of a model that behaves so. Raises Refused."""

    def error(self, refused: Refused) -> Json:
        """Return the error body, which is also the payload of an error event in a stream."""

    def bench(self, operation: str) -> Canned | None:
        """Return the canned bytes of an operation, None when it has none."""
