"""Citations in typed fields say what their JSON says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.wire.citing import cite
from gateway.wire.pb import chat_pb2


def cited(note: Any) -> dict[str, Any]:
    """What the typed citation of a stream's piece says."""
    chunk = chat_pb2.ChatChunk()
    block = chunk.choices.add().delta.blocks.add()
    block.citation_json = json.dumps(note)
    cite(chunk)
    cite(chunk)
    return {field.name: value for field, value in block.citation.ListFields()}


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        (
            {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 1, "end_index": 2}},
            {"type": "url_citation", "url": "u", "title": "t", "start": 1, "end": 2},
        ),
        (
            {"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": "d",
             "start_char_index": 0, "end_char_index": 9, "file_id": None},
            {"type": "char_location", "cited_text": "c", "document_index": 0, "title": "d", "start": 0, "end": 9},
        ),
        (
            {"type": "page_location", "start_page_number": 1, "end_page_number": 2, "document_title": None},
            {"type": "page_location", "start": 1, "end": 2},
        ),
        ({"type": "x", "file_id": "f", "filename": "n"}, {"type": "x", "file_id": "f", "title": "n"}),
        ({"type": 1, "url": "\ud800", "start_index": 2**70, "end_index": True}, {}),
        ("no citation", {}),
    ],
)  # fmt: skip
def test_a_piece(note: Any, expected: dict[str, Any]) -> None:
    """OpenAI's, Anthropic's and anything else; filling twice is filling once."""
    assert cited(note) == expected


def test_a_whole_answer() -> None:
    """Of the message and of its blocks; what is no JSON is no citation."""
    response = chat_pb2.ChatResponse()
    message = response.choices.add().message
    message.annotations_json = '[{"type": "url_citation", "url": "u"}, 7]'
    message.blocks.add(text="a", citations_json='[{"type": "char_location"}, {"type": "page_location"}]')
    message.blocks.add(text="b", citations_json="{")
    for _ in range(2):
        cite(response)
        assert [citation.url for citation in message.citations] == ["u"]
        assert [[c.type for c in block.citations] for block in message.blocks] == [
            ["char_location", "page_location"],
            [],
        ]
