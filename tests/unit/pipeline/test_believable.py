"""What a provider reports is settled up to what a call can be."""

from __future__ import annotations

from gateway.core.limits import Amounts, Limits, Scope
from gateway.observe.stages import Stages
from gateway.pipeline.progress import End, Progress
from gateway.pipeline.settle import TOKENS_MAX, _believable, settle
from gateway.rpc.contract import CHAT
from gateway.wire.pb import types_pb2
from tests.unit.pipeline.kits import bench, config_of, model, provider


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


async def test_a_bug_in_counting_keeps_nothing_reserved() -> None:
    """It is logged with the call's id; the place and the tokens are free again."""
    config = config_of({"up": provider("http://127.0.0.1:9/v1")}, {"m": model("up")})
    async with bench(config) as at:
        scope = Scope("test", Limits(tokens_per_minute=100, concurrency=1))
        reservation = await at.kit.quota.reserve((scope,), Amounts(60, 40))
        progress = Progress(request_id="req_7")
        progress.usage, progress.end, progress.is_committed = object(), End.COMPLETE, True  # type: ignore[assignment]  # a bug
        await settle(at.kit, CHAT, progress, reservation, Stages())
        assert at.is_at_rest
        (bug,) = at.log.records("bug")
        assert bug["request_id"] == "req_7"
        assert "AttributeError" in "".join(bug["traceback"])
        assert (await at.kit.quota.reserve((scope,), Amounts(60, 40))).is_open
