"""The chat's memory and its drawing rules, without a terminal."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.client import ChatChunk, text_of, tool_calls_of
from gateway.client.generated.gateway.v1 import BlockDelta, ChoiceDelta, Delta, ToolDelta, Usage
from gateway.commands.chat import key_from_environment
from gateway.commands.chat_session import Answer, Session, completions, nearest_command, parse_command
from gateway.commands.chat_view import printable, split_ready


@given(st.text(alphabet="ab `~\n#-1. ", max_size=80))
def test_split_loses_nothing(text: str) -> None:
    """What is ready and what is not are together the text."""
    ready, rest = split_ready(text)
    assert ready + rest == text


@example("- item\n\n", "  continued")
@given(st.text(alphabet="ab `~\n", max_size=80), st.text(alphabet="ab `~\n", max_size=20))
def test_what_is_ready_stays_ready(text: str, more: str) -> None:
    """More text never takes back what was printed: the ready part only grows."""
    assert split_ready(text + more)[0].startswith(split_ready(text)[0])


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        ("one", ""),
        ("one\n\ntwo", "one\n\n"),
        ("one\n\n```\na\n\nb", "one\n\n"),  # a blank line inside a fence ends nothing
        ("```\na\n\nb\n```\n\nend", "```\na\n\nb\n```\n\n"),
        ("- item\n\n  continued", ""),  # an indented paragraph belongs to the list item above
        ("````\n```\n\nx", ""),  # a shorter fence does not close a longer one
    ],
)
def test_split_examples(text: str, ready: str) -> None:
    """Markdown is cut where it can no longer change."""
    assert split_ready(text)[0] == ready


def test_printable_keeps_text_and_disarms_controls() -> None:
    """Escape sequences, carriage returns and C1 controls are replaced; tabs, newlines and letters stay."""
    assert printable("a\tb\nçé漢😀") == "a\tb\nçé漢😀"
    assert printable("\x1b]0;x\x07\r\x9b") == "\ufffd]0;x\ufffd\ufffd\ufffd"


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("/help", ("/help", "")),
        ("/save a file.md", ("/save", "a file.md")),
        ("/exit", ("/quit", "")),
        ("hello", None),
        ("/etc/hosts says what?", None),
        ("say /help", None),
    ],
)
def test_parse_command(line: str, parsed: tuple[str, str] | None) -> None:
    """A line is a command when its first word is a slash and a name."""
    assert parse_command(line) == parsed


def test_commands_are_completed_and_guessed() -> None:
    """Tab completes commands only; a typo finds its command."""
    assert completions("/mo") == ["/model", "/models"]
    assert completions("mo") == []
    assert nearest_command("/rety") == "/retry"
    assert nearest_command("/xyzzy") is None


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({}, None),
        ({"OPENAI_API_KEY": "gw-a.b"}, "gw-a.b"),
        ({"OPENAI_API_KEY": "sk-somebody-elses"}, None),
        ({"OPENAI_API_KEY": "gw-a.b", "GATEWAY_DEV_KEY": "gw-dev.c"}, "gw-dev.c"),
        ({"GATEWAY_DEV_KEY": "gw-dev.c", "GATEWAY_API_KEY": "gw-d.e"}, "gw-d.e"),
    ],
)
def test_key_from_environment(environ: dict[str, str], key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own variable first; a key for another vendor is never sent to the gateway."""
    for name in ("OPENAI_API_KEY", "GATEWAY_DEV_KEY", "GATEWAY_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert key_from_environment() == key


def chunk(*blocks: BlockDelta, finish: str | None = None, usage: Usage | None = None) -> ChatChunk:
    choice = ChoiceDelta(index=0, delta=Delta(blocks=list(blocks)), finish_reason=finish)
    return ChatChunk(model="m", choices=[choice], usage=usage)


def test_answer_gathers_a_tool_call() -> None:
    """Fragments of a tool call become one call, in the figures and in the turn sent back."""
    answer = Answer()
    answer.add(chunk(BlockDelta(tool=ToolDelta(index=0, id="c1", name="f", arguments='{"a"'))), 0.5)
    answer.add(chunk(BlockDelta(tool=ToolDelta(index=0, arguments=":1}")), finish="tool_calls"), 1.0)
    back = answer.message()
    assert [(c.id, c.name, c.arguments) for c in tool_calls_of(back)] == [("c1", "f", '{"a":1}')]
    assert answer.first_s == 0.5
    assert "ended by tool_calls" in answer.summary()


def test_usage_is_the_last_one_and_never_the_sum() -> None:
    """Usage is cumulative on the wire."""
    answer = Answer()
    for count in (1, 5):
        answer.add(chunk(BlockDelta(text="x"), usage=Usage(prompt_tokens=2, completion_tokens=count)), float(count))
    assert "2 in, 5 out" in answer.summary()
    assert answer.text == "xx"


def test_retry_takes_the_answered_turn_out() -> None:
    """/retry asks the last question again without its answer; a question that failed is not in the history."""
    session = Session("m", system="s")
    session.last_question = "a"
    session.keep("a", Answer(text="b"))
    assert [text_of(m) for m in session.messages("next")] == ["s", "a", "b", "next"]
    assert session.question_to_retry() == "a"
    assert session.turns == []
    session.last_question = "failed"
    assert session.question_to_retry() == "failed"
