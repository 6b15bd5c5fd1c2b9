"""Citations of links in every vendor's words reach clients of other formats, whole and streamed."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.wire import links
from gateway.wire.anthropic import chat as anthropic
from gateway.wire.anthropic.rendering import EventRenderer as AnthropicRenderer
from gateway.wire.bedrock.answers import anthropic_answer
from gateway.wire.cohere import answers as cohere
from gateway.wire.cohere.events import EventDecoder as CohereDecoder
from gateway.wire.foreign import openai_response
from gateway.wire.gemini import chat as gemini
from gateway.wire.json import dumps, loads
from gateway.wire.openai import chat
from gateway.wire.openai.chunks import ChunkRenderer
from gateway.wire.pb import chat_pb2
from gateway.wire.responses import answers as responses
from gateway.wire.responses import reading
from gateway.wire.responses.events import EventRenderer as ResponsesRenderer

URL = "https://example.com/a"
PLACED = {"url": URL, "start_index": 0, "end_index": 5, "title": "A"}
NAMED = {"url": URL, "title": "A"}
SOURCE = {"type": "document", "id": "d", "document": {"url": URL, "title": "A"}}
CITATION = {"start": 0, "end": 5, "text": "hello", "sources": [SOURCE, {"type": "document", "document": {"id": "x"}}]}
NOTE = {"type": "url_citation", **PLACED}
PART = {"type": "output_text", "text": "hello", "annotations": [NOTE, {"type": "file_citation", "file_id": "f"}]}
FOUND = {"type": "web_search_result_location", "url": URL, "title": "A", "cited_text": "x", "encrypted_index": "e"}
GROUNDED = {
    "content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP", "index": 0,
    "groundingMetadata": {"groundingChunks": [{"web": {"uri": URL, "title": "A"}}, {"retrievedContext": {}}]},
}  # fmt: skip
WHOLE: dict[str, tuple[Any, dict[str, Any]]] = {
    "cohere": (
        cohere.decode_response({"message": {"content": [{"type": "text", "text": "hello"}], "citations": [CITATION]}}),
        PLACED,
    ),
    "anthropic": (
        anthropic.decode_response({"content": [{"type": "text", "text": "hello", "citations": [FOUND]}]}), NAMED
    ),
    "gemini": (gemini.decode_response({"candidates": [GROUNDED]}), NAMED),
    "responses": (
        reading.decode_response({"output": [{"type": "message", "role": "assistant", "content": [PART]}]}), PLACED
    ),
}  # fmt: skip


@pytest.mark.parametrize("vendor", WHOLE)
def test_a_whole_answer(vendor: str) -> None:
    """In the place each format has; what names no link is in none."""
    answer, link = WHOLE[vendor]
    (choice,) = chat.encode_response(openai_response(answer) if answer.dialect else answer)["choices"]
    assert choice["message"]["annotations"] == [{"type": "url_citation", "url_citation": link}]
    told = responses.encode_response(answer, responses.about({}, "x", 0))
    assert told["output"][0]["content"][0]["annotations"] == [{"type": "url_citation", **link}]
    (cited,) = anthropic.encode_response(answer)["content"][0]["citations"]
    assert (cited["type"], cited["url"], cited["title"]) == ("web_search_result_location", URL, "A")


def cohere_stream() -> list[Any]:
    """Text, and then its citation."""
    decoder = CohereDecoder(0, id_="x", model="m")
    said = {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "hello"}}}}
    cited = {"type": "citation-start", "index": 0, "delta": {"message": {"citations": CITATION}}}
    end = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}
    return [decoder.decode(dumps(event)) for event in (said, cited, end)]


def test_a_stream_for_openai() -> None:
    """An increment of `annotations`."""
    renderer = ChunkRenderer()
    chunks = [loads(renderer.render(event)) for event in cohere_stream()]
    assert chunks[1]["choices"][0]["delta"] == {"annotations": [{"type": "url_citation", "url_citation": PLACED}]}


def test_a_stream_for_responses() -> None:
    """An event of its own, and in the part when that is done."""
    renderer = ResponsesRenderer(responses.about({}, "x", 0))
    events = [(name, loads(data)) for event in cohere_stream() for name, data in renderer.render(event)]
    events += [(name, loads(data)) for name, data in renderer.finish()]
    (added,) = (event for name, event in events if name == "response.output_text.annotation.added")
    assert (added["annotation"], added["annotation_index"], added["content_index"]) == (NOTE, 0, 0)
    assert events[-1][1]["response"]["output"][0]["content"][0]["annotations"] == [NOTE]


def test_a_stream_for_anthropic() -> None:
    """Within the text it belongs to; a citation before any text is left out."""
    renderer = AnthropicRenderer()
    said, cited, end = cohere_stream()
    assert [name for name, _ in AnthropicRenderer().render(cited)] == ["message_start"]
    events = [loads(data) for event in (said, cited, end) for _, data in renderer.render(event)]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert [delta["type"] for delta in deltas] == ["text_delta", "citations_delta"]
    assert deltas[1]["citation"]["url"] == URL


@pytest.mark.parametrize(
    "extra", ['{"annotations":', '{"annotations":1}', '{"annotations":[1,{}]}', '{"x":"annotations"}']
)
def test_annotations_of_a_chunk_that_are_none(extra: str) -> None:
    """Left out."""
    assert links.annotated(chat_pb2.Delta(extra=extra)) == []


def test_annotations_of_a_chunk() -> None:
    """No typed field holds them; every other format's stream has them as its citations."""
    (block,) = links.annotated(chat_pb2.Delta(extra=dumps({"annotations": [NOTE, {"type": "file"}]}).decode()))
    assert loads(block.citation_json.encode()) == {"type": "url_citation", "url_citation": PLACED}


def test_converse() -> None:
    """Passages and links in Anthropic's words, which the table above takes further."""
    web = {"title": "A", "location": {"web": {"url": URL, "domain": "example.com"}}, "sourceContent": [{"text": "x"}]}
    char = {"title": "B", "location": {"documentChar": {"documentIndex": 1, "start": 2, "end": 3}}}
    block = {
        "citationsContent": {"content": [{"text": "hel"}, {"text": "lo"}], "citations": [web, char, {"title": "?"}]}
    }
    (made,) = anthropic_answer({"output": {"message": {"content": [block]}}}, id_="x", model="m")["content"]
    assert made["text"] == "hello"
    assert [citation["type"] for citation in made["citations"]] == ["web_search_result_location", "char_location"]
    assert made["citations"][1]["start_char_index"] == 2


@pytest.mark.parametrize(
    "odd", [None, [], {}, {"type": "url_citation", "url_citation": 1, "url": URL}, {"url": 1}, "x"]
)
def test_odd_ones_are_left_out_or_read(odd: Any) -> None:
    """Whatever a provider sends, nothing raises."""
    links.link_of(odd)
    assert links.of_cohere(odd) == []
    assert links.of_gemini({"groundingMetadata": odd, "citationMetadata": odd}) == []
    assert links.link_in("{") is None
