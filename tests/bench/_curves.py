"""Figures at 1, 10 and 100 times the load, drawn: a table, a picture and the reasons."""

import math
from collections.abc import Iterator, Mapping, Sequence

from tests.bench._peers import ROOT
from tests.bench._table import number, table

TIMES = (1, 10, 100)
IMAGES = ROOT / "docs" / "images"
Titles = Mapping[str, tuple[str, str, str]]
"""By the name of a curve: its title, its unit, and why it grows as it does."""
_WIDTH, _HEIGHT, _ACROSS = 300, 190, 3
_LEFT, _RIGHT, _TOP, _BOTTOM = 20, 20, 46, 28


def curves_section(
    name: str, heading: str, found: Mapping[str, Sequence[float]], titles: Titles
) -> list[str]:
    """A subsection with the curves that were measured, whose picture goes to `docs/images`."""
    shown = {one: values for one, values in found.items() if one in titles}
    path = IMAGES / f"growth-{name}.svg"
    path.write_text(
        picture([(f"{titles[one][0]}, {titles[one][1]}", values) for one, values in shown.items()])
    )
    rows = [[f"{titles[one][0]}, {titles[one][1]}", *map(number, values)] for one, values in shown.items()]
    return [
        f"### {heading}",
        "",
        f"![Growth: {heading.lower()}](images/{path.name})",
        "",
        *table(["", *(f"{times} times" for times in TIMES)], rows),
        *(f"- {titles[one][0]}: {titles[one][2]}" for one in shown),
        "",
    ]


def picture(curves: Sequence[tuple[str, Sequence[float]]]) -> str:
    """SVG of one panel for each curve. Both axes are logarithmic: growth with the load is a straight line
    upwards, none a flat one."""
    rows = math.ceil(len(curves) / _ACROSS)
    width, height = _WIDTH * min(len(curves), _ACROSS), _HEIGHT * rows
    panels = "\n".join(
        f'<g transform="translate({at % _ACROSS * _WIDTH},{at // _ACROSS * _HEIGHT})">'
        f"{''.join(_panel(*curve))}</g>"
        for at, curve in enumerate(curves)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'font-family="system-ui,sans-serif" font-size="11">\n<rect width="{width}" '
        f'height="{height}" fill="#fff"/>\n'
        f"{panels}\n</svg>\n"
    )


def _panel(title: str, values: Sequence[float]) -> Iterator[str]:
    first, _, second = title.partition(", by ")
    second, _, unit = second.rpartition(", ")
    yield f'<text x="{_LEFT}" y="18" font-weight="600">{first}, {unit}</text>'
    yield f'<text x="{_LEFT}" y="32" fill="#555">by {second}</text>' if second else ""
    low, high = _scale(values)
    points = [(_x(at), _y(math.log10(max(value, 1e-9)), low, high)) for at, value in enumerate(values)]
    bottom = _HEIGHT - _BOTTOM
    yield f'<line x1="{_LEFT}" y1="{bottom}" x2="{_WIDTH - _RIGHT}" y2="{bottom}" stroke="#ccc"/>'
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{joined}" fill="none" stroke="#2563eb" stroke-width="2"/>'
    for (x, y), value, times in zip(points, values, TIMES, strict=True):
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#2563eb"/>'
        yield f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{number(value)}</text>'
        yield f'<text x="{x:.1f}" y="{_HEIGHT - 12}" text-anchor="middle" fill="#555">{times}</text>'


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """At least the two powers of ten that the load has, so that slopes can be compared between panels."""
    logs = [math.log10(max(value, 1e-9)) for value in values]
    middle = (min(logs) + max(logs)) / 2
    half = max(1.0, (max(logs) - min(logs)) / 2)
    return middle - half, middle + half


def _x(at: int) -> float:
    inside = _WIDTH - _LEFT - _RIGHT - 40
    return _LEFT + 20 + inside * at / (len(TIMES) - 1)


def _y(value: float, low: float, high: float) -> float:
    inside = _HEIGHT - _TOP - _BOTTOM - 14
    return _TOP + 10 + inside * (1 - (value - low) / (high - low))
