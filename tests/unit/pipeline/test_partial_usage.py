"""What a stream that ended early counts."""

from __future__ import annotations

import pytest

from gateway.pipeline.progress import End, Progress
from gateway.pipeline.settle import _usage
from gateway.wire.pb import types_pb2


def progress(end: End, reported: int, chars: int) -> Progress:
    """A call with a report of 10 prompt tokens and `reported` answer tokens, of which `chars` were delivered."""
    usage = types_pb2.Usage(prompt_tokens=10, completion_tokens=reported, total_tokens=10 + reported)
    made = Progress()
    made.end, made.usage, made.output_chars, made.is_committed = end, usage, chars, True
    return made


@pytest.mark.parametrize("end", [End.CUT, End.CANCELLED, End.ERROR])
def test_an_early_end_counts_what_was_delivered_when_the_report_is_behind(end: End) -> None:
    """400 characters are 100 tokens; the report at the start of the stream said 1."""
    usage = _usage(progress(end, reported=1, chars=400))
    assert (usage.completion_tokens, usage.total_tokens) == (100, 110)
    assert usage.is_partial
    assert usage.is_estimate


def test_an_early_end_keeps_a_report_that_is_ahead() -> None:
    """The provider counted more than the text shows, for example reasoning."""
    usage = _usage(progress(End.CUT, reported=300, chars=400))
    assert (usage.completion_tokens, usage.total_tokens, usage.is_estimate) == (300, 310, False)


def test_a_whole_answer_counts_what_was_reported() -> None:
    """A report of a complete answer is never changed."""
    usage = _usage(progress(End.COMPLETE, reported=1, chars=400))
    assert (usage.completion_tokens, usage.is_partial) == (1, False)
