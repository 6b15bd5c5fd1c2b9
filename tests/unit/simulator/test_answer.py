"""What is said follows from the question, to the last token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.answer import Question, Tool, answer, check, pieces_of
from gateway.simulator.behaviour import Behaviour, parse
from gateway.simulator.reply import Refused

PLAIN = Behaviour()
HELLO = Question("hello big world", 3)


@given(st.text())
def test_pieces_join_to_the_text(text: str) -> None:
    """Cutting into tokens loses nothing but trailing space, and one piece is one word."""
    pieces = pieces_of(text)
    assert "".join(pieces) == text.rstrip() or not text.strip()
    assert all(len(piece.split()) == 1 for piece in pieces)


@given(st.text(), st.integers(0, 300))
def test_chunks_are_exactly_as_many_as_named(text: str, count: int) -> None:
    """`chunks-N` gives N pieces of one word each, and N tokens."""
    said = answer(Question(text, 1), Behaviour(chunks=count))
    assert (len(said.pieces), said.tokens, len(said.text.split())) == (count, count, count)


def test_echo_stop_and_length() -> None:
    """The text echoes; `stop` ends it before the stop text, `max_tokens` cuts it and says so."""
    assert answer(HELLO, PLAIN).text == "You said: hello big world"
    stopped = answer(Question("hello big world", 3, stop=("big",)), PLAIN)
    assert (stopped.text, stopped.finish, stopped.tokens) == ("You said: hello", "stop", 3)
    short = answer(Question("hello big world", 3, max_tokens=2), PLAIN)
    assert (short.text, short.finish, short.tokens) == ("You said:", "length", 2)


@pytest.mark.parametrize(
    ("model", "question", "names"),
    [
        ("sim", Question("x", 1, tools=(Tool("a", {}), Tool("b", {}))), ["a"]),
        ("sim-tools-3", Question("x", 1, tools=(Tool("a", {}), Tool("b", {}))), ["a", "b", "a"]),
        ("sim-tools-3", Question("x", 1, tools=(Tool("a", {}),), is_parallel=False), ["a"]),
        ("sim-tools-2", Question("x", 1), ["tool_1", "tool_2"]),
        ("sim-tools-0", Question("x", 1, tools=(Tool("a", {}),)), []),
        ("sim", Question("x", 1, tools=(Tool("a", {}),), tool_results=("7",)), []),
        ("sim", Question("x", 1, tools=(Tool("a", {}),), tool_results=("7",), must_call=True), ["a"]),
    ],
)
def test_tools(model: str, question: Question, names: list[str]) -> None:
    """Which tools are called, and how many times."""
    said = answer(question, parse(model))
    assert [tool.name for tool, _ in said.calls] == names
    assert said.finish == ("tool_calls" if names else "stop")


def test_refusals_of_a_question() -> None:
    """A context limit counts prompt tokens inclusively; prefill is refused only where it is named."""
    check(HELLO, parse("sim-context-3"))
    with pytest.raises(Refused) as caught:
        check(HELLO, parse("sim-context-2"))
    assert (caught.value.status, caught.value.code) == (400, "context_length_exceeded")
    check(Question("x", 1, is_prefilled=True), PLAIN)
    with pytest.raises(Refused):
        check(Question("x", 1, is_prefilled=True), parse("sim-noprefill"))


def test_a_begun_answer_is_gone_on_with() -> None:
    """The rest of it and nothing else; a beginning this model would not say changes nothing."""
    begun = answer(Question("hello big world", 3, is_prefilled=True, prefill="You said: hello"), PLAIN)
    assert (begun.pieces, begun.tokens) == ((" big", " world"), 2)
    other = answer(Question("hello big world", 3, is_prefilled=True, prefill="I said"), PLAIN)
    assert other.text == "You said: hello big world"
