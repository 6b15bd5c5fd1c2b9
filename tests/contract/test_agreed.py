"""What HTTP reads is never refused over gRPC, and what is refused says something a body could not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.agreed import first_fault
from gateway.wire.anthropic import chat as anthropic
from gateway.wire.gemini import chat as gemini
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.responses import request as responses
from tests.contract import anthropic_json, gemini_bodies, lossless
from tests.contract.lossless import settled
from tests.contract.test_lossless_responses import request as responses_body

ELSEWHERE = {"conversation", "prompt", "background", "previous_response_id"}


@settings(max_examples=200)
@given(anthropic_json.request)
def test_every_anthropic_body_agrees(body: Any) -> None:
    """Whatever its members."""
    assert first_fault(anthropic.decode_request(settled(body))) is None


@settings(max_examples=200)
@given(responses_body)
def test_every_responses_body_agrees(body: Any) -> None:
    """But for what is kept at the vendor."""
    if not ELSEWHERE & body.keys():
        assert first_fault(responses.decode_request(settled(body))) is None


@settings(max_examples=200)
@given(gemini_bodies.request)
def test_every_gemini_body_agrees(body: Any) -> None:
    """Whatever its members."""
    assert first_fault(gemini.decode_request(settled(body))) is None


def asking(dialect: str, **members: Any) -> chat_pb2.ChatRequest:
    request = chat_pb2.ChatRequest(model="m", dialect=dialect, **members)
    request.messages.add(role="user", blocks=[types_pb2.Block(text="hi")])
    return request


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (asking("cohere"), "dialect"),
        (asking("anthropic", seed=1), "seed"),
        (asking("anthropic", temperature=0.5, extra='{"temperature": 0.9}'), "temperature"),
        (asking("responses", stop=["x"]), "stop"),
        (asking("responses", extra='{"conversation": "c"}'), "conversation"),
        (asking("responses", top_p=0.5, extra='{"top_p": 0.9}'), "top_p"),
        (asking("gemini", temperature=0.5, extra='{"generationConfig": {"temperature": 0.9}}'), "temperature"),
    ],
)
def test_what_a_body_could_not_have_said(request_: chat_pb2.ChatRequest, path: str) -> None:
    """Named by the field of the request."""
    fault = first_fault(request_)
    assert fault is not None
    assert fault.path == path


@pytest.mark.parametrize("dialect", ["anthropic", "responses", "gemini", "openai", ""])
def test_plain_requests_agree(dialect: str) -> None:
    """Typed fields alone, in any dialect; and members nobody knows."""
    request = asking(dialect, temperature=0.5, top_p=0.5, extra='{"x_unknown": 1}')
    request.tools.add(type="function", function=types_pb2.FunctionTool(name="f", parameters_json="{}"))
    assert first_fault(request) is None


def test_words_in_the_extra_of_a_message_are_found() -> None:
    """They would be sent and were never counted."""
    request = asking("anthropic")
    request.messages[0].extra = '{"content": "a much longer text than the one that was counted"}'
    fault = first_fault(request)
    assert fault is not None
    assert fault.path == "messages[0]"


@given(st.sampled_from(["anthropic", "gemini", "responses"]), lossless.texts)
@settings(max_examples=50)
def test_any_text_agrees(dialect: str, text: str) -> None:
    """Texts are what they are."""
    request = asking(dialect)
    request.messages[0].blocks[0].text = text.encode("utf-8", "replace").decode()
    assert first_fault(request) is None
