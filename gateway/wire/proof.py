"""Whose a proof of reasoning is: OpenAI's while it travels as the signature of thinking, others' in OpenAI's items.

Rules:
- Both are marked, so that no vendor is ever given another's proof as its own: it would refuse the whole request.
- OpenAI's is base64 as a signature, as Gemini's clients expect of one.
- Thinking without a proof is marked in OpenAI's items, too: OpenAI does not know them.

Not here: items (responses/), blocks of thinking (anthropic/).
"""

from base64 import b64decode, b64encode
from binascii import Error
from typing import Final

MARK: Final = "openai-reasoning:"
LENT: Final = "gateway-reasoning:"


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


def lent(signature: str) -> str:
    """The `encrypted_content` that stands for another vendor's signature, or for none."""
    return LENT + signature


def is_lent(encrypted: object) -> bool:
    """Whether an `encrypted_content` is one of those."""
    return isinstance(encrypted, str) and encrypted.startswith(LENT)


def signature_of(item_id: str, encrypted: str) -> str:
    """The signature of thinking for an `encrypted_content`: the one that was lent, else OpenAI's own, marked."""
    return encrypted.removeprefix(LENT) if is_lent(encrypted) else packed(item_id, encrypted)
