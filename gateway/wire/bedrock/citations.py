"""Citations of Converse in Anthropic's words.

Rules:
- A passage of a document keeps its place, which both count alike; a link is what a web search found.
- Places Anthropic has no word for (knowledge bases, search results) give none.

Not here: links for clients of other formats (gateway.wire.links).
"""

from typing import Any, Final

from gateway.wire.openai.mirror import JsonObject

_PLACES: Final = {
    "documentChar": ("char_location", "start_char_index", "end_char_index"),
    "documentPage": ("page_location", "start_page_number", "end_page_number"),
    "documentChunk": ("content_block_location", "start_block_index", "end_block_index"),
}


def anthropic_citation(citation: Any) -> JsonObject | None:
    """One citation; None where it has no place."""
    location = citation.get("location") if type(citation) is dict else None
    if type(location) is not dict:
        return None
    title, words = citation.get("title"), words_of(citation.get("sourceContent"))
    for name, (type_, start, end) in _PLACES.items():
        if type(place := location.get(name)) is dict:
            told = {"document_index": place.get("documentIndex"), "document_title": title}
            return {"type": type_, "cited_text": words, **told, start: place.get("start"), end: place.get("end")}
    web = location.get("web")
    if type(web) is not dict:
        return None
    return {
        "type": "web_search_result_location", "url": web.get("url"), "title": title, "cited_text": words,
        "encrypted_index": "",
    }  # fmt: skip


def words_of(content: Any) -> str:
    """The texts of a list of parts, as one."""
    texts = [part.get("text") for part in content if type(part) is dict] if type(content) is list else []
    return "".join([text for text in texts if isinstance(text, str)])
