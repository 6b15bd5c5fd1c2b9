"""OpenAI's frames: a batch is written as its events are, one by one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.frontend.inference import DataFrames, Renderer
from gateway.wire.openai import chunks, completions

CHAT = b'{"id":"1","choices":[{"index":0,"delta":{"content":"x"}}]}'
TEXT = b'{"id":"1","choices":[{"index":0,"text":"x"}]}'
KINDS: dict[str, tuple[Any, type[Renderer], bytes]] = {
    "chat": (chunks.ChunkDecoder, chunks.ChunkRenderer, CHAT),
    "completion": (completions.CompletionChunkDecoder, completions.CompletionChunkRenderer, TEXT),
}


@pytest.mark.parametrize("kind", KINDS)
@given(texts=st.lists(st.one_of(st.text(), st.none()), max_size=30), data=st.data())
def test_a_batch_is_written_as_its_events_are(kind: str, texts: list[str | None], data: st.DataObject) -> None:
    """Several events at once give the bytes they give one by one; None stands for a whole chunk."""
    decoder, renderer, whole = KINDS[kind]
    chunk = decoder().decode(whole)
    events = [chunk, *(chunk if text is None else text for text in texts)]
    at_once, one_by_one = DataFrames(renderer()), DataFrames(renderer())
    cut = data.draw(st.integers(1, len(events)))
    found = at_once.frames(events[:cut]) + (at_once.frames(events[cut:]) if cut < len(events) else b"")
    assert found == b"".join([one_by_one.frames([event]) for event in events])
