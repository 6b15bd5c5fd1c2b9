"""A secret value that cannot be printed by accident.

Rules:
    - `str`, `repr`, `format`, `json` and `pickle` see `***`, never the value; only `reveal()` gives it.
    - A secret knows where it was to come from, so "not set" can be explained without showing anything.
    - Comparison is constant-time; the hash tells nothing of the value.

Not here: resolving `{env: NAME}` and `{file: PATH}` references (config/secrets.py).
"""

import hmac
from typing import Final

HIDDEN: Final = "***"


class SecretNotSetError(LookupError):
    """`reveal()` was asked of a secret whose source held nothing; the text names the source."""


class Secret:
    """An opaque text value. `source` says in words where it came from, e.g. `environment variable OPENAI_API_KEY`."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str | None, source: str = "literal") -> None:
        self._value = value
        self.source = source

    @property
    def is_set(self) -> bool:
        """Whether there is a value to reveal."""
        return self._value is not None

    @property
    def absence(self) -> str:
        """Why there is no value, in words for the user."""
        return f"{self.source} is {'missing or empty' if self.source.startswith('file') else 'not set'}"

    def reveal(self) -> str:
        """The value itself. Raises SecretNotSetError when the source held none."""
        if self._value is None:
            raise SecretNotSetError(f"missing secret: {self.absence}")
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        if self._value is None or other._value is None:
            return self._value is other._value
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self.is_set))

    def __bool__(self) -> bool:
        return self.is_set

    def __reduce__(self) -> tuple[type["Secret"], tuple[None, str]]:
        return Secret, (None, f"{HIDDEN} ({self.source}; secrets are not pickled)")

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __dir__(self) -> list[str]:
        return ["is_set", "reveal", "source"]
