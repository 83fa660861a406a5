"""The glossary's terms are used, and docstrings do not begin with question words."""

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.xdist_group("words")  # one worker parses the files once

# The words that each glossary entry replaced, by what they named.
CLASSES = {
    "Catalogue": "ToolCatalog, or a table of senders",
    "Crew": "AgentRunContext",
    "Fate": "DeliveryResult",
    "Filling": "TemplateArguments",
    "Held": "Lease",
    "Judgement": "HealthReport",
    "Letter": "DeadLetter",
    "Limits": "AgentLimits, EngineLimits, ...",
    "Line": "PipelineContext",
    "Logged": "LogEntry",
    "Made": "CompiledPipeline",
    "Manner": "SpeechOptions",
    "Opening": "ConversationSnapshot",
    "Outbox": "EventFeed, Outputs",
    "Parcel": "EventGroup",
    "RedriveAsked": "RedriveRequest",
    "Steering": "RunControl",
    "Underway": "FlowRun",
}
FUNCTIONS = {
    "bury": "dead_letter",
    "look": "check, poll, load",
    "recorded": "to_item",
    "ring": "on_timer",
    "shown": "to_wire, to_public",
    "take": "receive, apply, consume, drain",
    "tell": "publish, report, announce",
    "told": "publish, report, announce",
    "wire": "to_wire",
}
NAMES = {
    "crew": "run_context",
    "fate": "result",
    "fates": "results",
    "leftovers": "pending_live_messages",
    "letter": "dead_letter",
    "letters": "dead_letters",
    "organisation": "organization",
    "organisations": "organizations",
    "parcel": "event_group",
    "patience": "allowed_lateness, timeout",
    "pressure": "backpressure",
    "tenant": "organization",
    "told": "reported, announced",
    "underway": "flow_run",
}
EXCEPTIONS = {"problem", "refused"}
MODULES = {"fates", "held", "letters", "pressure", "demo_wishes", "demo_topics", "seen"}
PROSE = {
    r"\borganisations?\b": "organization",
    r"(?<!dead )(?<!dead-)(?<!dead\n  )\bletters?\b": "dead letter",
    r"(?<!back)pressure\b": "backpressure",
    r"\bfates?\b": "result",
    r"\bleftovers\b": "pending live messages",
    r"\bparcels?\b": "event group",
    r"\bjudgement\b": "health report",
}

ALLOWED = {
    ("stores/outbox.py", "Outbox"): "the database pattern of that name",
    ("streaming_runtime/context.py", "tenant_id"): "Lambda's own name",
    ("streaming_runtime/runtime_api.py", "tenant_id"): "Lambda's own name",
    ("domain/test_changes.py", "tenant"): "a column of the user's table",
    ("intake/test_outbox.py", "tenant"): "a column of the user's table",
    ("frameworks/examples.py", "letter_counter"): "an example of Strands",
    ("frameworks/examples.py", "letter"): "an example of Strands",
}
ALLOWED_PROSE = {
    "letters, digits": "of an alphabet",
    "begins with a letter": "of an alphabet",
    "Small letters": "of an alphabet",
    "letter by letter": "of an alphabet",
    "letters and digits": "of an alphabet",
    "letter-spacing": "CSS",
}

WH = {"what", "whether", "how", "who", "whose", "where", "when", "which", "why"}


@cache
def tracked(*patterns: str) -> list[Path]:
    """The files of the repository that match these patterns of git's, this one left out."""
    done = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = [ROOT / name for name in done.stdout.splitlines()]
    return [path for path in found if path.exists() and path != Path(__file__)]


def any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(words))


# Parsing every file would take seconds, and few contain any of these words.
SUSPICIOUS = re.compile(
    rf"class _*(?:{any_of(CLASSES)})_*\b|def _*(?:{any_of(FUNCTIONS)})_*\(|as (?:{any_of(EXCEPTIONS)}):"
    rf"|(?<![a-z])(?i:{any_of(NAMES)})(?![a-z])"
    rf"|[\"']\W*(?i:{any_of(WH)})\b"
)


@cache
def parsed() -> list[tuple[str, ast.Module]]:
    """Return each Python file that may contain a word of the glossary, with its path from the root."""
    texts = ((str(path.relative_to(ROOT)), path.read_text()) for path in tracked("*.py"))
    return [(path, ast.parse(text)) for path, text in texts if SUSPICIOUS.search(without_new_words(text))]


def without_new_words(text: str) -> str:
    """Return a text or a name without the words that contain an old one."""
    return re.sub(r"dead_letters?", "", text)


def defined(tree: ast.Module) -> Iterator[tuple[str, str, int]]:
    """Return (kind, name, line) of every name that the code defines."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name, lineno=line):
                yield "class", name, line
            case ast.FunctionDef(name=name, lineno=line) | ast.AsyncFunctionDef(name=name, lineno=line):
                yield "function", name, line
            case ast.arg(arg=name, lineno=line):
                yield "name", name, line
            case ast.Name(id=name, ctx=ast.Store(), lineno=line):
                yield "name", name, line
            case ast.Attribute(attr=name, ctx=ast.Store(), lineno=line):
                yield "name", name, line
            case ast.ExceptHandler(name=str(name), lineno=line):
                yield "exception", name, line


@cache
def names() -> list[tuple[str, str, str, int]]:
    """Return (path, kind, name, line) of every name that the project's code defines."""
    return [(path, *found) for path, tree in parsed() for found in defined(tree)]


def replaced(kind: str, name: str) -> str | None:
    """Return the word to use for a name, or None if the name is fine."""
    if kind == "class":
        return CLASSES.get(name.strip("_"))
    if kind == "exception":
        return "error" if name in EXCEPTIONS else None
    if kind == "function" and name.strip("_") in FUNCTIONS:
        return FUNCTIONS[name.strip("_")]
    if kind == "function" and name.startswith("test_"):
        return None  # a sentence
    words = without_new_words(name.lower()).split("_")
    return next((NAMES[word] for word in words if word in NAMES), None)


def is_allowed(path: str, name: str) -> bool:
    return any(path.endswith(end) and name == allowed for end, allowed in ALLOWED)


def test_code_uses_the_words_of_the_glossary() -> None:
    found = [
        f"{path}:{line}: {name} -> {word}"
        for path, kind, name, line in names()
        if (word := replaced(kind, name)) and not is_allowed(path, name)
    ]
    assert found == []


def test_exceptions_of_the_glossary_are_needed() -> None:
    used = {(path, name) for path, _, name, _ in names()}
    unused = [
        (end, name) for end, name in ALLOWED if not any(path.endswith(end) and name == n for path, n in used)
    ]
    assert unused == []


def test_modules_use_the_words_of_the_glossary() -> None:
    assert [path for path in tracked("*.py") if path.stem.removeprefix("test_") in MODULES] == []


@pytest.mark.parametrize(
    "patterns",
    [("template.yaml",), ("docs/*.md", "docs/**/*.md", "*.md"), ("web/src/**", "web/index.html")],
    ids=["template", "docs", "web"],
)
def test_prose_uses_the_words_of_the_glossary(patterns: tuple[str, ...]) -> None:
    found = []
    for path in tracked(*patterns):
        if path.name == "CHANGELOG.md" or "adr" in path.parts or path.name == "glossary.md":
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            plain = line
            for phrase in ALLOWED_PROSE:
                plain = plain.replace(phrase, "")
            found += [
                f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]} -> {word}"
                for pattern, word in PROSE.items()
                if re.search(pattern, plain, re.IGNORECASE)
            ]
    assert found == []


def test_docstrings_do_not_begin_with_a_question_word() -> None:
    found = []
    for path, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                first = re.match(r"\W*(\w+)", ast.get_docstring(node) or "")
                if first and first[1].lower() in WH:
                    found.append(f"{path}: {getattr(node, 'name', 'module')}: begins with {first[1]}")
    assert found == []
