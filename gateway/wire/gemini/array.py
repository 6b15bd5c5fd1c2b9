"""The streamed answer without `alt=sse`: one JSON array, written element by element.

Rules: `OPEN`, the elements with `BETWEEN` between them, `CLOSE`; an array without its end was cut.
Not here: what an element means (chunks.py).
"""

from typing import Final

OPEN: Final = b"["
BETWEEN: Final = b",\r\n"
CLOSE: Final = b"]\n"
