"""What an answer of another format cites, as Gemini says it: the `groundingMetadata` of a candidate.

Rules:
- A link is a chunk `web`, once however often it is cited. What names no link (a passage of a document) has no place.
- A support names the words a link stands behind, by bytes of UTF-8: those a vendor gave the positions of, or the text
  block that a citation of Anthropic's belongs to. A link without either is a chunk alone.
- Of a stream links are kept, at most CITED_MAX, and no text: its positions count all of the answer's text, and those
  of characters are told as far as the text before them was ASCII.

Source: the Gemini API reference, `GroundingMetadata`.

Not here: what vendors call a citation (links.py), Gemini's own (the answer's `extra`).
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from gateway.wire.json import JsonInvalid, loads
from gateway.wire.links import URL_CITATION, link_of
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2, types_pb2

CITED_MAX: Final = 1000
_DEPTH_MAX: Final = 1000


class Cited(NamedTuple):
    """A link, and the words it stands behind if they are known: bytes of a part."""

    link: JsonObject
    part: int = 0
    start: int = 0
    end: int = 0
    words: str = ""


def of_choice(choice: chat_pb2.Choice, parts: Iterable[types_pb2.Block]) -> JsonObject:
    """Of a whole answer, whose blocks are these parts; empty when it cites no link.

    Raises JsonInvalid for a JSON text in the message that is none.
    """
    placed = list(enumerate(parts))
    found: list[Cited] = []
    for part, block in placed:
        for item in _listed(block.citations_json):
            found += _cited(item, part, block.text)
    texts = [(part, block.text) for part, block in placed if block.HasField("text")]
    part, words = texts[0] if len(texts) == 1 else (0, "")
    for item in _listed(choice.message.annotations_json):
        found += _cited(item, part, words)
    return _metadata(found)


def _listed(json_text: str) -> list[Any]:
    listed = loads(json_text.encode(), depth_max=_DEPTH_MAX) if json_text else []
    return listed if type(listed) is list else []


def _cited(item: Any, part: int, words: str) -> list[Cited]:
    if (link := link_of(item)) is None:
        return []
    told = link[URL_CITATION]
    if item.get("type") != URL_CITATION:
        return [Cited(told, part, 0, len(words.encode()), words)]
    start, end = _positions(told)
    if not start < end <= len(words):
        return [Cited(told)]
    first, cited = len(words[:start].encode()), words[start:end]
    return [Cited(told, part, first, first + len(cited.encode()), cited)]


def _positions(told: JsonObject) -> tuple[int, int]:
    """The characters a link was told to stand behind; (0, 0) when it was not."""
    start, end = told.get("start_index"), told.get("end_index")
    return (start, end) if type(start) is int and type(end) is int and start >= 0 else (0, 0)


def _metadata(cited: list[Cited]) -> JsonObject:
    chunks: dict[tuple[str, str], int] = {}
    supports: dict[tuple[int, int, int], JsonObject] = {}
    for each in cited:
        url, title = each.link.get("url"), each.link.get("title")
        if type(url) is not str:
            continue
        number = chunks.setdefault((url, title if type(title) is str else ""), len(chunks))
        if each.end:
            made = {"segment": _segment(each), "groundingChunkIndices": []}
            indices = supports.setdefault((each.part, each.start, each.end), made)["groundingChunkIndices"]
            indices += [] if number in indices else [number]
    if not chunks:
        return {}
    web = [{"web": {"uri": url, **({"title": title} if title else {})}} for url, title in chunks]
    return {"groundingChunks": web, **({"groundingSupports": list(supports.values())} if supports else {})}


def _segment(cited: Cited) -> JsonObject:
    """Zeros are left out, as Google does."""
    numbers = {"partIndex": cited.part, "startIndex": cited.start}
    words = {"text": cited.words} if cited.words else {}
    return {**{name: value for name, value in numbers.items() if value}, "endIndex": cited.end, **words}


class Grounding:
    """One candidate of a stream: how much text came, and what it cites."""

    __slots__ = ("_ascii", "_block", "_bytes", "_cited", "_open", "_start")

    def __init__(self) -> None:
        self._bytes = 0
        self._ascii = 0  # of them, from the beginning
        self._block = -1  # the last one, and where its text began
        self._start = 0
        self._cited: list[Cited] = []
        self._open: list[JsonObject] = []  # links of the last block, whose text may go on

    def hear(self, words: str) -> None:
        """More text of the last block."""
        if words.isascii():
            if self._ascii == self._bytes:
                self._ascii += len(words)
            self._bytes += len(words)
        else:
            self._bytes += len(words.encode())

    def enter(self, block: int) -> None:
        """What follows is of this block."""
        if block != self._block:
            self._close()
            self._block, self._start = block, self._bytes

    def cite(self, item: Any) -> None:
        """A citation, as `link_of` reads it, at the last block."""
        link = link_of(item)
        if link is None or len(self._cited) + len(self._open) >= CITED_MAX:
            return
        if item.get("type") == URL_CITATION:
            self._cited.append(Cited(link[URL_CITATION]))
        else:
            self._open.append(link[URL_CITATION])

    def metadata(self) -> JsonObject:
        """Of the answer, which is over; empty when it cites no link."""
        self._close()
        return _metadata([self._placed(each) for each in self._cited])

    def _close(self) -> None:
        if self._open:
            self._cited += [Cited(link, 0, self._start, self._bytes) for link in self._open]
            self._open = []

    def _placed(self, cited: Cited) -> Cited:
        start, end = (0, 0) if cited.end else _positions(cited.link)
        return cited._replace(start=start, end=end) if start < end <= self._ascii else cited


def citation_in(block: chat_pb2.BlockDelta) -> Any:
    """The citation of an increment; None for JSON that is none."""
    try:
        return loads(block.citation_json.encode(), depth_max=_DEPTH_MAX)
    except JsonInvalid:
        return None
