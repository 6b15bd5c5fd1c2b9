"""What the fault suite calls a broken promise: a success that is none, something after an error, a silent end."""

from __future__ import annotations

import pytest

from loadtests.http1 import Answer
from loadtests.suites.faults import judge_stream, judge_whole

TEXT = b'data: {"choices": []}\n\n'
ERROR = b'data: {"error": {"message": "no"}}\n\n'
DONE = b"data: [DONE]\n\n"


def answer(body: bytes, *, status: int = 200, is_whole: bool = True) -> Answer:
    return Answer(status, body, is_chunked=False, is_whole=is_whole, seconds=0.0, first_s=None)


@pytest.mark.parametrize(
    ("body", "is_whole", "outcome", "is_broken"),
    [
        (TEXT + DONE, True, "complete", False),
        (TEXT + ERROR, True, "error event", False),
        (TEXT + ERROR, False, "error event", False),  # left without its last chunk on purpose
        (TEXT, True, "no end", True),
        (TEXT, False, "no end", True),
        (TEXT + DONE, False, "cut", True),
        (TEXT + ERROR + DONE, True, "error and done", True),
        (TEXT + DONE + ERROR, True, "error and done", True),
        (TEXT + ERROR + TEXT, True, "error event", True),
        (TEXT + DONE + TEXT, True, "complete", True),
    ],
)
def test_a_stream_ends_in_exactly_one_way(body: bytes, *, is_whole: bool, outcome: str, is_broken: bool) -> None:
    """Complete with `[DONE]` at the very end, or one error event at the very end."""
    found, broken = judge_stream(answer(body, is_whole=is_whole))
    assert (found, bool(broken)) == (outcome, is_broken)


@pytest.mark.parametrize(
    ("status", "body", "is_broken"),
    [
        (200, b'{"choices": []}', False),
        (502, b'{"error": {}}', False),
        (200, b'{"error": {}}', True),
        (502, b'{"detail": 1}', True),
        (502, b"<html>", True),
    ],
)
def test_a_whole_answer_is_a_completion_or_an_error_object(status: int, body: bytes, *, is_broken: bool) -> None:
    """Whatever the status, the body is what it says."""
    assert bool(judge_whole(answer(body, status=status))[1]) == is_broken


def test_an_answer_that_was_cut_off_is_a_broken_promise() -> None:
    """Content-length promised more."""
    assert judge_whole(answer(b'{"choices": []}', is_whole=False))[1]
