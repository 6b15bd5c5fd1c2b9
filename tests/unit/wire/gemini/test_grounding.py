"""What answers of other formats cite, as Gemini's clients read it: chunks, and supports by bytes."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.anthropic import chat as anthropic
from gateway.wire.anthropic.canonical import Canonical
from gateway.wire.anthropic.events import EventDecoder
from gateway.wire.cohere import answers as cohere
from gateway.wire.gemini import chat as gemini
from gateway.wire.gemini.grounding import CITED_MAX
from gateway.wire.json import JsonInvalid, dumps, loads
from gateway.wire.openai import chat
from gateway.wire.openai.chunks import ChunkDecoder
from gateway.wire.pb import chat_pb2
from gateway.wire.responses import reading

URL, OTHER = "https://example.com/a", "https://example.com/b"
A, B = {"web": {"uri": URL, "title": "A"}}, {"web": {"uri": OTHER}}


def note(start: Any, end: Any, url: str = URL) -> dict[str, Any]:
    """A citation of OpenAI's chats."""
    title = {"title": "A"} if url == URL else {}
    return {"type": "url_citation", "url_citation": {"url": url, **title, "start_index": start, "end_index": end}}


def grounded(answer: Any) -> Any:
    """The groundingMetadata of the sole candidate; None without."""
    (candidate,) = gemini.encode_response(answer)["candidates"]
    return candidate.get("groundingMetadata")


def said(content: str, *notes: dict[str, Any], **members: Any) -> Any:
    """A whole answer of OpenAI's chats."""
    message = {"role": "assistant", "content": content, "annotations": list(notes), **members}
    return chat.decode_response({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


def test_positions_count_bytes() -> None:
    """The vendor's count characters; the words are told, too."""
    support = {"segment": {"startIndex": 6, "endIndex": 12, "text": "Käse"[1:] + "n!"}, "groundingChunkIndices": [0]}
    assert grounded(said("Hé, Käsen!", note(5, 10))) == {"groundingChunks": [A], "groundingSupports": [support]}


def test_a_link_is_one_chunk_however_often_it_is_cited() -> None:
    """And words that several links stand behind are one support."""
    told = grounded(said("hello world", note(0, 5), note(0, 5, OTHER), note(6, 11), note(6, 11)))
    assert told["groundingChunks"] == [A, B]
    assert [each["groundingChunkIndices"] for each in told["groundingSupports"]] == [[0, 1], [0]]
    assert [each["segment"].get("startIndex") for each in told["groundingSupports"]] == [None, 6]


@pytest.mark.parametrize(("start", "end"), [(0, 0), (3, 2), (-1, 3), (0, 99), ("0", "5"), (None, None)])
def test_positions_that_are_none_support_nothing(start: Any, end: Any) -> None:
    """The link itself is told."""
    assert grounded(said("hello", note(start, end))) == {"groundingChunks": [A]}


def test_behind_a_thought_the_part_has_a_number() -> None:
    """Parts count as they are in the candidate."""
    told = grounded(said("hello", note(0, 5), reasoning_content="hm"))
    assert told["groundingSupports"][0]["segment"] == {"partIndex": 1, "endIndex": 5, "text": "hello"}


def test_a_citation_of_anthropic_stands_at_its_block() -> None:
    """The whole block; a passage of a document names no link."""
    found = {"type": "web_search_result_location", "url": URL, "title": "A", "cited_text": "x", "encrypted_index": "e"}
    passage = {"type": "char_location", "cited_text": "y", "document_index": 0}
    texts: list[dict[str, Any]] = [
        {"type": "text", "text": "So:"},
        {"type": "text", "text": "grün", "citations": [passage, found]},
    ]
    support = {"segment": {"partIndex": 1, "endIndex": 5, "text": "grün"}, "groundingChunkIndices": [0]}
    answer = anthropic.decode_response({"content": texts})
    assert grounded(answer) == {"groundingChunks": [A], "groundingSupports": [support]}
    assert grounded(anthropic.decode_response({"content": [{**texts[1], "citations": [passage]}]})) is None


def test_cohere_and_responses() -> None:
    """Both tell positions."""
    segment = {"endIndex": 5, "text": "hello"}
    source = {"type": "document", "document": {"url": URL, "title": "A"}}
    cited = {"start": 0, "end": 5, "sources": [source]}
    body = {"message": {"content": [{"type": "text", "text": "hello you"}], "citations": [cited]}}
    assert grounded(cohere.decode_response(body))["groundingSupports"][0]["segment"] == segment
    flat = {"type": "url_citation", "url": URL, "title": "A", "start_index": 0, "end_index": 5}
    part = {"type": "output_text", "text": "hello you", "annotations": [flat]}
    answer = reading.decode_response({"output": [{"type": "message", "role": "assistant", "content": [part]}]})
    assert grounded(answer)["groundingSupports"][0]["segment"] == segment


def test_without_citations_nothing_is_said() -> None:
    """And of several texts none is guessed to be the one that positions count in."""
    assert grounded(said("hello")) is None
    two = said("hello", note(0, 5))
    two.choices[0].message.blocks.add(text="more")
    assert grounded(two) == {"groundingChunks": [A]}


def test_what_is_no_json_is_told() -> None:
    """A gRPC caller's own mistake, as for every member of that kind."""
    broken = said("hello")
    broken.choices[0].message.annotations_json = "{"
    with pytest.raises(JsonInvalid):
        gemini.encode_response(broken)


def frames(events: list[Any]) -> list[dict[str, Any]]:
    """The candidates of a stream's frames."""
    renderer = gemini.ChunkRenderer()
    told = [data for event in events for _, data in renderer.render(event)] + [data for _, data in renderer.finish()]
    return [candidate for data in told for candidate in loads(data).get("candidates", [])]


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return dumps({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def streamed(*deltas: dict[str, Any]) -> Any:
    """The groundingMetadata a stream of OpenAI's chats ends with."""
    decoder = ChunkDecoder()
    told = frames([decoder.decode(each) for each in (*map(chunk, deltas), chunk({}, "stop"))])
    assert all("groundingMetadata" not in candidate for candidate in told[:-1])
    return told[-1].get("groundingMetadata")


def test_a_stream_tells_at_its_end() -> None:
    """The positions of the whole text, however it was cut; thoughts are none of it."""
    thought = {"reasoning_content": "hmmm"}
    words = [{"content": word} for word in ("hel", "lo ", "wor", "ld")]
    told = streamed(thought, *words, {"annotations": [note(6, 11), note(0, 5, OTHER)]})
    assert told["groundingChunks"] == [A, B]
    assert [each["segment"] for each in told["groundingSupports"]] == [
        {"startIndex": 6, "endIndex": 11},
        {"endIndex": 5},
    ]
    assert streamed(*words) is None


def test_of_a_stream_characters_are_bytes_as_long_as_they_are_ascii() -> None:
    """No text is kept to count them anew."""
    told = streamed({"content": "hello "}, {"content": "grün"}, {"annotations": [note(0, 5), note(6, 10, OTHER)]})
    assert told["groundingChunks"] == [A, B]
    assert [each["groundingChunkIndices"] for each in told["groundingSupports"]] == [[0]]


def test_each_choice_has_its_own() -> None:
    """Text and links."""
    decoder = ChunkDecoder()
    data = [chunk({"content": "hello"}, index=index) for index in (0, 1)]
    data += [chunk({"annotations": [note(0, 5)]}, index=1), chunk({}, "stop"), chunk({}, "stop", 1)]
    ends = {each["index"]: each.get("groundingMetadata") for each in frames([decoder.decode(each) for each in data])}
    assert ends[0] is None
    assert (ends[1] or {})["groundingChunks"] == [A]


def test_a_stream_of_anthropic() -> None:
    """The text of the block, before the citation and behind it, in bytes of the whole text."""
    citation = {"type": "web_search_result_location", "url": URL, "title": "A", "cited_text": "x"}
    deltas: list[tuple[int, dict[str, Any]]] = [
        (0, {"type": "text_delta", "text": "Sö: "}),
        (1, {"type": "text_delta", "text": "the "}), (1, {"type": "citations_delta", "citation": citation}),
        (1, {"type": "text_delta", "text": "gra"}), (1, {"type": "text_delta", "text": "ss"}),
        (2, {"type": "text_delta", "text": "."}),
    ]  # fmt: skip
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "m", "model": "m", "usage": {}}}]
    for at, delta in deltas:
        if (at, delta.get("text", "")) in ((0, "Sö: "), (1, "the "), (2, ".")):
            events.append({"type": "content_block_start", "index": at, "content_block": {"type": "text", "text": ""}})
        events.append({"type": "content_block_delta", "index": at, "delta": delta})
    events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}})
    decoder, canonical = EventDecoder(), Canonical(0, is_usage_wanted=False)
    chunks: list[Any] = []
    for event in events:
        made = decoder.decode(dumps(event), event["type"])
        chunks += [made] if isinstance(made, str) else canonical.chunks(made)
    told = frames(chunks)[-1]["groundingMetadata"]
    assert told == {
        "groundingChunks": [A],
        "groundingSupports": [{"segment": {"startIndex": 5, "endIndex": 14}, "groundingChunkIndices": [0]}],
    }


def test_what_is_kept_is_bounded() -> None:
    """A provider cannot fill memory with links; JSON that is none is left out."""
    blocks = [
        chat_pb2.BlockDelta(citation_json=dumps(note(0, 1, f"{URL}{at}")).decode()) for at in range(CITED_MAX + 9)
    ]
    odd = [chat_pb2.BlockDelta(citation_json=each) for each in ("{", "1", "null", "{}")]
    event = chat_pb2.ChatChunk(choices=[{"delta": {"blocks": [*odd, *blocks]}, "finish_reason": "stop"}])
    (told,) = frames([event])
    assert len(told["groundingMetadata"]["groundingChunks"]) == CITED_MAX
