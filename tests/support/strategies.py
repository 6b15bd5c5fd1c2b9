"""Inputs that property tests of several rooms share.

Not here: values of one format (the tests of that format).
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def json_values(*, width: int, leaves: int) -> st.SearchStrategy[Any]:
    """Any JSON value: at most `width` members in a list or object, and about `leaves` scalars in all."""
    return st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**70), 2**70)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=width) | st.dictionaries(st.text(max_size=8), inner, max_size=width),
        max_leaves=leaves,
    )
