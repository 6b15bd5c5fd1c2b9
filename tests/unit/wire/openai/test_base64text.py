"""Base64 is taken as bytes only when the bytes give the same text again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.openai.base64text import (
    data_uri,
    guessed_media_type,
    lenient_bytes,
    packed_bytes,
    packed_text,
    split_data_uri,
)


@given(st.binary())
def test_bytes_survive(data: bytes) -> None:
    """What we write we read, as plain text and as a data: URI."""
    assert packed_bytes(packed_text(data)) == data
    assert split_data_uri(data_uri("image/png", data)) == ("image/png", data)


@given(st.text("ABab+/=09-_ \n", max_size=12))
def test_text_survives_or_is_left_alone(encoded: str) -> None:
    """No text is read as bytes that would be written differently."""
    data = packed_bytes(encoded)
    assert data is None or packed_text(data) == encoded
    found = split_data_uri(f"data:a/b;base64,{encoded}")
    assert found is None or data_uri(*found) == f"data:a/b;base64,{encoded}"


@pytest.mark.parametrize("encoded", ["AB==", "AAA", "AA\nAA", "AAAA=", "A===", "====", "AA-_", "é", "\ud800"])
def test_other_spellings_are_no_bytes(encoded: str) -> None:
    """Unused bits, missing padding, other alphabets."""
    assert packed_bytes(encoded) is None


@pytest.mark.parametrize("uri", ["data:image/png,AAAA", "data:a,b;base64,AAAA", "http://x;base64,AAAA", "data:;base64"])
def test_other_uris_stay_urls(uri: str) -> None:
    """Only base64 data: URIs are split."""
    assert split_data_uri(uri) is None


def test_media_types_may_have_parameters_or_be_empty() -> None:
    """Everything before `;base64,` belongs to the media type."""
    assert split_data_uri("data:text/plain;charset=utf-8;base64,QQ==") == ("text/plain;charset=utf-8", b"A")
    assert split_data_uri("data:;base64,") == ("", b"")


def test_sloppy_text_is_still_readable() -> None:
    """Line breaks and missing padding do not hide the data from typed callers."""
    assert lenient_bytes("QUJD\nRA") == b"ABCD"
    assert lenient_bytes("Q") is None


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        (b"\x89PNG\r\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
        (b"?", "application/octet-stream"),
    ],
)
def test_the_first_bytes_show_the_kind(start: bytes, media_type: str) -> None:
    """For images made over gRPC without a media type."""
    assert guessed_media_type(start) == media_type
