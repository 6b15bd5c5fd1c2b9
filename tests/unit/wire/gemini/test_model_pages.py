"""The list of models in pages: every model once, in order, and tokens that are none."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any

import pytest

from gateway.wire.gemini.models import PAGE_DEFAULT, PAGE_MAX, TOKEN_MAX_CHARS, encode_list
from gateway.wire.pb import models_pb2


def listed(count: int) -> models_pb2.ListModelsResponse:
    return models_pb2.ListModelsResponse(models=[models_pb2.Model(id=f"vendor/m-{at}:ü") for at in range(count)])


def pages(count: int, size: int) -> list[list[str]]:
    """The names on each page, until there is no next one."""
    found, token = [], ""
    while True:
        page: dict[str, Any] = encode_list(listed(count), size, token)
        found.append([model["name"] for model in page["models"]])
        if (token := page.get("nextPageToken", "")) == "":
            return found


@pytest.mark.parametrize(("count", "size"), [(0, 3), (1, 1), (2, 3), (3, 3), (7, 3), (7, 1), (120, 0), (2500, 9999)])
def test_every_model_is_on_one_page(count: int, size: int) -> None:
    """In order; no page is larger than asked, Google's own size or the largest; none but the only one is empty."""
    found = pages(count, size)
    assert [name for page in found for name in page] == [f"models/vendor/m-{at}:ü" for at in range(count)]
    largest = min(size or PAGE_DEFAULT, PAGE_MAX)
    assert all(len(page) == largest for page in found[:-1])
    assert 0 < len(found[-1]) <= largest or found == [[]]


def test_a_list_that_changed_goes_on_behind_the_page() -> None:
    """A new model before it is not told twice, one behind it is told."""
    token = encode_list(listed(3), 2)["nextPageToken"]
    changed = listed(4)
    changed.models.insert(0, models_pb2.Model(id="new"))
    assert [model["name"][-3] for model in encode_list(changed, 2, token)["models"]] == ["2", "3"]


@pytest.mark.parametrize("token", ["x", "!", "ü", "\ud800", "AAAA", "////", "a" * (TOKEN_MAX_CHARS + 1),
                                   urlsafe_b64encode(b"nobody").decode()])  # fmt: skip
def test_a_token_of_no_page(token: str) -> None:
    """Is told, however it is wrong."""
    with pytest.raises(ValueError, match=r".+"):
        encode_list(listed(3), 2, token)
