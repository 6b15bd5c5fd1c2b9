"""What people may write: emails, names, passwords, lists of models and addresses, limits. Checked before it is stored.

Rules:
    - Pure. A violation is INVALID_REQUEST that names the member (`param`) and what is allowed.
    - No control character and nothing that a database or a terminal would trip over is ever stored.
Not here:
    - Whether it exists already (the records).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from gateway.accounts.addresses import networks
from gateway.core.errors import GatewayError, Kind
from gateway.core.limits import LIMIT_NAMES

EMAIL_MAX_CHARS, NAME_MAX_CHARS, PASSWORD_MAX_CHARS = 320, 200, 256
LIST_MAX, ITEM_MAX_CHARS = 200, 300
USD_MICROS_MAX = 10**15
TIME_MAX_MS = 253_402_300_800_000  # the year 10000, which no calendar of ours can write
SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.][^@\s]{0,250}")


def wrong(param: str, words: str, code: str | None = None) -> GatewayError:
    """The failure of a member that is not as it must be."""
    return GatewayError(Kind.INVALID_REQUEST, f"`{param}` {words}.", param=param, code=code)


def email(text: str) -> str:
    """An address in the one spelling it is stored and found by: NFC, lower case."""
    plain = unicodedata.normalize("NFC", text).strip().lower()
    if len(plain) > EMAIL_MAX_CHARS or not _EMAIL.fullmatch(plain) or not _is_printable(plain):
        raise wrong("email", "must be an email address")
    return plain


def name(text: str, param: str = "name", *, is_required: bool = True) -> str:
    """A name that people gave something."""
    plain = text.strip()
    if len(plain) > NAME_MAX_CHARS or not _is_printable(plain) or (is_required and not plain):
        raise wrong(param, f"must have 1 to {NAME_MAX_CHARS} printable characters")
    return plain


def password(text: str, min_chars: int) -> str:
    """A password: any characters, long enough."""
    if not min_chars <= len(text) <= PASSWORD_MAX_CHARS:
        raise wrong("password", f"must have {min_chars} to {PASSWORD_MAX_CHARS} characters")
    return text


def slug(text: str, param: str = "id") -> str:
    """An id that people choose."""
    if not SLUG.fullmatch(text):
        raise wrong(param, "must be a-z, 0-9, - and _, at most 64 of them")
    return text


def globs(texts: Iterable[str], param: str = "allowed_models") -> list[str]:
    """Names or globs of models."""
    found = list(texts)
    if len(found) > LIST_MAX or any(not 0 < len(one) <= ITEM_MAX_CHARS or not _is_printable(one) for one in found):
        raise wrong(param, f"must be at most {LIST_MAX} model names of at most {ITEM_MAX_CHARS} characters")
    return found


def addresses(texts: Iterable[str], param: str = "allowed_ips") -> list[str]:
    """Addresses and networks, in their usual spelling."""
    found = list(texts)
    if len(found) > LIST_MAX:
        raise wrong(param, f"must be at most {LIST_MAX} addresses")
    try:
        return [str(network) for network in networks(found)]
    except ValueError:
        raise wrong(param, "must be addresses or networks such as 10.0.0.0/8") from None


def limits(given: Mapping[str, int]) -> dict[str, int]:
    """Limits by name; what is left out has none of its own."""
    for limit, value in given.items():
        if limit not in LIMIT_NAMES:
            raise wrong(f"limits.{limit[:64]}", f"is no limit; there are {', '.join(LIMIT_NAMES)}")
        if not 1 <= value < 2**53:
            raise wrong(f"limits.{limit}", "must be at least 1")
    return dict(given)


def usd_micros(amount: int, param: str, *, least: int = 1) -> int:
    """An amount of money."""
    if not least <= amount <= USD_MICROS_MAX:
        raise wrong(param, f"must be between {least} and {USD_MICROS_MAX} micro-USD")
    return amount


def role(text: str) -> str:
    """What a user may do."""
    if text not in ("user", "admin"):
        raise wrong("role", "must be user or admin")
    return text


def idempotency_key(text: str) -> str:
    """Names one change of a wallet: the same again changes nothing."""
    if not 0 < len(text) <= NAME_MAX_CHARS or not _is_printable(text):
        raise wrong("idempotency_key", f"must have 1 to {NAME_MAX_CHARS} printable characters")
    return text


def number(text: str) -> int:
    """The number within a page token."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise wrong("page_token", "is not a token of an earlier page")
    return int(text)


def _is_printable(text: str) -> bool:
    return all(char.isprintable() for char in text)
