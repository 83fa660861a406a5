"""Tables and numbers of docs/benchmarks.md."""

from collections.abc import Iterable, Iterator, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of Markdown; all columns but the first are aligned to the right. An empty line follows."""
    yield line(head)
    yield line(["---"] + ["---:"] * (len(head) - 1))
    yield from map(line, rows)
    yield ""


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def number(value: float | None) -> str:
    """Three digits that count; a dash where nothing is known."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def times(value: float | None, own: float | None) -> str:
    """A figure, and in brackets the multiple of ours that it is."""
    return f"{number(value)} ({value / own:.1f})" if value and own else number(value)
