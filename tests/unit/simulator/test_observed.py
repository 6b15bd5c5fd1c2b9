"""What was seen is counted once and kept within bounds."""

from gateway.simulator import observed
from gateway.simulator.observed import OTHER, Observed


def test_a_request_ends_once() -> None:
    """The first end counts; gauges return to zero."""
    seen = Observed()
    call = seen.begin("POST", "/v1/chat/completions", {})
    seen.read(call, b"{}")
    seen.name(call, "sim", is_stream=True)
    assert seen.attempt(call)[0] == 1
    assert seen.stats()["streams_open"] == 1
    seen.end(call, "aborted")
    seen.end(call, "completed")
    stats = seen.stats()
    assert (stats["requests"], stats["aborted"], stats["completed"], stats["streams_open"]) == (1, 1, 0, 0)
    assert stats["by_model"]["sim"]["aborted"] == 1
    assert seen.requests("sim")[0]["phase"] == "waiting"


def test_what_is_open_at_a_reset_counts_nowhere() -> None:
    """A reset starts from zero, also when an old request ends after it."""
    seen = Observed()
    call = seen.begin("POST", "/", {})
    seen.name(call, "sim", is_stream=True)
    seen.reset()
    seen.end(call, "completed")
    assert seen.stats()["completed"] == seen.stats()["streams_open"] == 0
    assert seen.stats()["by_model"] == {}


def test_models_requests_and_bodies_are_bounded() -> None:
    """Neither many names, nor many requests, nor large bodies grow the record without end."""
    seen = Observed()
    for number in range(observed.MAX_MODELS + 5):
        seen.name(seen.begin("POST", "/", {}), f"m{number}", is_stream=False)
    assert seen.stats()["by_model"][OTHER]["requests"] == 5
    assert len(seen.requests(None)) == observed.MAX_RING
    for _ in range(40):
        seen.read(seen.begin("POST", "/", {}), b'"' + b"x" * (observed.MAX_BODY_BYTES - 2) + b'"')
    kept = sum(len(request["body"] or "") for request in seen.requests(None))
    assert observed.MAX_RING_BYTES - observed.MAX_BODY_BYTES <= kept <= observed.MAX_RING_BYTES
    call = seen.begin("POST", "/", {})
    seen.read(call, b"x" * (observed.MAX_BODY_BYTES + 1))
    assert seen.requests(None)[-1]["body"] == f"({observed.MAX_BODY_BYTES + 1} bytes, not kept)"
