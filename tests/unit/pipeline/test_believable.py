"""What a provider reports is settled up to what a call can be."""

from __future__ import annotations

from gateway.pipeline.settle import TOKENS_MAX, _believable
from gateway.wire.pb import types_pb2


def test_a_report_beyond_any_call_is_cut() -> None:
    """Each count by itself; the message that was reported stays as it was."""
    reported = types_pb2.Usage(prompt_tokens=9 * 10**18, completion_tokens=5, total_tokens=9 * 10**18 + 5)
    cut, *counts = _believable(reported)
    assert (cut.prompt_tokens, cut.completion_tokens, cut.total_tokens) == (TOKENS_MAX, 5, TOKENS_MAX)
    assert counts == [TOKENS_MAX, 5, TOKENS_MAX]
    assert reported.prompt_tokens == 9 * 10**18


def test_a_report_below_zero_is_none() -> None:
    """Two of them at the border would have no sum in a database, and a day's limit is such a sum."""
    cut, *counts = _believable(types_pb2.Usage(prompt_tokens=-(2**63), completion_tokens=-1, total_tokens=-(2**63)))
    assert (cut.prompt_tokens, cut.completion_tokens) == (0, 0)
    assert counts == [0, 0, -(2**63)]


def test_any_other_report_is_believed() -> None:
    """The very message, details included."""
    reported = types_pb2.Usage(prompt_tokens=TOKENS_MAX, completion_tokens=0, total_tokens=7)
    reported.prompt_tokens_details.cached_tokens = -1
    believed, *counts = _believable(reported)
    assert believed is reported
    assert counts == [TOKENS_MAX, 0, 7]
