"""`millrace docs WORD ...`: searches the documentation of the installed version, without a server."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from millrace.project.files import ProjectError, stack_folder

HELP = """\
millrace docs              the index
millrace docs approvals    a page
millrace docs refund ask   the sections that have all of the words"""
MOST = 10
_HEADING = re.compile(r"^#{1,4} (.*)$")
_IN_HEADING, _IN_PAGE, _MOST_COUNTED = 10, 5, 5
_LEAST_USEFUL = ("adr/", "CHANGELOG")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of a page with the text below it. `line` is the line of the heading."""

    page: str
    heading: str
    line: int
    text: str


def run(project: Path, arguments: Sequence[str]) -> int:
    """Print the index, the named page, or the sections that contain all of the words."""
    folder = _folder()
    if arguments and arguments[0] in ("-h", "--help"):
        print(HELP)
        return 0
    if not arguments:
        print((folder / "index.md").read_text("utf-8"))
        return 0
    if len(arguments) == 1 and (page := _page(folder, arguments[0])):
        print(page.read_text("utf-8"))
        return 0
    found = search(folder, arguments)
    if not found:
        raise ProjectError(f"Nothing in the documentation has {' '.join(arguments)!r}; try fewer words.")
    for one in found:
        print(f"{one.heading}\n    {folder / one.page}:{one.line}\n    {_excerpt(one, arguments)}\n")
    return 0


def search(folder: Path, words: Sequence[str]) -> list[Section]:
    """Return the best sections, first those with the words in their heading. Decisions and changes come
    last."""
    wanted = [word.lower() for word in words]
    scored = [(_score(one, wanted), one) for one in _sections(folder)]
    best = sorted(
        (pair for pair in scored if pair[0]), key=lambda pair: (-pair[0], pair[1].page, pair[1].line)
    )
    return [one for _, one in best[:MOST]]


def _score(section: Section, words: Sequence[str]) -> float:
    heading, page, text = section.heading.lower(), section.page.lower(), section.text.lower()
    counts = [
        min(text.count(word), _MOST_COUNTED) + _IN_HEADING * (word in heading) + _IN_PAGE * (word in page)
        for word in words
    ]
    if not all(word in text or word in heading for word in words):
        return 0
    return sum(counts) / (100 if section.page.startswith(_LEAST_USEFUL) else 1)


def _sections(folder: Path) -> Iterator[Section]:
    for path in sorted(folder.rglob("*.md")):
        yield from _of_page(path.relative_to(folder).as_posix(), path.read_text("utf-8"))


def _of_page(page: str, text: str) -> Iterator[Section]:
    heading, begin, lines, fenced = page, 1, list[str](), False
    for number, line in enumerate(text.splitlines(), 1):
        fenced ^= line.startswith("```")
        found = None if fenced else _HEADING.match(line)
        if found:
            if number > 1:
                yield Section(page, heading, begin, "\n".join(lines))
            heading, begin, lines = found[1], number, []
        else:
            lines.append(line)
    yield Section(page, heading, begin, "\n".join(lines))


def _excerpt(section: Section, words: Sequence[str]) -> str:
    lines = [line.strip() for line in section.text.splitlines() if line.strip()]
    first = next((line for line in lines if any(word.lower() in line.lower() for word in words)), "")
    return first if len(first) <= 160 else f"{first[:157]}..."


def _page(folder: Path, name: str) -> Path | None:
    wanted = name if name.endswith(".md") else f"{name}.md"
    found = (folder / wanted, folder.parent / wanted)
    return next((path for path in found if path.is_file() and ".." not in wanted), None)


def _folder() -> Path:
    installed = Path(str(files("millrace"))) / "docs"
    return installed if installed.is_dir() else stack_folder() / "docs"
