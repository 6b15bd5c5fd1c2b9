"""A chat's memory: the turns so far, the answer being received, what a typed line means.

Rules:
    - Nothing here prints, reads or connects.
    - A turn enters the history whole, question and answer together; a cancelled or failed one does not.
Not here: drawing (chat_view.py), the loop (chat.py).
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.client import (
    ChatChunk,
    Message,
    Usage,
    finish_reason_of,
    message,
    reasoning_of,
    refusal_of,
    text_of,
    tool_deltas_of,
)
from gateway.client.content import messages_from
from gateway.client.requests import SamplingFields

COMMANDS = {
    "/help": "this list",
    "/model NAME": "switch to another model; without NAME, say which one answers",
    "/models": "the models this key may use",
    "/system TEXT": "set the system prompt; without TEXT, show it; - removes it",
    "/clear": "forget the conversation",
    "/save FILE": "write the conversation as Markdown, or as JSON when FILE ends in .json",
    "/retry": "ask the last question again",
    "/quit": "leave (also Ctrl-D)",
}
_NAMES = [usage.split()[0] for usage in COMMANDS]


@dataclass(slots=True)
class ToolCall:
    """A tool call as far as it has arrived."""

    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class Answer:
    """One answer as far as it has arrived; times are seconds since the question was sent."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: dict[int, ToolCall] = field(default_factory=dict)
    model: str = ""
    provider: str = ""
    request_id: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    first_s: float | None = None
    total_s: float = 0.0

    def add(self, chunk: ChatChunk, elapsed_s: float) -> None:
        self.total_s = elapsed_s
        self.model = chunk.model or self.model
        self.usage = chunk.usage or self.usage
        self.finish_reason = finish_reason_of(chunk) or self.finish_reason
        self.text += text_of(chunk)
        self.reasoning += reasoning_of(chunk)
        self.refusal += refusal_of(chunk)
        for piece in tool_deltas_of(chunk):
            call = self.tool_calls.setdefault(piece.index or 0, ToolCall())
            call.id = piece.id or call.id
            call.name = piece.name or call.name
            call.arguments += piece.arguments or ""
        if self.first_s is None and (self.text or self.reasoning or self.refusal or self.tool_calls):
            self.first_s = elapsed_s

    def message(self) -> Message:
        """The assistant's turn, as it goes back to the model with the next question."""
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in self.tool_calls.values()
        ]
        mapping = {"role": "assistant", "content": self.text or None, "refusal": self.refusal, "tool_calls": calls}
        return messages_from(mapping)[0]

    def summary(self) -> str:
        """`model · 3 in, 4 out · first 0.21 s · 1.20 s · 42 tokens/s`, as far as known."""
        parts = [self.model, f"via {self.provider}" if self.provider else ""]
        if self.usage is not None:
            parts.append(f"{self.usage.prompt_tokens or 0} in, {self.usage.completion_tokens or 0} out")
        if self.first_s is not None:
            parts.append(f"first {self.first_s:.2f} s")
        parts.append(f"{self.total_s:.2f} s")
        if rate := self._tokens_per_s():
            parts.append(f"{rate:.0f} tokens/s")
        if self.finish_reason not in (None, "stop"):
            parts.append(f"ended by {self.finish_reason}")
        return " · ".join(part for part in parts if part)

    def _tokens_per_s(self) -> float | None:
        tokens = (self.usage.completion_tokens or 0) if self.usage else 0
        writing_s = self.total_s - (self.first_s or 0.0)
        return tokens / writing_s if tokens > 1 and writing_s > 0.1 else None

    def as_json(self) -> dict[str, Any]:
        """For `--json`: stable names, absent things left out."""
        usage = self.usage
        facts: dict[str, Any] = {
            "model": self.model,
            "text": self.text,
            "reasoning": self.reasoning,
            "refusal": self.refusal,
            "tool_calls": [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in self.tool_calls.values()],
            "finish_reason": self.finish_reason,
            "usage": usage
            and {
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "total_tokens": usage.total_tokens,
            },
            "first_s": self.first_s and round(self.first_s, 3),
            "total_s": round(self.total_s, 3),
            "provider": self.provider,
            "request_id": self.request_id,
        }
        return {name: value for name, value in facts.items() if value or name == "text"}


@dataclass(slots=True)
class Session:
    """The conversation and its settings."""

    model: str
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    turns: list[tuple[str, Answer]] = field(default_factory=list)
    last_question: str | None = None
    saved_to: set[Path] = field(default_factory=set)

    def messages(self, question: str) -> list[Message]:
        """Everything the model gets to see for `question`."""
        start = [message("system", self.system)] if self.system else []
        past = [turn for asked, answer in self.turns for turn in (message("user", asked), answer.message())]
        return [*start, *past, message("user", question)]

    def sampling(self) -> SamplingFields:
        """The settings that were given, as keywords of a call; usage is always asked for."""
        chosen: SamplingFields = {"stream_options": {"include_usage": True}}
        if self.temperature is not None:
            chosen["temperature"] = self.temperature
        if self.max_tokens is not None:
            chosen["max_tokens"] = self.max_tokens
        return chosen

    def keep(self, question: str, answer: Answer) -> None:
        self.turns.append((question, answer))

    def question_to_retry(self) -> str | None:
        """The last question; its answer, if it got one, leaves the history."""
        if self.turns and self.turns[-1][0] == self.last_question:
            self.turns.pop()
        return self.last_question

    def save(self, path: Path) -> None:
        """Write the conversation. FileExistsError for a file this session did not write."""
        path = path.expanduser().resolve()
        text = self.as_json_text() if path.suffix == ".json" else self.as_markdown()
        with path.open("w" if path in self.saved_to else "x", encoding="utf-8") as file:
            file.write(text)
        self.saved_to.add(path)

    def as_markdown(self) -> str:
        parts = [f"# Chat with {self.model}\n"]
        if self.system:
            parts.append(f"**system**\n\n{self.system}\n")
        for question, answer in self.turns:
            calls = "".join(f"\n\n`{c.name}({c.arguments})`" for c in answer.tool_calls.values())
            parts += [f"**user**\n\n{question}\n", f"**assistant**\n\n{answer.text or answer.refusal}{calls}\n"]
        return "\n".join(parts)

    def as_json_text(self) -> str:
        turns: list[dict[str, Any]] = [{"role": "system", "content": self.system}] if self.system else []
        for question, answer in self.turns:
            turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer.text}]
        return json.dumps({"model": self.model, "messages": turns}, ensure_ascii=False, indent=2) + "\n"


def parse_command(line: str) -> tuple[str, str] | None:
    """(`/name`, rest) of a command line; None for something to ask. A path such as `/etc/hosts says` is asked."""
    name, _, rest = line.strip().partition(" ")
    if not name.startswith("/") or "/" in name[1:] or "\n" in name:
        return None
    return ("/quit" if name == "/exit" else name), rest.strip()


def nearest_command(name: str) -> str | None:
    """The command that was probably meant."""
    return next(iter(difflib.get_close_matches(name, _NAMES, n=1)), None)


def completions(prefix: str) -> list[str]:
    """Commands that begin like this, for the Tab key."""
    return [name for name in _NAMES if name.startswith(prefix)] if prefix.startswith("/") else []
