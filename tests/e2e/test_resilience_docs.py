"""What docs/resilience.md shows does what the page says.

Rules: its layer is served with the simulator in place of its providers; the event is compared with the code.
Not here: the table of faults (tests.chaos.test_failover); the other pages (test_docs_examples).
"""

from __future__ import annotations

from typing import Any

import yaml

from gateway.frontend.restart import EVENT
from gateway.simulator.server import serve
from tests.chaos.callers import callers
from tests.conftest import ROOT
from tests.e2e.test_readme import blocks_of
from tests.support.single import single

BLOCKS = {
    block.language: block.text for block in blocks_of("docs/resilience.md", (ROOT / "docs/resilience.md").read_text())
}
BROKEN, WHOLE = "sim-chunks-60-cut-40-pace-2", "sim-chunks-60"


def test_every_block_is_tried() -> None:
    """One layer, one event."""
    assert BLOCKS.keys() == {"yaml", "text"}


def test_the_event_is_what_clients_get() -> None:
    """Byte for byte."""
    assert BLOCKS["text"].strip() + "\n\n" == EVENT.decode()


async def test_the_layer_rescues_a_cut_stream() -> None:
    """Over both protocols: the first candidate is cut, the second goes on."""
    layer: dict[str, Any] = yaml.safe_load(BLOCKS["yaml"])
    simulator = await serve()
    try:
        for provider in layer["providers"].values():
            provider.update(base_url=f"{simulator.url}/v1", is_local=True)
        first, second = layer["models"]["chat"]["candidates"]
        first["upstream_model"], second["upstream_model"] = BROKEN, WHOLE
        async with single({**layer, "observe": {"log_level": "error"}}) as gateway, callers(gateway) as made:
            for way in ("sse", "stream"):
                ending = await made.ask(way, "chat")
                assert ending.is_complete, ending
                assert len("".join(ending.texts).split()) == 60
    finally:
        await simulator.stop()
