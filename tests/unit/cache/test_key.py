"""Keys of calls: the same only for the same request of the same tenant."""

from __future__ import annotations

import itertools

from google.protobuf.message import Message

from gateway.cache.key import key_of
from gateway.rpc.contract import CHAT, EMBED, STREAM_CHAT
from gateway.wire.openai import chat, embeddings

SALT = b"s" * 32
BASE = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 1, "top_k": 1, "zz": {"b": 1}}


def request(**members: object) -> Message:
    """A chat request."""
    return chat.decode_request({**BASE, **members})


def test_everything_that_may_change_an_answer_changes_the_key() -> None:
    """Tenant, method, salt, choices, and each member of the request, images included."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    other = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAB"}}
    keys = [
        key_of(CHAT, request(), "a", SALT),
        key_of(CHAT, request(), "b", SALT),
        key_of(STREAM_CHAT, request(), "a", SALT),
        key_of(CHAT, request(), "a", b"t" * 32),
        key_of(CHAT, request(), "a", SALT, ["p/x"]),
        key_of(CHAT, request(), "a", SALT, ["p/x", "p/y"]),
        key_of(CHAT, request(model="n"), "a", SALT),
        key_of(CHAT, request(temperature=2), "a", SALT),
        key_of(CHAT, request(top_k=2), "a", SALT),
        key_of(CHAT, request(zz={"b": 2}), "a", SALT),
        key_of(CHAT, request(messages=[{"role": "user", "content": [image]}]), "a", SALT),
        key_of(CHAT, request(messages=[{"role": "user", "content": [other]}]), "a", SALT),
        key_of(EMBED, embeddings.decode_request({"model": "m", "input": "hi"}), "a", SALT),
    ]
    assert all(len(key) == 32 for key in keys)
    assert len(set(keys)) == len(keys)


def test_parts_cannot_run_into_each_other() -> None:
    """What ends one part and what begins the next are told apart: a tenant cannot spell another's key."""
    parts = [("a", b"bc"), ("ab", b"c"), ("abc", b""), ("", b"abc")]
    keys = {key_of(CHAT, request(), tenant, salt) for tenant, salt in parts}
    assert len(keys) == len(parts)


def test_order_of_members_does_not_matter() -> None:
    """Members in any order, known or not, and choices in any order."""
    keys = {
        key_of(CHAT, chat.decode_request(dict(order)), "a", SALT, choices)
        for order in itertools.permutations(BASE.items())
        for choices in (["x", "y"], ["y", "x"])
    }
    assert len(keys) == 1


def test_the_request_stays_as_it_is() -> None:
    """Making a key changes nothing of the request that is sent."""
    made, same = request(), request()
    key_of(CHAT, made, "a", SALT)
    assert made == same
