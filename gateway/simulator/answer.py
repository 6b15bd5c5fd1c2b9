"""What a simulated model says to a question, whatever the wire format.

Rules:
- Deterministic: the same question and behaviour give the same answer, so that tests can predict every member.
- One token is one word (a run of non-space with the space before it); a part that is not text counts 10 tokens.
- Text echoes: `You said: <last user text>`, or `The tool said: <results>` after tool results.
- An answer that was begun (`prefill`) is gone on with: only its rest is said. Of another beginning nothing is known.
- Tools are called when the format says they must be, or may be and no tool result came last.

Not here: members and names of a wire format (openai.py and its neighbours).
"""

import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.simulator.behaviour import Behaviour
from gateway.simulator.reply import Refused
from gateway.simulator.schema import minimal_instance
from gateway.simulator.script import Turn

TOKENS_PER_PART = 10
REASONING = "The user wrote something; I will repeat it."
REFUSAL = "I cannot help with that."
_WORD = re.compile(r"\s*\S+")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of the request; `schema` None: free text input."""

    name: str
    schema: Any = None


@dataclass(frozen=True, slots=True)
class Question:
    """The part of a request that decides the answer."""

    text: str
    prompt_tokens: int
    part_count: int = 0
    tool_results: tuple[str, ...] = ()
    is_prefilled: bool = False
    prefill: str = ""
    """The beginning of the answer, when the conversation ends with it."""
    tools: tuple[Tool, ...] = ()
    may_call: bool = True
    must_call: bool = False
    is_parallel: bool = True
    shape: Any = None
    """None: text; True: any JSON object; else the JSON Schema of the content."""
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said; `finish` is stop, length, tool_calls or content_filter."""

    pieces: tuple[str, ...] = ()
    refusal: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    calls: tuple[tuple[Tool, str], ...] = ()
    finish: str = "stop"
    tokens: int = field(default=0)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def pieces_of(text: str) -> tuple[str, ...]:
    """Cut a text into its tokens; they join to the text without its trailing space."""
    return tuple(_WORD.findall(text))


def count_tokens(text: str) -> int:
    return len(text.split())


def check(question: Question, behaviour: Behaviour) -> None:
    """Raise Refused when this model does not take this question."""
    limit = behaviour.fault.context_tokens
    if limit is not None and question.prompt_tokens > limit:
        raise Refused(
            400,
            "context_length_exceeded",
            f"This model's maximum context length is {limit} tokens. However, your messages resulted in"
            f" {question.prompt_tokens} tokens. Please reduce the length of the messages.",
            "messages",
        )
    if behaviour.fault.refuses_prefill and question.is_prefilled:
        raise Refused(400, "invalid_value", "The conversation must end with a user message.", "messages")


def answer(question: Question, behaviour: Behaviour, choice: int = 0) -> Answer:
    """Return the answer of one choice."""
    reasoning = pieces_of(REASONING) if behaviour.is_reasoning else ()
    if behaviour.turn is not None:
        return _scripted(question, behaviour.turn, reasoning)
    if behaviour.is_refusal:
        refusal = pieces_of(REFUSAL)
        return Answer(refusal=refusal, reasoning=reasoning, tokens=len(refusal) + len(reasoning))
    if calls := _calls(question, behaviour):
        tokens = sum(1 + count_tokens(arguments) for _, arguments in calls) + len(reasoning)
        return Answer(calls=calls, reasoning=reasoning, finish="tool_calls", tokens=tokens)
    pieces, finish = _limited(_rest(_text(question, behaviour, choice), question.prefill), question)
    if behaviour.is_length or behaviour.is_filtered:
        finish = "length" if behaviour.is_length else "content_filter"
    return Answer(pieces=pieces, reasoning=reasoning, finish=finish, tokens=len(pieces) + len(reasoning))


def _scripted(question: Question, turn: Turn, reasoning: tuple[str, ...]) -> Answer:
    offered = {tool.name: tool for tool in question.tools}
    calls = tuple((offered[name], arguments) for name, arguments in turn.calls if name in offered)
    if calls:
        tokens = sum(1 + count_tokens(arguments) for _, arguments in calls)
        return Answer(calls=calls, reasoning=reasoning, finish="tool_calls", tokens=tokens + len(reasoning))
    pieces = pieces_of(turn.text)
    return Answer(pieces=pieces, reasoning=reasoning, tokens=len(pieces) + len(reasoning))


def _rest(pieces: tuple[str, ...], prefill: str) -> tuple[str, ...]:
    text = "".join(pieces)
    return pieces_of(text[len(prefill) :]) if prefill and text.startswith(prefill) else pieces


def _calls(question: Question, behaviour: Behaviour) -> tuple[tuple[Tool, str], ...]:
    wanted = behaviour.tools
    is_free = question.may_call and not question.tool_results and (bool(question.tools) or wanted is not None)
    if not (question.must_call or is_free):
        return ()
    tools = question.tools or tuple(Tool(f"tool_{number}", {}) for number in range(1, (wanted or 0) + 1))
    count = 1 if wanted is None else min(wanted, 128)
    if not question.is_parallel:
        count = min(count, 1)
    called = (tools[number % len(tools)] for number in range(count if tools else 0))
    return tuple((tool, _arguments(tool, question)) for tool in called)


def _arguments(tool: Tool, question: Question) -> str:
    if tool.schema is None:
        return question.text
    return orjson.dumps(minimal_instance(tool.schema)).decode()


def _text(question: Question, behaviour: Behaviour, choice: int) -> tuple[str, ...]:
    if behaviour.is_empty:
        return ()
    if question.shape is not None:
        value = {"you_said": question.text} if question.shape is True else minimal_instance(question.shape)
        return pieces_of(orjson.dumps(value).decode())
    if question.tool_results:
        text = "The tool said: " + "; ".join(question.tool_results)
    else:
        text = "You said: " + question.text
    if question.part_count:
        text += f" (with {question.part_count} more part{'s' if question.part_count > 1 else ''})"
    if choice:
        text += f" (choice {choice})"
    pieces = pieces_of(text)
    if behaviour.chunks is None:
        return pieces
    spaced = [pieces[0], *(" " + piece.lstrip() for piece in pieces[1:])]
    again = [" " + piece.lstrip() for piece in pieces]
    return tuple((spaced + again * (behaviour.chunks // len(again) + 1))[: behaviour.chunks])


def _limited(pieces: tuple[str, ...], question: Question) -> tuple[tuple[str, ...], str]:
    text = "".join(pieces) if question.stop else ""
    ends = [at for stop in question.stop if stop and (at := text.find(stop)) >= 0]
    if ends:
        pieces = pieces_of(text[: min(ends)])
    if question.max_tokens is not None and len(pieces) > question.max_tokens:
        return pieces[: question.max_tokens], "length"
    return pieces, "stop"
