"""Embeddings at Amazon Bedrock: whose body a model takes, what is in it, and the vectors read back."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.bedrock.embeddings import COHERE, TITAN, TITAN_V2, decode_response, encode_request, vendor_of
from gateway.wire.openai import embeddings

BODY: dict[str, Any] = {"model": "m", "input": "hi"}


@pytest.mark.parametrize(
    ("model", "vendor"),
    [
        ("amazon.titan-embed-text-v2:0", TITAN_V2),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v1", TITAN),
        ("amazon.titan-embed-g1-text-02", TITAN),
        ("cohere.embed-english-v3", COHERE),
        ("us.cohere.embed-v4:0", COHERE),
        ("anthropic.claude-v2", None),
        ("amazon.titan-embed-image-v1", None),
        ("cohere.command-r-v1:0", None),
    ],
)
def test_whose_body(model: str, vendor: str | None) -> None:
    """The name says it."""
    assert vendor_of(model) == vendor


def body(vendor: str, **members: Any) -> tuple[dict[str, Any], list[str]]:
    unsupported: list[str] = []
    made = encode_request(embeddings.decode_request({**BODY, **members}), vendor, unsupported)
    return made, unsupported


def test_titan() -> None:
    """One text; its own member passes, labels are left out, the rest is named."""
    assert body(TITAN_V2, input=["hi"], dimensions=256) == ({"inputText": "hi", "dimensions": 256}, [])
    assert body(TITAN_V2, normalize=False, user="u", encoding_format="base64") == (
        {"inputText": "hi", "normalize": False}, []
    )  # fmt: skip
    assert body(TITAN, dimensions=256, odd=1) == ({"inputText": "hi"}, ["odd", "dimensions"])


def test_cohere() -> None:
    """As at Cohere, but for the model, whose name is in the path."""
    expected = {"texts": ["a", "b"], "embedding_types": ["float"], "input_type": "search_query"}
    assert body(COHERE, input=["a", "b"], input_type="search_query") == (expected, [])
    assert body(COHERE, input=[1, 2])[1] == ["input"]


def test_answers() -> None:
    """Both vendors' shapes; Titan says how many tokens there were."""
    titan = decode_response({"embedding": [0.5, 1], "inputTextTokenCount": 3, "embeddingsByType": {}})
    assert (list(titan.data[0].values), titan.usage.prompt_tokens, titan.usage.total_tokens) == ([0.5, 1.0], 3, 3)
    for found in ([[1.0], [2.0]], {"float": [[1.0], [2.0]]}):
        answer = decode_response({"embeddings": found})
        assert [(each.index, list(each.values)) for each in answer.data] == [(0, [1.0]), (1, [2.0])]
        assert not answer.HasField("usage")


@pytest.mark.parametrize("odd", [{}, {"embedding": None}, {"embedding": []}, {"embedding": ["x"]}, {"embeddings": {}},
                                 {"embedding": [True]}])  # fmt: skip
def test_what_holds_no_vector(odd: dict[str, Any]) -> None:
    """Is no answer."""
    with pytest.raises(ValueError, match="embedding"):
        decode_response(odd)


@pytest.mark.parametrize("count", [None, -1, "3", 2**70, True])
def test_counts_that_are_none(count: Any) -> None:
    """Are left out, so that they are estimated."""
    assert not decode_response({"embedding": [1.0], "inputTextTokenCount": count}).HasField("usage")
