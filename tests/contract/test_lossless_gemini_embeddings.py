"""Gemini's embeddings in, Gemini's out: the body is the same but for the model's name, whatever it holds."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.gemini import embeddings
from gateway.wire.json import dumps, loads
from gateway.wire.openai import embeddings as openai_embeddings
from gateway.wire.pb import embeddings_pb2
from tests.contract import gemini_bodies, lossless
from tests.contract.lossless import nested, same, settled

ITEM = gemini_bodies.spelled(
    {
        "model": st.sampled_from(["models/e", "models/other", None]),
        "content": st.one_of(
            st.builds(lambda text: {"parts": [{"text": text}]}, lossless.texts),
            gemini_bodies.content,
            lossless.anything,
        ),
        "outputDimensionality": st.one_of(st.integers(-1, 3), lossless.anything),
        "taskType": lossless.texts,
        "title": lossless.anything,
    }
)
SINGLE = st.one_of(ITEM, st.dictionaries(lossless.texts, lossless.anything, max_size=3))
BATCH = st.fixed_dictionaries(
    {}, optional={"requests": st.one_of(st.lists(ITEM, max_size=3), st.lists(lossless.anything, max_size=2),
                                        lossless.anything), "brandNew": lossless.anything}
)  # fmt: skip


def through(body: Any, *, is_batch: bool) -> Any:
    """What the model `e` is sent."""
    message = embeddings.decode_request(body, is_batch=is_batch)
    received = embeddings_pb2.EmbeddingRequest.FromString(message.SerializeToString())
    assert embeddings.is_single(received) is not is_batch
    unsupported: list[str] = []
    sent = embeddings.encode_request(received, "e", unsupported)
    assert unsupported == []
    return loads(dumps(sent), depth_max=lossless.DEEP)


def renamed(item: Any) -> Any:
    """An item that names its model as it is sent."""
    return {**item, "model": "models/e"} if "model" in item else item


def is_embedding(item: Any) -> bool:
    """Whether there is something to embed; what has nothing is refused before it is sent."""
    return isinstance(item, dict) and "content" in item


def assert_identity(body: Any, *, is_batch: bool) -> None:
    wanted = body if is_batch else renamed(body)
    items = body.get("requests") if is_batch else None
    if isinstance(items, list) and all(is_embedding(item) for item in items):
        wanted = {**body, "requests": [renamed(item) for item in items]}
    sent = through(body, is_batch=is_batch)
    assert same(sent, wanted), (sent, wanted)


@settings(max_examples=300)
@given(SINGLE.map(settled))
def test_one_content_comes_back(body: Any) -> None:
    """Unknown members, nulls, both spellings, parts that are no text."""
    assert_identity(body, is_batch=False)


@settings(max_examples=300)
@given(BATCH.map(settled))
def test_a_batch_comes_back(body: Any) -> None:
    """Items that differ, and what is no batch at all."""
    assert_identity(body, is_batch=True)


def test_depth_comes_back() -> None:
    """Whatever the gateway lets in."""
    assert_identity({"content": nested(300)}, is_batch=False)
    assert_identity({"requests": [{"content": nested(300)}]}, is_batch=True)


def test_a_usual_batch_is_all_typed() -> None:
    """Nothing of what every client sends lies in `extra` or `nulls`: it is readable over gRPC."""
    content = {"parts": [{"text": "a"}]}
    items = [{"model": "models/e", "content": content, "outputDimensionality": 3} for _ in range(2)]
    assert lossless.kept_of(embeddings.decode_request({"requests": items}, is_batch=True)) == []
    assert lossless.kept_of(embeddings.decode_request({"model": "models/e", "content": content}, is_batch=False)) == []


VECTOR = st.fixed_dictionaries(
    {
        "values": st.lists(lossless.floats, min_size=1, max_size=3)
        | st.lists(st.integers(-9, 9), min_size=1, max_size=3)
    },
    optional={"statistics": lossless.anything, "brandNew": lossless.anything},
)
OTHERS = st.dictionaries(
    st.sampled_from(["usageMetadata", "usage_metadata", "brandNew", "data", "object"]), lossless.anything, max_size=3
)


@settings(max_examples=200)
@given(st.lists(VECTOR, max_size=3).map(settled), OTHERS.map(settled), st.booleans())
def test_an_answer_comes_back(vectors: list[Any], others: dict[str, Any], is_batch: bool) -> None:
    """Vectors as they were spelled, and what stands beside them; a client of another format sees the vectors only."""
    if not is_batch and not vectors:
        return
    body = {"embeddings": vectors, **others} if is_batch else {"embedding": vectors[0], **others}
    answer = embeddings.decode_response(body)
    received = embeddings_pb2.EmbeddingResponse.FromString(answer.SerializeToString())
    given_back = embeddings.encode_response(received, is_batch=is_batch)
    assert same(loads(dumps(given_back), depth_max=lossless.DEEP), body), (given_back, body)
    plain = openai_embeddings.encode_response(received)
    assert set(plain) <= {"object", "data", "usage"}
    assert all(set(item) == {"object", "index", "embedding"} for item in plain["data"])
