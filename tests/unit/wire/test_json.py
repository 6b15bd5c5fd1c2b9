"""JSON is read exactly or refused with the place and the reason."""

import json
import sys
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.wire.json import JsonInvalid, _has_long_integer, dumps, loads, text
from tests.contract.lossless import anything, nested, same, settled, spellings


@given(st.data(), anything)
def test_what_was_read_is_what_is_written(data: st.DataObject, value: Any) -> None:
    """Reading any spelling of a value, writing it and reading that gives the same values and types."""
    value = settled(value)
    read = loads(data.draw(spellings(value)))
    assert same(read, value)
    assert same(loads(dumps(read)), value)
    assert same(loads(text(read).encode()), value)


@given(st.integers(min_value=-(2**70), max_value=2**70))
@example(2**63 - 1)
@example(2**63)
@example(2**64)
@example(-(2**63) - 1)
@example(-9999999999999999999)
def test_integers_of_any_size_stay_integers(number: int) -> None:
    """Also where orjson would silently give a float, wherever the number stands."""
    for shape in ("%d", "[%d]", '{"a":%d}', '{"a": %d }', '{"1":[0.5,%d,"x"]}'):
        document = (shape % number).encode()
        assert same(loads(document), json.loads(document))
    assert dumps(number) == str(number).encode()


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**40])
def test_long_integers_are_found_wherever_they_stand(number: int) -> None:
    """The quick look takes only every so many bytes; where it begins must not matter."""
    for distance in range(20):
        document = b'["%b",%d,0]' % (b"x" * distance, number)
        assert same(loads(document), json.loads(document))
        assert _has_long_integer(document)


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(0.1234567890123456789)
@example(5e-324)
@example(-0.0)
def test_floats_keep_their_bits(number: float) -> None:
    """Long fractions are floats, not long integers."""
    assert repr(loads(repr(number).encode())) == repr(number)
    assert repr(loads(dumps([number]))[0]) == repr(number)


@pytest.mark.parametrize("digits", ["0.00123456789012345678901", "-1234567890.1234567890123456789e-5"])
def test_long_fractions_take_the_fast_path(digits: str) -> None:
    """A long run of digits after a point is read as orjson reads it."""
    assert loads(digits.encode()) == orjson.loads(digits)
    assert not _has_long_integer(digits.encode())


@pytest.mark.parametrize("digits", ["1767600000123456789", "[0.0, 18446744073709551615]", "9" * 19, '"a.b"'])
def test_ordinary_integers_take_the_fast_path(digits: str) -> None:
    """19 digits without a sign (nanoseconds, identifiers) fit 64 bits; the largest such integer is read exactly."""
    assert loads(digits.encode()) == json.loads(digits)
    assert _has_long_integer(digits.encode()) == ("18446744073709551615" in digits)


def test_halves_of_surrogate_pairs_stay() -> None:
    """A lone surrogate is kept and written escaped; a pair is one character."""
    document = b'{"\\ud800":"a\\udfff","b":"\\ud83d\\ude00"}'
    value = loads(document)
    assert value == {"\ud800": "a\udfff", "b": "😀"}
    assert dumps(value).isascii()
    assert loads(dumps(value)) == value
    assert text(value).encode() == dumps(value)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "not valid JSON: input is a zero-length, empty document (line 1, column 1)"),
        (b'{"a":1,}', "not valid JSON: trailing comma is not allowed (line 1, column 7)"),
        (b'{"a":\n nul}', "not valid JSON: invalid literal, expected 'null' (line 2, column 2)"),
        (b'{"a":NaN}', "not valid JSON: unexpected character, expected a JSON value (line 1, column 6)"),
        (b'["\\ud800",NaN]', "not valid JSON: NaN is not a JSON value"),
        (b'["\\ud800",-Infinity]', "not valid JSON: -Infinity is not a JSON value"),
        (b'["\\ud800",]', "not valid JSON: expecting value (line 1, column 11)"),
        (b"1e400", "not valid JSON: number is infinity when parsed as double (line 1, column 1)"),
        (b'["\\ud800",1e400]', "not valid JSON: a number is beyond the range of a double"),
        (b'"a\xffb"', "not valid JSON: byte 2 is not UTF-8"),
        (b'"\xed\xa0\x80"', "not valid JSON: byte 1 is not UTF-8"),
        (b'[12345678901234567890,"\xff"]', "not valid JSON: byte 23 is not UTF-8"),
        (b'"a\x01"', "not valid JSON: unexpected control character in string (line 1, column 3)"),
        (b"\xef\xbb\xbf{}", "not valid JSON: UTF-8 byte order mark (BOM) is not supported (line 1, column 1)"),
        (b"1" * 5000, "not valid JSON: an integer of 5000 digits is too long"),
        (b"[" * 100_000, "nested deeper than 1000 levels"),
        (b'"\\ud800' + b"[" * 10, "not valid JSON: unterminated string starting at (line 1, column 1)"),
        (b'["\\ud800",' + b"[" * 100_000, "nested deeper than 1000 levels"),
        (b"{'a':1}", None),
        (b"[1] x", None),
        (b'{"a":01}', None),
        (b'"\\x"', None),
    ],
)
def test_what_is_not_json_is_refused(document: bytes, message: str | None) -> None:
    """The message names the reason and the place, and quotes nothing of the document."""
    with pytest.raises(JsonInvalid) as caught:
        loads(document)
    if message is not None:
        assert str(caught.value) == message


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 30))
def test_depth_is_counted_exactly(depth: int, depth_max: int, brackets_in_text: int) -> None:
    """Nesting up to `depth_max` is read, one more is not; brackets inside strings and beside do not count."""
    document = dumps([nested(depth), "[{" * brackets_in_text, [[], {}]])
    levels = max(depth + 1, 3)
    if levels <= depth_max:
        assert loads(document, depth_max=depth_max)[0] == nested(depth)
    else:
        with pytest.raises(JsonInvalid, match=f"nested deeper than {depth_max} levels"):
            loads(document, depth_max=depth_max)


def test_depth_counts_objects_too() -> None:
    """Members of objects nest like items of lists."""
    document = b'{"a":' * 64 + b"1" + b"}" * 64
    assert loads(document)
    with pytest.raises(JsonInvalid, match="nested deeper than 64 levels"):
        loads(b"[" + document + b"]")
    assert loads(b"5", depth_max=0) == 5


def test_a_member_named_twice_counts_once() -> None:
    """The last one wins on either path."""
    assert loads(b'{"a":1,"a":2}') == {"a": 2}
    assert loads(b'{"a":1,"a":123456789012345678901}') == {"a": 123456789012345678901}


def test_deep_values_are_written() -> None:
    """Deeper than orjson writes."""
    assert loads(dumps(nested(600)), depth_max=600) == nested(600)


def test_what_json_cannot_hold_is_a_bug() -> None:
    """Values that never come from JSON raise TypeError."""
    with pytest.raises(TypeError):
        dumps({"a": object()})
    assert sys.get_int_max_str_digits() >= 4300
