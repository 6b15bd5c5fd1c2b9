"""What is said seldom: once per key and interval, in bounded memory."""

from __future__ import annotations

from gateway.rpc.sparse import KEYS_MAX, Sparse


class Clock:
    """Seconds that pass when the test says so."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_once_per_interval_and_then_how_often_it_was_left_out() -> None:
    """The first is said, the next ones are counted, the first after the interval tells the count."""
    clock = Clock()
    sparse = Sparse(60, clock)
    assert [sparse.left_out("a") for _ in range(4)] == [0, None, None, None]
    assert sparse.left_out("b") == 0
    clock.now_s = 59.9
    assert sparse.left_out("a") is None
    clock.now_s = 60
    assert [sparse.left_out("a") for _ in range(2)] == [4, None]


def test_what_was_forgotten_is_news() -> None:
    """After `forget` a key is said at once, without a count."""
    sparse = Sparse(60, Clock())
    sparse.left_out("a")
    sparse.left_out("a")
    sparse.forget("a")
    sparse.forget("never said")
    assert sparse.left_out("a") == 0


def test_a_flood_of_keys_is_bounded_and_passes() -> None:
    """Beyond KEYS_MAX nothing new is said until old keys are over their interval."""
    clock = Clock()
    sparse = Sparse(60, clock)
    said = [sparse.left_out(str(number)) for number in range(2 * KEYS_MAX)]
    assert said == [0] * KEYS_MAX + [None] * KEYS_MAX
    clock.now_s = 60
    assert sparse.left_out("new") == 0
    assert len(sparse._said) <= KEYS_MAX
