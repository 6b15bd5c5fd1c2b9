"""What of a foreign text may be shown: bounded, and no credential in it, known or guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.observe.redact import redacted

KNOWN = 'a"known/secret+of=ours'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: sk-abcDEF123.", "Incorrect API key provided: ***"),
        ("key sk-proj-ab*****cdef, see", "key ***, see"),
        ("gw-dev.secret and gw-ci.other", "*** and ***"),
        ('{"authorization": "Bearer abc.def-ghi"}', '{"authorization": "***"}'),
        ("bearer  x\\nnext", "***\\nnext"),
        ("https://host/v1?a=1&key=abcdef&b=2", "https://host/v1?a=1&***&b=2"),
        ("AIzaSyA1234567890abcdef", "***"),
        ("token eyJhbGciOi.eyJzdWIi.c2ln end", "token *** end"),
        ("risk-taking, task-oriented, desk_work", "risk-taking, task-oriented, desk_work"),
        ("the key_error of a keyless call", "the key_error of a keyless call"),
    ],
)
def test_what_has_the_shape_of_a_key_is_replaced(text: str, shown: str) -> None:
    """And the words around it stay."""
    assert redacted(text, (), 2048) == shown


@pytest.mark.parametrize("form", [KNOWN, 'a\\"known/secret+of=ours', "a%22known%2Fsecret%2Bof%3Dours"])
def test_a_known_secret_is_replaced_as_it_is_written(form: str) -> None:
    """In plain text, in JSON and in a URL."""
    assert redacted(f"it is {form}!", (KNOWN,), 2048) == "it is ***!"


def test_a_short_value_is_no_secret() -> None:
    """A configured header such as `x-tier: free` does not riddle the text."""
    assert redacted("feel free", ("free", ""), 2048) == "feel free"


@given(st.integers(0, 80), st.text(max_size=60), st.integers(1, 60))
def test_no_part_of_a_secret_is_shown_wherever_the_text_is_cut(at: int, text: str, chars_max: int) -> None:
    """A secret that crosses the end is not shown by half."""
    secret = "QQQQQQQQQQQQ"
    text = text.replace("Q", "")
    shown = redacted(text[:at] + secret + text[at:], (secret,), chars_max)
    assert "Q" not in shown
    assert len(shown) <= chars_max + 3


def test_a_longer_secret_goes_before_one_it_begins_with() -> None:
    """Its rest would be shown otherwise."""
    assert redacted("abcdefghij", ("abcdef", "abcdefghij"), 2048) == "***"
