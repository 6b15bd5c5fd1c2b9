"""The rest of an answer: whatever the cuts, the caller has the new answer exactly once; another answer is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline.attempts.delivered import Delivered
from gateway.pipeline.attempts.following import Following, Mismatch
from gateway.rpc.contract import Batch
from gateway.wire.pb import chat_pb2

MAX_BYTES = 1 << 20
Part = tuple[str, int, str]  # kind, block, text


def chunk(part: Part, id_: str = "one") -> chat_pb2.ChatChunk:
    """One increment."""
    kind, block, text = part
    delta = chat_pb2.BlockDelta(block=block)
    if kind == "tool":
        delta.tool.arguments = text
    elif kind == "call":
        delta.tool.name, delta.tool.id = text, f"{id_}-{block}"
    else:
        setattr(delta, kind, text)
    made = chat_pb2.ChatChunk(id=id_)
    made.choices.add(index=0, delta=chat_pb2.Delta(blocks=[delta]))
    return made


def finish(id_: str) -> chat_pb2.ChatChunk:
    """The end."""
    made = chat_pb2.ChatChunk(id=id_)
    made.choices.add(index=0, finish_reason="stop")
    return made


def pieces(answer: list[Part], sizes: list[int]) -> list[Part]:
    """The same answer in other increments."""
    out: list[Part] = []
    at = 0
    for kind, block, text in answer:
        if kind == "call":
            out.append((kind, block, text))
            continue
        while text:
            size = sizes[at % len(sizes)]
            at += 1
            out.append((kind, block, text[:size]))
            text = text[size:]
    return out


def joined(events: Batch) -> list[Part]:
    """What a caller makes of increments: one entry for each part, in order."""
    out: list[Part] = []
    for event in events:
        assert isinstance(event, chat_pb2.ChatChunk)
        for choice in event.choices:
            for block in choice.delta.blocks:
                kind = block.WhichOneof("kind") or ""
                if kind == "tool" and block.tool.name:
                    out.append(("call", block.block, block.tool.name))
                text = block.tool.arguments if kind == "tool" else getattr(block, kind)
                if not text:
                    continue
                if out and out[-1][:2] == (kind, block.block):
                    text = out.pop()[2] + text
                out.append((kind, block.block, text))
    return out


def numbered(parts: list[Part]) -> list[Part]:
    """Blocks by order of their first appearance: the numbers themselves are the stream's own."""
    order: dict[tuple[bool, int], int] = {}
    return [(kind, order.setdefault((kind == "text", block), len(order)), text) for kind, block, text in parts]


ANSWERS = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.just(0), st.text(min_size=1, max_size=12)),
        st.integers(1, 3).flatmap(
            lambda n: st.tuples(st.just("tool"), st.just(n), st.text(min_size=1, max_size=12))
        ),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip
SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=8)


def announced(parts: list[Part]) -> list[Part]:
    """Each call is named before its first arguments."""
    out: list[Part] = []
    for kind, block, text in parts:
        if kind == "tool" and ("call", block, "get") not in out:
            out.append(("call", block, "get"))
        out.append((kind, block, text))
    return out


@given(ANSWERS, SIZES, SIZES, st.integers(0, 60))
def test_delivered_and_rest_are_the_answer_once(
    parts: list[Part], first: list[int], second: list[int], cut: int
) -> None:
    """Wherever the first stream broke and however both were cut into increments."""
    answer = announced(parts)
    given_: Batch = [chunk(part) for part in pieces(answer, first)]
    given_ = given_[: max(1, cut % (len(given_) + 1))]
    delivered = Delivered(MAX_BYTES)
    delivered.take(given_)
    following = Following.splice(delivered)
    again: Batch = [*[chunk(part, "two") for part in pieces(answer, second)], finish("two")]
    rest = following.rest(again)
    assert numbered(joined([*given_, *rest])) == numbered(joined([chunk(part) for part in answer]))
    events = [event for event in rest if isinstance(event, chat_pb2.ChatChunk)]
    assert {event.id for event in events} == {"one"}


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_another_answer_is_refused(said: str, other: str) -> None:
    """Unless it begins with what was delivered."""
    delivered = Delivered(MAX_BYTES)
    delivered.take([chunk(("text", 0, said))])
    stream: Batch = [chunk(("text", 0, other), "two"), finish("two")] if other else [finish("two")]
    if other.startswith(said):
        assert joined(Following.splice(delivered).rest(stream)) == joined([chunk(("text", 0, other[len(said) :]))])
        return
    with pytest.raises(Mismatch):
        Following.splice(delivered).rest(stream)


def test_shorthand_counts_as_what_it_stands_for() -> None:
    """On both sides."""
    delivered = Delivered(MAX_BYTES)
    delivered.take([chunk(("text", 0, "a")), "b", "c"])
    assert delivered.text == "abc"
    rest = Following.splice(delivered).rest([chunk(("text", 0, "ab"), "two"), "cd", "e"])
    assert joined(rest) == [("text", 0, "de")]


def test_a_new_call_after_delivered_text_is_numbered_behind_it() -> None:
    """Its block is free in the caller's stream, its index counts the caller's calls."""
    delivered = Delivered(MAX_BYTES)
    delivered.take([chunk(("text", 4, "Look: "))])
    rest = Following.splice(delivered).rest(
        [chunk(("text", 0, "Look: "), "two"), chunk(("call", 1, "get"), "two"), chunk(("tool", 1, "{}"), "two")]
    )
    assert joined(rest) == [("call", 5, "get"), ("tool", 5, "{}")]


def test_what_is_kept_is_bounded() -> None:
    """Beyond it nothing is kept, and the size still counts."""
    delivered = Delivered(10)
    delivered.take([chunk(("text", 0, "x" * 8)), "y" * 8])
    assert (delivered.is_kept, delivered.answer, delivered.chars) == (False, "", 16)
