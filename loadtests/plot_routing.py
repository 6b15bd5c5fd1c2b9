"""The figures of docs/routing.md as SVG, made by simulation: `python -m loadtests.plot_routing`.

Rules:
    - Drawn by hand, without a plotting library; the same code gives the same bytes (a test compares).
Not here:
    - The simulations, and what must hold of them (tests/unit/loadtests).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from loadtests.virtual import overloaded, percentile, slow_for_a_while

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 300, 56, 34, 150, 44
COLOURS = ("#c0392b", "#2471a3", "#229954")
Point = tuple[float, float]


class Axis(NamedTuple):
    """What an axis says, from where to where, and its marks."""

    title: str
    low: float
    high: float
    marks: tuple[float, ...]


def chart(title: str, x: Axis, y: Axis, lines: dict[str, list[Point]], shaded: tuple[float, float, str]) -> str:
    """An SVG of lines over one shaded span of x."""
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at_x(value: float) -> float:
        return LEFT + (value - x.low) / (x.high - x.low) * inner_width

    def at_y(value: float) -> float:
        return TOP + (1 - (value - y.low) / (y.high - y.low)) * inner_height

    begin, end, words = shaded
    x0 = at_x(begin)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-weight="bold">{title}</text>',
        f'<rect x="{x0:.1f}" y="{TOP}" width="{at_x(end) - x0:.1f}" height="{inner_height}" fill="#f5e6d3"/>',
        f'<text x="{x0 + 4:.1f}" y="{TOP + 14}" fill="#8a6d3b">{words}</text>',
        *_grid(x, y, at_x, at_y),
    ]
    for number, (name, points) in enumerate(lines.items()):
        drawn = " ".join(f"{at_x(px):.1f},{at_y(min(py, y.high)):.1f}" for px, py in points)
        colour, label_y = COLOURS[number], TOP + 14 + 18 * number
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 12}" y="{label_y}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _grid(x: Axis, y: Axis, at_x: Callable[[float], float], at_y: Callable[[float], float]) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for mark in y.marks:
        parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{at_y(mark):.1f}" y2="{at_y(mark):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at_y(mark) + 4:.1f}" text-anchor="end">{mark:g}</text>')
    parts += [f'<text x="{at_x(mark):.1f}" y="{bottom + 16}" text-anchor="middle">{mark:g}</text>' for mark in x.marks]
    parts.append(f'<text x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{x.title}</text>')
    parts.append(f'<text x="14" y="{(TOP + bottom) / 2:.0f}" transform="rotate(-90 14 {(TOP + bottom) / 2:.0f})" '
                 f'text-anchor="middle">{y.title}</text>')  # fmt: skip
    return parts


def latency_figure() -> str:
    """Share of calls per provider while `p0` is slow."""
    sent = slow_for_a_while()
    step, lines = 0.5, {}
    for provider in ("p0", "p1", "p2"):
        points = []
        for tick in range(10, 80):
            from_s = tick * step
            there = [call for call in sent if from_s <= call.at_s < from_s + 2 * step]
            points.append((from_s + step, 100 * sum(call.provider == provider for call in there) / len(there)))
        lines[f"{provider} (turns slow)" if provider == "p0" else provider] = points
    return chart(
        "Policy latency: three providers, one ten times slower for ten seconds",
        Axis("seconds", 5, 40, (5, 10, 15, 20, 25, 30, 35, 40)), Axis("% of calls", 0, 70, (0, 10, 20, 33, 50, 70)),
        lines, (10, 20, "p0 is slow"),
    )  # fmt: skip


def overload_figure() -> str:
    """p99 of what callers see, by offered load, with and without the limit."""
    loads = (0.25, 0.5, 0.75, 0.9, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
    unloaded_s = percentile(overloaded(factor=0.25).upstream_s, 99)
    lines: dict[str, list[Point]] = {"no limit": [], "batch": [], "interactive": []}
    for load in loads:
        limited = overloaded(factor=load)
        lines["interactive"].append((load, limited.p99_s("interactive") / unloaded_s))
        lines["batch"].append((load, limited.p99_s("batch") / unloaded_s))
        if load <= 1.25:
            free = overloaded(factor=load, has_limit=False, seconds=30)
            lines["no limit"].append((load, free.p99_s("interactive") / unloaded_s))
    return chart(
        "routing.concurrency: p99 of calls that were answered, against unloaded",
        Axis("offered load, as a multiple of what the provider can take", 0.25, 3, (0.5, 1, 1.5, 2, 2.5, 3)),
        Axis("p99 / unloaded p99", 0, 8, (0, 1, 2, 4, 6, 8)), lines, (1.0, 3.0, "overload"),
    )  # fmt: skip


FIGURES: dict[str, Callable[[], str]] = {
    "routing-latency.svg": latency_figure,
    "routing-overload.svg": overload_figure,
}


def main() -> None:
    """Write every figure."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8")
        print(f"docs/images/{name}")


if __name__ == "__main__":
    main()
