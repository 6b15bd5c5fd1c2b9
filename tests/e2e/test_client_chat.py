"""`gateway chat` on a pseudo-terminal and in pipes, against a real gRPC server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.e2e.terminal import terminal
from tests.support.waiting import PATIENCE_S
from tests.unit.client.scripted import REPLY_TEXT, Scripted

PROGRAM = ["-c", "import typer; from gateway.commands.chat import command; typer.run(command)"]


async def piped(
    address: str, *options: str, stdin: str | None = "", env: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of one chat without a terminal."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *PROGRAM,
        *options,
        "--address",
        address,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | (env or {}),
    )
    out, err = await asyncio.wait_for(process.communicate(None if stdin is None else stdin.encode()), 30)
    return process.returncode or 0, out.decode(), err.decode()


async def test_piped_question_gives_the_bare_answer(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """stdin is the question; stdout is the answer and nothing else."""
    code, out, err = await piped(server[1], "-m", "plain", "--system", "be brief", "-t", "0", stdin="two\nlines\n")
    assert (code, out, err) == (0, REPLY_TEXT + "\n", "")
    request = servicer.requests[-1]
    assert [m.blocks[0].text for m in request.messages] == ["be brief", "two\nlines\n"]
    assert request.temperature == 0
    assert request.stream_options.include_usage


async def test_once_uses_the_first_chat_model(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """--once asks the given question; the model comes from the environment of the gateway, the key from ours."""
    code, out, _ = await piped(server[1], "--once", "hi", env={"GATEWAY_API_KEY": "gw-a.b"})
    assert code == 0
    assert "plain" not in out
    assert servicer.requests[-1].model == "plain"
    assert servicer.calls[-1][2]["authorization"] == "Bearer gw-a.b"


async def test_json_is_one_object(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """--json gives text, usage and times under stable names."""
    code, out, _ = await piped(server[1], "-m", "thinking", "--once", "hi", "--json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["text"], answer["reasoning"]) == (REPLY_TEXT, "let me think")
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert answer["finish_reason"] == "stop"
    assert answer["request_id"].startswith("req_")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["-m", "plain", "--key", "bad"], ["INVALID_KEY", "this key is not known", "GATEWAY_API_KEY"]),
        (["-m", "fail-RATE_LIMITED"], ["RATE_LIMITED", "Try again in 8 s"]),
        (["-m", "cut-ok"], ["STREAM_CUT", "finish_reason"]),
    ],
)
async def test_failures_say_what_to_do(
    server: tuple[Scripted, str], servicer: Scripted, options: list[str], wanted: list[str]
) -> None:
    """A failure goes to stderr with a hint; the exit code is 1."""
    code, _, err = await piped(server[1], *options, "--once", "hi")
    assert code == 1
    for part in wanted:
        assert part in err


async def test_failure_as_json(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """--json gives the failure as an object too."""
    code, out, _ = await piped(server[1], "-m", "fail-INVALID_REQUEST", "--once", "hi", "--json")
    assert code == 1
    failure = json.loads(out)["error"]  # one object: nothing had arrived
    assert (failure["reason"], failure["param"]) == ("INVALID_REQUEST", "messages[0]")


async def test_partial_answer_as_json(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """What arrived before a failure is given, marked as partial, and the failure after it."""
    code, out, _ = await piped(server[1], "-m", "cut-abort", "--once", "hi", "--json")
    partial, failure = (json.loads(line) for line in out.splitlines())
    assert (code, partial["text"], partial["is_partial"]) == (1, REPLY_TEXT, True)
    assert failure["error"]["reason"] == "STREAM_CUT"


async def test_no_server_and_nothing_to_ask() -> None:
    """No gateway: say how to start one. Empty input: exit 2, the sign of wrong usage."""
    code, _, err = await piped("127.0.0.1:1", "-m", "plain", "--once", "hi")
    assert code == 1
    assert "127.0.0.1:1" in err
    assert "gateway serve" in err
    assert (await piped("127.0.0.1:1", stdin=" \n"))[0] == 2


# --- on a terminal -------------------------------------------------------------------------------------------------


async def test_conversation_on_a_terminal(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """Questions and answers alternate, history goes along, figures follow each answer, /quit leaves."""
    async with terminal([*PROGRAM, "--address", server[1], "-m", "turns"], {}) as screen:
        await screen.expect("turns at 127.0.0.1")
        await screen.answer_prompt("first\r")
        await screen.expect("turn 1: first")
        await screen.expect("3 in, 4 out")
        await screen.answer_prompt("second \\\r")
        await screen.expect("… ")
        screen.send("half\r")
        await screen.expect("turn 3: second half")
        await screen.expect("3 in, 4 out")
        await screen.answer_prompt("/system be brief\r")
        await screen.expect("system: be brief")
        await screen.answer_prompt("/retry\r")
        await screen.expect("turn 4: second half")
        await screen.expect("3 in, 4 out")
        await screen.answer_prompt("/clear\r")
        await screen.expect("forgotten")
        await screen.answer_prompt('"""one\rtwo"""\r')
        await screen.expect("turn 2: one")
        await screen.expect("3 in, 4 out")
        await screen.answer_prompt("/quit\r")
        assert await screen.exit_code() == 0
    assert servicer.requests[-1].messages[-1].blocks[0].text == "one\ntwo"


async def test_commands_on_a_terminal(server: tuple[Scripted, str], servicer: Scripted, tmp_path: Path) -> None:
    """Models, a typo in a command, saving once and refusing to overwrite a stranger's file."""
    (tmp_path / "other.md").write_text("precious")
    async with terminal([*PROGRAM, "--address", server[1]], {}) as screen:
        await screen.expect("plain at")
        await screen.answer_prompt("/models\r")
        await screen.expect("* plain")
        await screen.expect("thinking")
        await screen.answer_prompt("/modle thinking\r")
        await screen.expect("did you mean /model?")
        await screen.answer_prompt("/model thinking\r")
        await screen.expect("model: thinking")
        await screen.answer_prompt("hi\r")
        await screen.expect("let me think")
        await screen.expect("Hello there")
        await screen.expect("3 in, 4 out")
        await screen.answer_prompt(f"/save {tmp_path}/chat.json\r")
        await screen.expect("saved 1 turns")
        await screen.answer_prompt(f"/save {tmp_path}/chat.json\r")
        await screen.expect("saved 1 turns")
        await screen.answer_prompt(f"/save {tmp_path}/other.md\r")
        await screen.expect("exists and is not of this chat")
        await screen.answer_prompt("/model tools\r")
        await screen.answer_prompt("weather?\r")
        await screen.expect('tool get_weather({"city":"Paris"})')
        await screen.answer_prompt("\x04")
        assert await screen.exit_code() == 0
    saved = json.loads((tmp_path / "chat.json").read_text())
    assert saved["messages"][-1] == {"role": "assistant", "content": REPLY_TEXT}
    assert (tmp_path / "other.md").read_text() == "precious"


async def test_ctrl_c_ends_the_answer_and_not_the_program(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """The call is cancelled at the server; the next question is answered in the same session."""
    async with terminal([*PROGRAM, "--address", server[1], "-m", "slow-end"], {}) as screen:
        await screen.expect("slow-end at")
        await screen.answer_prompt("hi\r")
        await screen.expect("Hello there")
        await asyncio.wait_for(servicer.started.wait(), PATIENCE_S)
        screen.send("\x03")
        await screen.expect("cancelled; /retry asks again")
        await asyncio.wait_for(servicer.cancelled.wait(), PATIENCE_S)
        await screen.answer_prompt("half a thought")
        await screen.expect("half a thought")
        await screen.interrupt_prompt("/quit or Ctrl-D leaves")
        await screen.answer_prompt("/model turns\r")
        await screen.answer_prompt("/retry\r")
        await screen.expect("turn 1: hi")
        await screen.answer_prompt("/quit\r")
        assert await screen.exit_code() == 0


async def test_long_answer_is_printed_whole_once(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """An answer taller than the screen scrolls away complete, every paragraph once."""
    async with terminal([*PROGRAM, "--address", server[1], "-m", "wordy"], {}, lines=10) as screen:
        await screen.expect("wordy at")
        await screen.answer_prompt("hi\r")
        await screen.expect("3 in, 4 out")
        await screen.answer_prompt("/quit\r")
        await screen.exit_code()
        lines = [line.strip() for line in screen.text.splitlines()]
        assert [n for n in range(1, 61) if f"paragraph {n}" not in lines] == []


async def test_model_cannot_drive_the_terminal(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """Control characters of an answer are replaced before they reach the terminal."""
    async with terminal([*PROGRAM, "--address", server[1], "-m", "turns"], {}) as screen:
        await screen.expect("turns at")
        await screen.answer_prompt("evil\x16\x1b]0;owned\x16\x07\r")  # Ctrl-V quotes the next key for readline
        await screen.expect("turn 1: evil")
        await screen.expect("3 in, 4 out")
        assert "\x1b" in servicer.requests[-1].messages[-1].blocks[0].text
        assert "\N{REPLACEMENT CHARACTER}]0;owned" in screen.text
        await screen.answer_prompt("/quit\r")
        await screen.exit_code()


async def test_failure_on_a_terminal_keeps_the_session(server: tuple[Scripted, str], servicer: Scripted) -> None:
    """A failed question says so with its hint; the next one works and does not carry the failed one along."""
    async with terminal([*PROGRAM, "--address", server[1], "-m", "fail-RATE_LIMITED"], {}) as screen:
        await screen.expect("fail-RATE_LIMITED at")
        await screen.answer_prompt("hi\r")
        await screen.expect("error: RATE_LIMITED: scripted failure")
        await screen.expect("Try again in 8 s.")
        await screen.answer_prompt("/model turns\r")
        await screen.answer_prompt("then\r")
        await screen.expect("turn 1: then")
        await screen.answer_prompt("/quit\r")
        assert await screen.exit_code() == 0
