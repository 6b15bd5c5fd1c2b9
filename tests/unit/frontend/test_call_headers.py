"""Of a request's headers only those that are configured reach a call, bounded, and never a credential by accident."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.frontend.context import CALL_HEADER_MAX_CHARS, call_context
from gateway.frontend.settings import DEFAULT_PROFILE, Http

NAMES = ("x-region", "x-session-id", "cookie", "user-agent", "x-priority")


def passed(sent: dict[str, str], *call_headers: str) -> dict[str, str]:
    """What a call is told of these headers."""
    headers = CIMultiDictProxy(CIMultiDict(sent))
    http = Http(call_headers=call_headers)
    return dict(call_context(headers, http, DEFAULT_PROFILE, call_id="req_1", address=("127.0.0.1", 1)).headers)


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=600)), st.sets(st.sampled_from(NAMES)))
def test_only_what_is_configured_passes(sent: dict[str, str], wanted: set[str]) -> None:
    """Whatever else is sent; each is cut, and is text that the link can carry."""
    told = passed(sent, *sorted(wanted))
    assert told.keys() == sent.keys() & wanted
    assert all(len(value) <= CALL_HEADER_MAX_CHARS for value in told.values())


def test_names_are_found_in_any_case() -> None:
    """HTTP does not tell cases apart; routing sees lower case."""
    assert passed({"X-Region": "eu"}, "x-region") == {"x-region": "eu"}


def test_bytes_that_are_no_text_are_mended() -> None:
    """A header may hold any byte; the link's messages hold Unicode."""
    assert passed({"x-region": "eu\udcff"}, "x-region") == {"x-region": "eu?"}
