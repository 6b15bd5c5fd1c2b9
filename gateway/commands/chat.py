"""`gateway chat`: talk to a model in the terminal, over gRPC.

Rules:
    - Written on the public client only; whatever works here works for any caller.
    - Ctrl-C ends the running answer, not the program; Ctrl-D and /quit leave.
    - One-shot with --once or piped input: exit 0 after a whole answer, 1 after a failure, 130 after Ctrl-C.
    - Heavy imports stand inside functions.
Not here: the conversation (chat_session.py), drawing (chat_view.py).
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.client import Client, Model
    from gateway.commands.chat_session import Session
    from gateway.commands.chat_view import View

_QUOTES = '"""'


def command(  # noqa: PLR0913, PLR0917 - one parameter per option of the command line
    model: Annotated[str | None, typer.Option("--model", "-m", help="Default: the first chat model offered.")] = None,
    system: Annotated[str | None, typer.Option("--system", "-s", help="System prompt.")] = None,
    address: Annotated[
        str | None, typer.Option("--address", "-a", help="host:port of the gRPC service. [GATEWAY_GRPC_ADDRESS]")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", "-k", help="API key. [GATEWAY_API_KEY]")] = None,
    once: Annotated[str | None, typer.Option("--once", help="Ask this and leave.")] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", "-t", min=0.0, max=2.0)] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Of one answer.")] = None,
    timeout_s: Annotated[float, typer.Option("--timeout-s", min=0.1, help="Seconds for one answer.")] = 600.0,
    is_json: Annotated[bool, typer.Option("--json", help="One JSON object per answer.")] = False,
    is_tls: Annotated[bool, typer.Option("--tls", help="Connect with TLS.")] = False,
) -> None:
    """Chat with a model: streaming, with history. Without a terminal, input is one question."""
    from gateway.client import Client, GatewayError
    from gateway.commands.chat_session import Session
    from gateway.commands.chat_view import hint_for

    key = key or key_from_environment()
    question = once if once is not None or sys.stdin.isatty() else sys.stdin.read()
    view = choose_view(is_json=is_json)
    if question is not None and not question.strip():
        raise typer.BadParameter("there is nothing to ask: the input is empty")
    try:
        client = Client(address, key=key, tls=is_tls, timeout_s=timeout_s)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    with client:
        try:
            models = client.list_models(timeout_s=10.0) if model is None or question is None else []
            session = Session(model or default_model(models), system, temperature, max_tokens)
            if question is None:
                Conversation(client, session, view, models).run()
            else:
                is_whole = ask(client, session, view, question)
                raise typer.Exit(0 if is_whole else 1)
        except GatewayError as error:
            view.fail(error, hint_for(error, client.address))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


def key_from_environment() -> str | None:
    """A key of this gateway: GATEWAY_API_KEY, GATEWAY_DEV_KEY, or OPENAI_API_KEY when a gateway made it."""
    openai_key = os.environ.get("OPENAI_API_KEY", "")  # somebody else's key is nobody's business here
    ours = openai_key if openai_key.startswith("gw-") else None
    return os.environ.get("GATEWAY_API_KEY") or os.environ.get("GATEWAY_DEV_KEY") or ours


def choose_view(*, is_json: bool) -> View:
    """Drawn on a capable terminal, plain otherwise."""
    from gateway.commands.chat_view import JsonView, PlainView, RichView

    if is_json:
        return JsonView()
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return PlainView()
    from rich.console import Console

    return RichView(Console(highlight=False))


def default_model(models: list[Model]) -> str:
    """The first model that chats; models that do not say what they can do are trusted."""
    for model in models:
        if not model.capabilities or "chat" in model.capabilities:
            return model.id
    raise typer.BadParameter("the gateway offers this key no chat model; give --model")


def ask(client: Client, session: Session, view: View, question: str) -> bool:
    """Ask, show, and keep the turn when the answer is whole. KeyboardInterrupt cancels the call and goes on up."""
    from gateway.client import GatewayError
    from gateway.commands.chat_session import Answer
    from gateway.commands.chat_view import hint_for

    session.last_question = question
    answer, failure, is_whole = Answer(model=session.model), None, False
    started_s = time.monotonic()
    stream = client.stream_chat(model=session.model, messages=session.messages(question), **session.sampling())
    answer.request_id = stream.request_id
    view.begin()
    try:
        for chunk in stream:
            answer.add(chunk, time.monotonic() - started_s)
            view.show(answer)
        is_whole = True
    except GatewayError as error:
        failure = error
    finally:
        stream.close()
        answer.provider = stream.headers.get("x-gateway-provider", "")
        view.end(answer, is_whole=is_whole)
    if failure is not None:
        view.fail(failure, hint_for(failure, client.address))
        return False
    session.keep(question, answer)
    return True


class Conversation:
    """The loop of an interactive chat."""

    def __init__(self, client: Client, session: Session, view: View, models: list[Model]) -> None:
        self._client = client
        self._session = session
        self._view = view
        self._models = models
        self._commands: dict[str, Callable[[str], None]] = {
            "/help": self._help,
            "/model": self._model,
            "/models": self._list_models,
            "/system": self._system,
            "/clear": self._clear,
            "/save": self._save,
            "/retry": self._retry,
        }

    def run(self) -> None:
        """Until Ctrl-D or /quit."""
        from gateway.commands.chat_session import parse_command

        prepare_line_editing()
        self._view.note(f"{self._session.model} at {self._client.address} · /help lists the commands")
        while True:
            try:
                line = read_question()
            except EOFError:
                self._view.note("")
                return
            except KeyboardInterrupt:
                self._view.note("\n/quit or Ctrl-D leaves")
                continue
            command = parse_command(line)
            if command is None:
                self._ask(line)
            elif command[0] == "/quit":
                return
            else:
                self._obey(*command)

    def _ask(self, question: str) -> None:
        if not question.strip():
            return
        try:
            ask(self._client, self._session, self._view, question)
        except KeyboardInterrupt:
            self._view.note("cancelled; /retry asks again")

    def _obey(self, name: str, rest: str) -> None:
        from gateway.client import GatewayError
        from gateway.commands.chat_session import nearest_command
        from gateway.commands.chat_view import hint_for

        run = self._commands.get(name)
        if run is None:
            nearest = nearest_command(name)
            meant = f"; did you mean {nearest}?" if nearest else "; /help lists the commands"
            self._view.note(f"no command {name}{meant}")
            return
        try:
            run(rest)
        except GatewayError as error:
            self._view.fail(error, hint_for(error, self._client.address))

    def _help(self, rest: str) -> None:
        from gateway.commands.chat_session import COMMANDS

        for usage, meaning in COMMANDS.items():
            self._view.note(f"{usage:<14} {meaning}")
        self._view.note(f"A line that ends in \\ continues; {_QUOTES} begins and ends a question of several lines.")

    def _model(self, rest: str) -> None:
        known = [model.id for model in self._models]
        if rest:
            self._session.model = rest
        unlisted = "" if not rest or rest in known else " (not among /models; the gateway may know it all the same)"
        self._view.note(f"model: {self._session.model}{unlisted}")

    def _list_models(self, rest: str) -> None:
        self._models = self._client.list_models(timeout_s=10.0)
        for model in self._models:
            mark = "*" if model.id == self._session.model else " "
            window = f"{model.context_window} tokens" if model.context_window else ""
            self._view.note(f"{mark} {model.id:<32} {window:<16} {', '.join(model.capabilities)}")

    def _system(self, rest: str) -> None:
        if rest:
            self._session.system = None if rest == "-" else rest
        self._view.note(f"system: {self._session.system or '(none)'}")

    def _clear(self, rest: str) -> None:
        self._session.turns.clear()
        self._session.last_question = None
        self._view.note("forgotten")

    def _save(self, rest: str) -> None:
        if not rest:
            self._view.note("/save FILE: say where")
            return
        try:
            self._session.save(Path(rest))
            self._view.note(f"saved {len(self._session.turns)} turns to {rest}")
        except FileExistsError:
            self._view.note(f"{rest} exists and is not of this chat: choose another name")
        except OSError as error:
            self._view.note(f"cannot write {rest}: {error.strerror}")

    def _retry(self, rest: str) -> None:
        question = self._session.question_to_retry()
        if question is None:
            self._view.note("nothing was asked yet")
        else:
            self._ask(question)


def prepare_line_editing() -> None:
    """Arrow keys, history and Tab for commands, where Python has readline."""
    with contextlib.suppress(ImportError):
        import readline

        from gateway.commands.chat_session import completions

        readline.set_completer(lambda text, state: dict(enumerate(completions(text))).get(state))
        readline.set_completer_delims(" ")
        readline.parse_and_bind("tab: complete")
        readline.parse_and_bind("set enable-bracketed-paste on")  # a pasted text of several lines is one question


def read_question() -> str:
    """One question: a line, lines joined by a trailing backslash, or a block in triple quotes."""
    line = _read_line("> ")
    if line.lstrip().startswith(_QUOTES):
        return _read_block(line.lstrip().removeprefix(_QUOTES))
    lines = [line]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1][:-1]
        lines.append(_read_line("… "))
    return "\n".join(lines)


def _read_block(first: str) -> str:
    lines = [first]
    while not lines[-1].rstrip().endswith(_QUOTES):
        lines.append(_read_line("… "))
    lines[-1] = lines[-1].rstrip().removesuffix(_QUOTES)
    return "\n".join(lines).strip("\n")


def _read_line(prompt: str) -> str:
    if not sys.stdout.isatty():  # the prompt is no part of the output
        print(prompt, end="", file=sys.stderr, flush=True)
        prompt = ""
    return input(prompt)
