"""The proof of OpenAI's reasoning while it travels as the signature of thinking in other formats.

Rules:
- It is marked, so that no other vendor's signature is ever given to OpenAI as its own.
- It is base64, as Gemini's clients expect of a signature.

Not here: items (turns.py, reading.py).
"""

from base64 import b64decode, b64encode
from binascii import Error
from typing import Final

MARK: Final = "openai-reasoning:"


def packed(item_id: str, encrypted: str) -> str:
    """The signature that stands for a reasoning item and its `encrypted_content`."""
    return b64encode(f"{MARK}{item_id}:{encrypted}".encode()).decode()


def unpacked(signature: str) -> tuple[str, str] | None:
    """The id and `encrypted_content` behind a signature; None for one of another vendor."""
    try:
        plain = b64decode(signature, altchars="-_" if "-" in signature or "_" in signature else None, validate=True)
        text = plain.decode()
    except (Error, ValueError):
        return None
    if not text.startswith(MARK):
        return None
    item_id, colon, encrypted = text.removeprefix(MARK).partition(":")
    return (item_id, encrypted) if colon and encrypted else None
