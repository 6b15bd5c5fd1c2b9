"""In which mode a call is processed: every format's word is found, and only where it is the provider's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.accounts.journal.record import Running
from gateway.accounts.keys import Identity
from gateway.config.catalogue import Deployment
from gateway.core.limits import Limits
from gateway.core.modes import STANDARD
from gateway.pipeline import book
from gateway.pipeline.mode import final_mode, modes_asked, told
from gateway.pipeline.progress import Progress
from gateway.pipeline.shape import Shape
from gateway.routing.plan import Plan
from gateway.rpc.contract import STREAM_CHAT, Event, Raw
from gateway.wire.pb import chat_pb2, embeddings_pb2, types_pb2
from tests.unit.pipeline.kits import bench, config_of, entry_of, model, provider

PER_TOKEN = {"standard": (4, 8), "flex": (2, 6)}  # micro-USD
LONG = {"above_input_tokens": 1000, "input_usd_per_million": Decimal(3), "output_usd_per_million": Decimal(7)}


def _prices(mode: str) -> dict[str, Any]:
    given, made = PER_TOKEN[mode]
    return {"input_usd_per_million": Decimal(given), "output_usd_per_million": Decimal(made)}


def progress_of(asked: str, *candidates: dict[str, Any], dialect: str = "openai") -> Progress:
    """A call of a model with these candidates, tried at the first."""
    listed = [{"provider": "p", **candidate} for candidate in candidates or ({},)]
    pricing = {**_prices("standard"), "modes": {"flex": {**_prices("flex"), "tiers": [LONG]}}}
    providers = {"p": provider("http://127.0.0.1:9/v1", dialect=dialect)}
    entry = entry_of(providers, candidates=listed, pricing=pricing)
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


class Noted:
    """A journal that only remembers what it was told of streams."""

    def __init__(self) -> None:
        self.running: list[Running] = []

    def new_id(self) -> str:
        """One is enough."""
        return "id"

    def began(self, running: Running) -> None:
        """No file, so no meter."""
        self.running.append(running)


@pytest.mark.parametrize(("word", "prompt_tokens", "cost"), [
    ("flex", 1000, 1000 * 2 + 10 * 6),
    ("flex", 1001, 1001 * 3 + 10 * 7),
    ("default", 1001, 1001 * 4 + 10 * 8),
])  # fmt: skip
async def test_a_stream_that_dies_with_its_process_costs_its_mode(word: str, prompt_tokens: int, cost: int) -> None:
    """What is noted when it begins prices what was delivered of it, in the tier of its prompt."""
    async with bench(config_of({"p": provider("http://127.0.0.1:9/v1")}, {"m": model("p")})) as made:
        noted: Any = Noted()
        made.kit.journal = noted
        progress = progress_of("priority")
        progress.identity = Identity("k", "", (), Limits())
        progress.shape = Shape(prompt_tokens, 100, ())
        book.began(made.kit, STREAM_CHAT, progress, [chat_pb2.ChatChunk(service_tier=word)])
        (running,) = noted.running
        assert running.lost(40).cost_usd_micros == cost
