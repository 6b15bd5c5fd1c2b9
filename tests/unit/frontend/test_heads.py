"""What a call says in its headers gets into a head without breaking it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.frontend.answer import header_lines, timing_line
from gateway.frontend.settings import Profile

NAMES = ("x-a", "x-gateway-provider", "x-ratelimit-limit-requests", "content-length", "bad name", "X-Upper")


def mended(value: str) -> str:
    """The value as it may be sent: visible ASCII, tab, space and Latin-1's upper half."""
    return "".join(c if c in "\t " or "!" <= c <= "~" or "\x80" <= c <= "\xff" else "?" for c in value)


def shown(name: str, profile: Profile) -> bool:
    """Whether a header of that name may be sent."""
    if name in {"content-length", "bad name", "X-Upper"}:
        return False
    is_limit = name.startswith("x-ratelimit-")
    return profile.has_gateway_headers if "gateway" in name else not is_limit or profile.rate_limit_headers != "none"


@given(
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=20)),
    st.booleans(),
    st.sampled_from(["openai", "none"]),
)
@example({"x-a": 'quote " back \\ tab \t del \x7f cr \r lf \n nul \0 é € \ud800'}, True, "openai")
@example(dict.fromkeys(NAMES, "1"), False, "none")
def test_header_lines(headers: dict[str, str], has_gateway: bool, limits: str) -> None:
    """One line for each header that may be sent, in order, whatever the values are."""
    profile = Profile(has_gateway_headers=has_gateway, rate_limit_headers=limits)
    wanted = [f"{name}: {mended(value)}\r\n" for name, value in headers.items() if shown(name, profile)]
    assert header_lines(headers, profile) == "".join(wanted)


def test_timing_line() -> None:
    """Its stages are mended as header values are."""
    assert timing_line("a;dur=1, b\r\nx: y") == "server-timing: a;dur=1, b??x: y\r\n"
