"""Bytes inside JSON text: standard base64 and data: URIs, read only when writing them gives back the same text.

Rules:
- `packed_text(packed_bytes(text)) == text`: padding, alphabet and unused bits must be canonical; the same holds for
  `data_uri(*split_data_uri(text))`.
- Linear, and at most two copies of the data live at a time.

Not here: fetching what a URL names; nothing here looks at the network.
"""

import binascii

_MARK = ";base64,"
_SIGNATURES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF", "application/pdf"),
)


def packed_bytes(encoded: str) -> bytes | None:
    """Decode canonical base64; None if the text is anything else."""
    try:
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError:
        return None
    tail = len(data) % 3 or 3  # strict mode lets unused bits through: compare the last group
    if len(encoded) != (len(data) + 2) // 3 * 4 or (data and packed_text(data[-tail:]) != encoded[-4:]):
        return None
    return data


def lenient_bytes(encoded: str) -> bytes | None:
    """Decode what most readers accept: line breaks, missing padding; None if that fails too."""
    try:
        return binascii.a2b_base64(encoded.rstrip("=") + "==")
    except ValueError:
        return None


def packed_text(data: bytes) -> str:
    """Encode as standard base64 with padding."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def split_data_uri(uri: str) -> tuple[str, bytes] | None:
    """Split `data:<media type>;base64,<data>` into media type (may be empty, may have parameters) and bytes."""
    if not uri.startswith("data:"):
        return None
    head, mark, _encoded = uri[:256].partition(_MARK)
    if not mark or "," in head or not head.isascii() or (data := packed_bytes(uri[len(head) + len(_MARK) :])) is None:
        return None
    return head[5:], data


def data_uri(media_type: str, data: bytes) -> str:
    """The inverse of `split_data_uri`."""
    return f"data:{media_type}{_MARK}{packed_text(data)}"


def guessed_media_type(data: bytes) -> str:
    """The media type the first bytes show, for callers that name none."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for start, media_type in _SIGNATURES if data.startswith(start)), "application/octet-stream")
