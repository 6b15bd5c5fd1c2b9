"""Citations of links, as each vendor writes them, in one shape: that of OpenAI's chats.

Rules:
- A citation that names no link (a passage of a document the caller sent) has no place in other formats: None.
- Nothing is invented: positions are told where the vendor tells them.

Not here: typed citations (citing.py), where a format puts a link (its own package).
"""

from typing import Any, Final

from gateway.wire.json import JsonInvalid, loads, text
from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2

URL_CITATION: Final = "url_citation"
_DEPTH_MAX: Final = 1000


def link(url: Any, title: Any = None, start: Any = None, end: Any = None) -> JsonObject | None:
    """One link; None without an address."""
    if not is_text(url) or not url:
        return None
    told = {"url": url}
    numbers = {"start_index": start, "end_index": end}
    told |= {name: value for name, value in numbers.items() if type(value) is int}
    return {"type": URL_CITATION, URL_CITATION: {**told, **({"title": title} if is_text(title) else {})}}


def link_of(citation: Any) -> JsonObject | None:
    """The link a citation of OpenAI's formats or Anthropic's names."""
    if type(citation) is not dict:
        return None
    if citation.get("type") == URL_CITATION:
        if type(citation.get(URL_CITATION)) is dict:
            return citation
        return {"type": URL_CITATION, URL_CITATION: {name: citation[name] for name in citation if name != "type"}}
    return link(citation.get("url"), citation.get("title"))


def link_in(citation_json: str) -> JsonObject | None:
    """The link in the JSON text of a citation."""
    try:
        return link_of(loads(citation_json.encode(), depth_max=_DEPTH_MAX))
    except JsonInvalid:
        return None


def links_in(annotations_json: str) -> list[JsonObject]:
    """The links in the JSON text of a list of citations; none where it is no list."""
    try:
        listed = loads(annotations_json.encode(), depth_max=_DEPTH_MAX) if annotations_json else []
    except JsonInvalid:
        return []
    found = [link_of(each) for each in listed] if type(listed) is list else []
    return [each for each in found if each is not None]


def annotated(delta: chat_pb2.Delta) -> list[chat_pb2.BlockDelta]:
    """The links in `annotations` of a chunk of OpenAI's, which no typed field holds, as increments."""
    if '"annotations"' not in delta.extra:
        return []
    try:
        listed = loads(delta.extra.encode(), depth_max=_DEPTH_MAX).get("annotations")
    except JsonInvalid:
        return []
    found = [link_of(each) for each in listed] if type(listed) is list else []
    return [chat_pb2.BlockDelta(citation_json=text(each)) for each in found if each is not None]


def of_cohere(citations: Any) -> list[JsonObject]:
    """The links of Cohere's `citations`: a list, or the one of an event."""
    found = []
    for citation in _dicts(citations if type(citations) is list else [citations]):
        for source in _dicts(citation.get("sources")):
            held = source.get("document") or source.get("tool_output")
            held = held if type(held) is dict else {}
            found.append(link(held.get("url"), held.get("title"), citation.get("start"), citation.get("end")))
    return [each for each in found if each is not None]


def of_gemini(candidate: JsonObject) -> list[JsonObject]:
    """The links of a candidate: what its claims were grounded in, and what it recites.

    Positions are left out where they count bytes (of what was grounded).
    """
    grounding, recited = candidate.get("groundingMetadata"), candidate.get("citationMetadata")
    found = []
    for chunk in _dicts(grounding.get("groundingChunks") if type(grounding) is dict else None):
        web = chunk.get("web")
        found.append(link(web.get("uri"), web.get("title")) if type(web) is dict else None)
    sources = recited.get("citationSources") or recited.get("citations") if type(recited) is dict else None
    found += [
        link(source.get("uri"), source.get("title"), source.get("startIndex"), source.get("endIndex"))
        for source in _dicts(sources)
    ]
    return [each for each in found if each is not None]


def _dicts(value: Any) -> list[JsonObject]:
    return [each for each in value if type(each) is dict] if type(value) is list else []
