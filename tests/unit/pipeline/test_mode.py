"""In which mode a call is processed: every format's word is found, and only where it is the provider's."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.catalogue import Deployment
from gateway.core.modes import STANDARD
from gateway.pipeline.mode import final_mode, modes_asked, told
from gateway.pipeline.progress import Progress
from gateway.routing.plan import Plan
from gateway.rpc.contract import Event, Raw
from gateway.wire.pb import chat_pb2, embeddings_pb2, types_pb2
from tests.unit.pipeline.kits import entry_of, provider


def progress_of(asked: str, *candidates: dict[str, Any], dialect: str = "openai") -> Progress:
    """A call of a model with these candidates, tried at the first."""
    listed = [{"provider": "p", **candidate} for candidate in candidates or ({},)]
    entry = entry_of({"p": provider("http://127.0.0.1:9/v1", dialect=dialect)}, candidates=listed)
    made = Progress(entry=entry, mode_asked=asked)
    made.plan = Plan(entry.candidates, ())
    made.begin_try(deployments(made)[0])
    return made


def deployments(progress: Progress) -> tuple[Deployment, ...]:
    """The candidates of a call."""
    assert progress.plan is not None
    return tuple(progress.plan.candidates)


SILENT: Event = chat_pb2.ChatChunk()
ARGUMENTS = b'{"choices": [{"message": {"tool_calls": [{"service_tier": "batch"}]}}], "text": "\\"service_tier\\": 1"}'


@pytest.mark.parametrize(
    ("event", "mode"),
    [
        (chat_pb2.ChatChunk(service_tier="priority"), "priority"),
        (chat_pb2.ChatResponse(service_tier="default"), STANDARD),
        (chat_pb2.ChatChunk(usage=types_pb2.Usage(service_tier="batch")), "batch"),
        (embeddings_pb2.EmbeddingResponse(), "flex"),
        (Raw(b'{"service_tier": "priority", "choices": []}'), "priority"),
        (Raw(b'{"usage": {"service_tier": "standard"}}'), STANDARD),
        (Raw(b'{"usageMetadata": {"trafficType": "ON_DEMAND_PRIORITY"}}'), "priority"),
        (Raw(b'{"usage": null}'), "flex"),
        (Raw(ARGUMENTS), "flex"),
        (chat_pb2.ChatChunk(service_tier="auto"), "flex"),
        ("a text", "flex"),
    ],
)
def test_the_answer_is_believed_before_the_request(event: Event, mode: str) -> None:
    """Asked for flex: what the answer says of itself counts; its content, and a word that decides nothing, do not."""
    progress = progress_of("flex")
    told(progress, [SILENT, event])
    assert progress.mode == mode
    assert final_mode(progress, types_pb2.Usage()) == mode


def test_the_end_is_believed_before_the_beginning() -> None:
    """A stream that opens with one mode and reports another with its usage was processed in that."""
    progress = progress_of("priority")
    told(progress, [chat_pb2.ChatChunk(service_tier="priority")])
    assert final_mode(progress, types_pb2.Usage(service_tier="default")) == STANDARD


def test_what_the_configuration_forces_was_asked() -> None:
    """Each candidate's own force and drop decide what it is asked; a call that nobody answered is priced by that."""
    forced: dict[str, Any] = {"force": {"service_tier": "flex"}}
    dropped: dict[str, Any] = {"drop": ("service_tier",)}
    assert modes_asked(progress_of("priority", forced, dropped, {})) == {"flex", None, "priority"}
    assert final_mode(progress_of("priority", forced), types_pb2.Usage()) == "flex"
    assert final_mode(progress_of("priority", dropped), types_pb2.Usage()) is None
    assert modes_asked(Progress(mode_asked="auto")) == {None}


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "cohere", "bedrock"])
def test_a_wish_the_provider_never_sees_makes_nothing_cheaper(dialect: str) -> None:
    """Its format has no word for it: any mode is possible, and without a report none is taken for granted."""
    progress = progress_of("flex", dialect=dialect)
    assert modes_asked(progress) == {None}
    told(progress, [SILENT])
    assert final_mode(progress, types_pb2.Usage()) is None
