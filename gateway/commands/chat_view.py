"""How an answer is shown: drawn live on a terminal, as plain text in a pipe, as JSON for a program.

Rules:
    - stdout carries answers only; notes, errors and figures of a piped chat go to stderr.
    - Text from a model never reaches a terminal with control characters in it.
    - A finished paragraph is printed once and scrolls away; only the unfinished one is redrawn, so the
      cost of a redraw does not grow with the answer.
Not here: what is asked and kept (chat_session.py), the loop (chat.py).
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Protocol

from gateway.client import (
    AuthenticationError,
    DeadlineExceededError,
    ErrorKind,
    GatewayError,
    NotFoundError,
    RateLimitError,
    UnavailableError,
)
from gateway.commands.chat_session import Answer

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.live import Live

_CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")


class View(Protocol):
    """`begin`, then `show` after each chunk, then `end`; `note` and `fail` in between calls."""

    def begin(self) -> None: ...
    def show(self, answer: Answer) -> None: ...
    def end(self, answer: Answer, *, is_whole: bool) -> None: ...
    def note(self, text: str) -> None: ...
    def fail(self, error: GatewayError, hint: str) -> None: ...


def printable(text: str) -> str:
    """`text` without the control characters that could drive a terminal."""
    return text.translate(_CONTROLS)


def split_ready(text: str) -> tuple[str, str]:
    """(Markdown that can no longer change, the rest): cut at the last blank line outside a code fence.

    Not before an indented line, which belongs to the list item above, nor at the end, where one may still come.
    """
    cut, position, fence, is_after_blank = 0, 0, "", False
    for line in text.splitlines(keepends=True):
        if is_after_blank and not fence and not line[0].isspace():
            cut = position
        is_after_blank = line == "\n"
        if match := _FENCE.match(line):
            fence = _fence_after(fence, match.group(1))
        position += len(line)
    return text[:cut], text[cut:]


def _fence_after(fence: str, marks: str) -> str:
    """The open fence after a line of `marks`: only the same character, at least as long, closes one."""
    if not fence:
        return marks
    is_closed = marks[0] == fence[0] and len(marks) >= len(fence)
    return "" if is_closed else fence


def hint_for(error: GatewayError, address: str) -> str:
    """What the user can do about it; empty when the message says it already."""
    if isinstance(error, UnavailableError) and error.kind is ErrorKind.UNSPECIFIED:
        return f"Is a gateway running at {address}? Start one with `gateway serve`, or give --address HOST:PORT."
    if isinstance(error, AuthenticationError):
        return "Give --key or set GATEWAY_API_KEY; `gateway keys create` makes a key."
    if isinstance(error, NotFoundError):
        return "/models (or --model without a name that exists) shows what this key may use."
    if isinstance(error, RateLimitError) and error.retry_after_s:
        return f"Try again in {error.retry_after_s:.0f} s."
    if isinstance(error, DeadlineExceededError):
        return "A longer --timeout-s may help."
    return ""


class PlainView:
    """Text as it comes, for pipes and simple terminals."""

    def __init__(self) -> None:
        self._shown = 0
        self._clean = printable if sys.stdout.isatty() else str

    def begin(self) -> None:
        self._shown = 0

    def show(self, answer: Answer) -> None:
        self._write((answer.text or answer.refusal)[self._shown :])
        self._shown = len(answer.text or answer.refusal)

    def end(self, answer: Answer, *, is_whole: bool) -> None:
        if self._shown:
            self._write("\n")
        for call in answer.tool_calls.values():
            self._write(f"{call.name}({call.arguments})\n")
        if is_whole and sys.stderr.isatty():
            self.note(answer.summary())

    def note(self, text: str) -> None:
        print(printable(text), file=sys.stderr, flush=True)

    def fail(self, error: GatewayError, hint: str) -> None:
        self.note(f"error: {error}" + (f"\n{hint}" if hint else ""))

    def _write(self, text: str) -> None:
        print(self._clean(text), end="", flush=True)


class JsonView:
    """One JSON object per answer or error, for programs."""

    def begin(self) -> None:
        pass

    def show(self, answer: Answer) -> None:
        pass

    def end(self, answer: Answer, *, is_whole: bool) -> None:
        if is_whole:
            self._write(answer.as_json())
        elif answer.first_s is not None:
            self._write(answer.as_json() | {"is_partial": True})

    def note(self, text: str) -> None:
        print(printable(text), file=sys.stderr, flush=True)

    def fail(self, error: GatewayError, hint: str) -> None:
        about = {"param": error.param, "retry_after_s": error.retry_after_s, "request_id": error.request_id}
        found = {name: value for name, value in about.items() if value is not None}
        self._write({"error": {"reason": error.reason, "message": error.message, **found, "hint": hint}})

    def _write(self, value: object) -> None:
        print(json.dumps(value, ensure_ascii=False), flush=True)


class RichView:
    """Markdown drawn while it arrives, reasoning dimmed, tool calls and figures below."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._printed = {"reasoning": 0, "text": 0}  # characters that have scrolled away already

    def begin(self) -> None:
        from rich.live import Live
        from rich.spinner import Spinner

        self._printed = {"reasoning": 0, "text": 0}
        waiting = Spinner("dots", style="dim")
        self._live = Live(waiting, console=self._console, refresh_per_second=12, transient=True)
        self._live.start()

    def show(self, answer: Answer) -> None:
        body = answer.text or answer.refusal
        if body:
            self._settle("reasoning", answer.reasoning)
            ready, rest = split_ready(body[self._printed["text"] :])
            self._settle("text", body[: self._printed["text"] + len(ready)])
            self._draw("text", rest)
        elif answer.reasoning:
            self._draw("reasoning", answer.reasoning[self._printed["reasoning"] :])

    def end(self, answer: Answer, *, is_whole: bool) -> None:
        self._settle("reasoning", answer.reasoning)
        self._settle("text", answer.text or answer.refusal)
        if self._live is not None:
            self._live.stop()
            self._live = None
        for call in answer.tool_calls.values():
            self._console.print(f"[magenta]tool[/] [bold]{_escaped(call.name)}[/]({_escaped(call.arguments)})")
        if is_whole:
            self.note(answer.summary())
        elif answer.first_s is not None:
            self.note(f"{answer.summary()} · incomplete")

    def note(self, text: str) -> None:
        self._console.print(printable(text), style="dim", markup=False, highlight=False, soft_wrap=True)

    def fail(self, error: GatewayError, hint: str) -> None:
        self._console.print(printable(f"error: {error}"), style="red", markup=False, highlight=False, soft_wrap=True)
        if hint:
            self._console.print(hint, style="yellow", markup=False, highlight=False, soft_wrap=True)

    def _settle(self, part: str, text: str) -> None:
        """Print for good what of `text` is not printed yet."""
        fresh = text[self._printed[part] :]
        self._printed[part] = len(text)
        if fresh.strip():
            self._console.print(_rendered(part, fresh))
            self._draw(part, "")

    def _draw(self, part: str, text: str) -> None:
        if self._live is not None:
            self._live.update(_Bottom(part, text))


class _Bottom:
    """The last lines of something too tall for the screen; rich itself would show the first.

    Rendered when the screen is redrawn, not for every chunk.
    """

    def __init__(self, part: str, text: str) -> None:
        self._part = part
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        lines = console.render_lines(_rendered(self._part, self._text), options, pad=False)
        for line in lines[-max(1, console.size.height - 2) :]:
            yield from line
            yield Segment.line()


def _rendered(part: str, text: str) -> RenderableType:
    from rich.markdown import Markdown
    from rich.text import Text

    if part == "reasoning":
        return Text(printable(text).rstrip("\n"), style="dim italic")
    return Markdown(printable(text), hyperlinks=False)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(printable(text))
