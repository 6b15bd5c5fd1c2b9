"""Recorded streams of every provider: the same events however they are cut, and golden answers for every client.

How the files are laid out and written anew: golden.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.schema.upstream import NEVER_STREAMS
from gateway.providers.registry import DIALECTS
from gateway.wire.pb.chat_pb2 import ChatChunk
from gateway.wire.sse import SseParser
from tests.contract import golden
from tests.contract.golden import CLIENTS, FOLDER, Transcript, events_of, golden_of, main, shown
from tests.contract.grammar import READERS, Said

ALL = golden.transcripts()
CUTS_MAX = 120
NATIVE = {"openai": "openai", "anthropic": "anthropic", "gemini": "gemini"}
CASES = [pytest.param(each, id=each.id) for each in ALL]
# What a format says with other words, or not at all: the client's format -> transcripts that differ by design.
SPOKEN_OTHERWISE = {
    "openai-legacy_function_call": "the old calls have no id, and other formats leave out what they cannot name",
}


def outcome(transcript: Transcript, pieces: list[bytes], client: str) -> list[Any]:
    """Every event with the ids and times of this run taken out, and the failure."""
    decoder = transcript.decoder(CLIENTS[client].opened()[0])
    events, error = events_of(decoder, pieces)
    for event in events:
        if isinstance(event, ChatChunk):
            event.created = 0
            event.id = "" if event.id.startswith(("chatcmpl-", "msg_bdrk_")) else event.id
            event.extra = "" if "msg_bdrk_" in event.extra else event.extra
    failed = None if error is None else (error.kind, error.message, error.code, error.retry_after_s)
    told = decoder.usage.SerializeToString(deterministic=True) if decoder.usage is not None else None
    return [*events, failed, decoder.has_content, decoder.output_chars, decoder.is_done, told]


@pytest.mark.parametrize("transcript", CASES)
def test_cut_anywhere_it_is_the_same(transcript: Transcript) -> None:
    """One byte at a time, for clients of every format; in two pieces, cut at every place in short ones."""
    data = transcript.data()
    for client in CLIENTS:
        whole = outcome(transcript, [data], client)
        assert outcome(transcript, [data[at : at + 1] for at in range(len(data))], client) == whole, client
    whole = outcome(transcript, [data], "openai")
    for at in range(1, len(data), 1 + len(data) // CUTS_MAX):
        assert outcome(transcript, [data[:at], data[at:]], "openai") == whole, at


@given(cuts=st.lists(st.floats(0, 1), max_size=8), at=st.integers(0, len(ALL) - 1), client=st.sampled_from([*CLIENTS]))
@settings(max_examples=150, deadline=None)
def test_cut_into_any_pieces_it_is_the_same(cuts: list[float], at: int, client: str) -> None:
    """Several pieces, empty ones among them."""
    transcript = ALL[at]
    data = transcript.data()
    places = sorted(int(cut * len(data)) for cut in cuts)
    pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    assert outcome(transcript, pieces, client) == outcome(transcript, [data], client)


@pytest.mark.parametrize("transcript", CASES)
def test_every_client_gets_the_golden_answer(transcript: Transcript) -> None:
    """Byte for byte. `python -m tests.contract.golden --write` after a wanted change."""
    assert transcript.golden.exists(), "no golden file: python -m tests.contract.golden --write"
    assert golden_of(transcript).decode().split("\n") == transcript.golden.read_bytes().decode().split("\n")


@pytest.mark.parametrize("transcript", CASES)
def test_every_answer_keeps_the_grammar_of_its_format_and_says_the_same(transcript: Transcript) -> None:
    """Clients of all formats get the same text, thoughts and calls, or all of them a failure."""
    answers = {name: shown(transcript, client) for name, client in CLIENTS.items()}
    refused = {answer.partition(b"\n")[0] for answer in answers.values() if answer.startswith(b"HTTP ")}
    assert len(refused) <= 1, refused
    heard = {name: READERS[name](answer) for name, answer in answers.items() if not answer.startswith(b"HTTP ")}
    if "openai" not in heard:
        assert not heard
        return
    first = heard["openai"]
    assert len({said.is_failed for said in heard.values()}) == 1
    assert first.is_failed or not refused
    for name, said in heard.items():
        assert said.text == first.text, name
        assert first.is_failed or same_calls(said, first) or transcript.id in SPOKEN_OTHERWISE, name
        assert said.thought == first.thought, name
        assert said.is_failed or said.end, name
        if said.input_tokens is not None and first.input_tokens is not None:
            assert said.input_tokens == first.input_tokens, name
        if said.output_tokens and first.output_tokens:
            assert said.output_tokens == first.output_tokens, name


def same_calls(said: Said, first: Said) -> bool:
    """Whether two answers call the same tools; arguments that are no JSON object may be wrapped."""
    return [(name, arguments_of(words)) for name, words in said.calls] == [
        (name, arguments_of(words)) for name, words in first.calls
    ]


def arguments_of(words: str) -> Any:
    """The arguments as values; no words are no arguments, and words that are no JSON say nothing comparable."""
    try:
        said = json.loads(words) if words.strip() else {}
    except ValueError:
        return "broken"
    return "broken" if said.keys() in ({"arguments"}, {"input"}) else said


@pytest.mark.parametrize("transcript", [each for each in ALL if each.dialect in NATIVE], ids=lambda each: each.id)
def test_a_client_of_the_same_format_gets_what_the_provider_said(transcript: Transcript) -> None:
    """Every frame before a failure, in its order, with its name: as JSON values."""
    client = CLIENTS[NATIVE[transcript.dialect]]
    decoder = transcript.decoder(client.opened()[0])
    events, error = events_of(decoder, [transcript.data()])
    _, frames, _ = client.opened()
    written = b"".join(frames.frames([event]) for event in events)
    assert named(written) == named(transcript.data())[: len(events)]
    if error is None:
        assert len(events) == len(named(transcript.data()))


def named(data: bytes) -> list[tuple[str, Any]]:
    """Name and JSON of each frame but `[DONE]`."""
    parser = SseParser(1 << 20)
    found = [*parser.feed(data)]
    return [(str(each.event), json.loads(each.data)) for each in found if not each.data.startswith(b"[DONE]")]


def test_every_dialect_has_a_dozen_and_every_transcript_its_golden_file() -> None:
    """No golden file without its transcript, none of an unknown dialect; some dialects never stream."""
    streaming = set(DIALECTS) - NEVER_STREAMS
    counts = {name: sum(each.dialect == name for each in ALL) for name in streaming}
    assert all(count >= 12 for count in counts.values()), counts
    assert {each.dialect for each in ALL} == streaming
    assert set(FOLDER.glob("*/*.golden")) == {each.golden for each in ALL}


def test_a_stale_or_missing_golden_file_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m tests.contract.golden` fails on it; with --write it is made, and then nothing differs."""
    folder = tmp_path / "openai"
    folder.mkdir()
    (folder / "text.sse").write_bytes((FOLDER / "openai/text.sse").read_bytes())
    (folder / "cut.sse").write_bytes((FOLDER / "openai/cut.sse").read_bytes())
    (folder / "cut.golden").write_text("stale")
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    heard: list[str] = []
    assert main([], heard.append) == 2
    assert heard == ["openai-cut: differs", "openai-text: differs"]
    assert main(["--write"], heard.append) == 0
    assert main([], heard.append) == 0
