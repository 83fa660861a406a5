"""The leak filter: examples, and the same answer however a text is split into tokens."""

import re
from itertools import groupby, pairwise
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace.agent.leak import TAG_LIMIT, LeakFilter, Piece
from tests.agent.leaking import taken

Pairs = list[tuple[str, str]]


def filtered(tokens: list[str], react: bool = False) -> list[Piece]:
    leak = LeakFilter(react=react)
    return [piece for token in tokens for piece in taken(leak, token)] + leak.finish()


def joined(pieces: list[Piece]) -> Pairs:
    """Adjacent pieces of a kind as one, except actions, which are whole names."""
    runs = groupby(enumerate(pieces), key=lambda at: (at[1].kind, at[0] if at[1].kind == "action" else -1))
    return [(kind, "".join(piece.text for _, piece in run)) for (kind, _), run in runs]


def visible(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if piece.kind == "text")


EXAMPLES: list[tuple[str, str, Pairs]] = [
    ("plain", "Hello.", [("text", "Hello.")]),
    ("a pair", "<think>a</think>b", [("thinking", "a"), ("text", "b")]),
    ("in the middle", "x<reasoning>a</reasoning>b", [("text", "x"), ("thinking", "a"), ("text", "b")]),
    ("any case", "<THINK>a</Think>b", [("thinking", "a"), ("text", "b")]),
    ("names mixed", "<think>a</thinking>b", [("thinking", "a"), ("text", "b")]),
    ("attributes", '<thinking budget="9">a</thinking >b', [("thinking", "a"), ("text", "b")]),
    ("nested", "<think>a<think>b</think>c</think>d", [("thinking", "abc"), ("text", "d")]),
    ("nested names", "<think>a<reasoning>b</reasoning>c</think>d", [("thinking", "abc"), ("text", "d")]),
    ("unclosed", "x<think>a", [("text", "x"), ("thinking", "a")]),
    ("stray closing tag", "a</think>b", [("text", "ab")]),
    ("self-closing", "a<think/>b<think />c", [("text", "abc")]),
    ("empty", "<think></think>b", [("text", "b")]),
    ("other tags stay", "a <b>c</b> 1 < 2 <thinker>", [("text", "a <b>c</b> 1 < 2 <thinker>")]),
    ("cut at the end", "a <thin", [("text", "a <thin")]),
    ("two tags begun", "<th<think>a</think>", [("text", "<th"), ("thinking", "a")]),
    ("attributes too long", "<think " + "a" * 200 + ">b", [("text", "<think " + "a" * 200 + ">b")]),
    ("look-alike letters", "<thin\u212a>a</think>", [("text", "<thin\u212a>a")]),
    ("inline code", "the `<think>` tag", [("text", "the `<think>` tag")]),
    ("double backticks", "``a ` <think>`` b", [("text", "``a ` <think>`` b")]),
    ("code closed before", "`a` <think>b</think>", [("text", "`a` "), ("thinking", "b")]),
    ("code ends with its line", "it`s\n<think>b</think>", [("text", "it`s\n"), ("thinking", "b")]),
    ("fence", "```xml\n<think>a</think>\n```\nb", [("text", "```xml\n<think>a</think>\n```\nb")]),
    ("tilde fence", "~~~\n<think>\n~~~\n", [("text", "~~~\n<think>\n~~~\n")]),
    ("after a fence", "```\na\n```\n<think>b</think>", [("text", "```\na\n```\n"), ("thinking", "b")]),
    ("indented fence", "- x\n  ```\n  <think>\n  ```\n", [("text", "- x\n  ```\n  <think>\n  ```\n")]),
    ("longer fence", "````\n```\n<think>\n````\n", [("text", "````\n```\n<think>\n````\n")]),
    ("no fence in a line", "a ```\n<think>b</think>", [("text", "a ```\n"), ("thinking", "b")]),
    ("fence closes alone on its line", "```\n``` <think>\n```\n", [("text", "```\n``` <think>\n```\n")]),
    ("backticks inside a fence", "```\nx ```\n<think>\n```\n", [("text", "```\nx ```\n<think>\n```\n")]),
    ("code in thoughts", "<think>`<think>` or `</think>`?</think>b", [
        ("thinking", "`<think>` or `</think>`?"), ("text", "b")]),
    ("stray backtick in thoughts", "<think>a ` key</think>b", [("thinking", "a ` key"), ("text", "b")]),
    ("open fence in thoughts", "<think>```\na</think>b", [("thinking", "```\na"), ("text", "b")]),
    ("answer's code goes on", "`a` <think>a ` b</think> `<think>`", [
        ("text", "`a` "), ("thinking", "a ` b"), ("text", " `<think>`")]),
]  # fmt: skip

REACT: list[tuple[str, str, Pairs]] = [
    ("plain", "Hello.\nThere", [("text", "Hello.\nThere")]),
    (
        "one step",
        'Thought: look it up\nAction: search\nAction Input: {"q": "x"}\nObservation: y\nFinal Answer: y',
        [("thinking", "look it up\n"), ("action", "search"), ("action_input", '{"q": "x"}\n'),
         ("observation", "y\n"), ("text", "y")],
    ),
    ("numbered", "Thought 1: a\nAction 2: b\n", [("thinking", "a\n"), ("action", "b")]),
    ("any case", "FINAL ANSWER: a", [("text", "a")]),
    ("indented", "  Thought:a\n", [("thinking", "a\n")]),
    ("two actions", "Action: a\nAction: b", [("action", "a"), ("action", "b")]),
    ("name on the next line", "Action:\nsearch\n", [("action", "search")]),
    ("input without a marker", "Action: a\n{}\n", [("action", "a"), ("action_input", "{}\n")]),
    ("in mid-line", "The Action: is text", [("text", "The Action: is text")]),
    ("only begun", "Thoughtful", [("text", "Thoughtful")]),
    ("begun at the end", "Final Ans", [("text", "Final Ans")]),
    ("lines of an answer", "Final Answer: a\n\nb\n", [("text", "a\n\nb\n")]),
    ("after the answer", "Final Answer: a\nThought: b", [("text", "a\n"), ("thinking", "b")]),
    ("in a code fence", "```\nAction: a\n```\n", [("text", "```\nAction: a\n```\n")]),
    ("with tags", "<think>a</think>Thought: b\nFinal Answer: c", [("thinking", "ab\n"), ("text", "c")]),
    ("cut by a tag", "Tho<think>a</think>ught: b", [("thinking", "ab")]),
    ("look-alike letters", "Ob\u017fervation: a", [("text", "Ob\u017fervation: a")]),
    ("long name", "Action: " + "a" * 300, [("action", "a" * 200), ("action_input", "a" * 100)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in EXAMPLES], ids=[c[0] for c in EXAMPLES])
def test_tags_are_taken_out_whole_and_letter_by_letter(text: str, expected: Pairs) -> None:
    assert joined(filtered([text])) == expected
    assert joined(filtered(list(text))) == expected


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in REACT], ids=[c[0] for c in REACT])
def test_react_lines_become_steps_whole_and_letter_by_letter(text: str, expected: Pairs) -> None:
    assert joined(filtered([text], react=True)) == expected
    assert joined(filtered(list(text), react=True)) == expected


def test_react_lines_are_text_for_other_models() -> None:
    text = "Thought: a\nFinal Answer: b"
    assert filtered([text]) == [Piece("text", text)]


def test_sign_that_cannot_become_a_tag_is_not_held_back() -> None:
    leak = LeakFilter()
    assert visible(leak.feed("1 <")) == "1 "
    assert visible(leak.feed("t")) == ""
    assert visible(leak.feed("r")) == "<tr"
    assert visible(leak.feed("a<b")) == "a<b"
    assert visible(leak.feed("`<")) == "`<"


TAGS = ("<think>", "</think>", "<thinking a='b'>", "</THINKING >", "<reasoning>", "</reasoning>", "<think/>")
MARKS = ("<", ">", "</", "<th", "ink>", "`", "``", "```", "~~~", "```py\n", "\n", "\n\n", "\r\n", " ", "    ")
ATOMS = st.sampled_from((*TAGS, *MARKS, "a", "key = 1", "é€"))
MARKERS = (
    "Thought:",
    "Action:",
    "Action Input:",
    "Action 3 :",
    "Observation:",
    "Final Answer:",
    "Act",
    "ion",
)
REACT_MARKS = ("Final ", "\n", "\n\n", " ", "\t", "```", "search", "{}", "<think>", "</think>", ":", "1")
REACT_ATOMS = st.sampled_from((*MARKERS, *REACT_MARKS))
TEXTS = st.one_of(st.lists(ATOMS, max_size=30).map("".join), st.text("<>/think aresog`~\n", max_size=60))
REACT_TEXTS = st.lists(REACT_ATOMS, max_size=30).map("".join)


def cut(text: str, seed: int) -> list[str]:
    random = Random(seed)
    ends = sorted({random.randint(0, len(text)) for _ in range(random.randint(0, 25))} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(ends)]


SEEDS = st.integers(0, 2**32)


def cuts(text: str, seed: int) -> list[list[str]]:
    """The text whole, in letters, and cut in ten random ways."""
    return [[text], list(text), *(cut(text, seed + number) for number in range(10))]


@settings(max_examples=1000, deadline=None)
@given(TEXTS, SEEDS)
@example("``<think>`x</think>", 0)
def test_every_way_of_cutting_gives_what_the_reference_gives(text: str, seed: int) -> None:
    expected = reference(text)
    for tokens in cuts(text, seed):
        assert joined(filtered(tokens)) == expected


@settings(max_examples=1000, deadline=None)
@given(REACT_TEXTS, SEEDS)
def test_every_way_of_cutting_react_text_gives_what_the_reference_gives(text: str, seed: int) -> None:
    expected = react_reference(text)
    for tokens in cuts(text, seed):
        assert by_kind(joined(filtered(tokens, react=True))) == expected


SAFE = st.text(st.characters(exclude_characters="<`~"), max_size=20)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(SAFE, SAFE, st.sampled_from(["think", "Thinking", "REASONING x=1"])), max_size=6),
    SEEDS,
)
def test_filter_leaks_nothing_hidden_and_loses_nothing_visible(
    parts: list[tuple[str, str, str]], seed: int
) -> None:
    text = "".join(f"{shown}<{tag}>{hidden}</{tag.split()[0]}>" for shown, hidden, tag in parts)
    pieces = filtered(cut(text, seed))
    assert visible(pieces) == "".join(shown for shown, _, _ in parts)
    assert "".join(p.text for p in pieces if p.kind == "thinking") == "".join(
        hidden for _, hidden, _ in parts
    )


@settings(max_examples=400, deadline=None)
@given(TEXTS, SEEDS)
def test_only_possible_tags_are_held_back(text: str, seed: int) -> None:
    leak, fed, given_back = LeakFilter(), "", ""
    for token in cut(text, seed):
        fed += token
        given_back += "".join(piece.text for piece in taken(leak, token))
        lease = len(strip_real_tags(fed)) - len(given_back)
        assert lease <= TAG_LIMIT
        if lease:
            assert re.search(r"</?[a-z]*(\s[^<>]*|/)?\Z", fed, re.IGNORECASE)


def strip_real_tags(text: str) -> str:
    """All that the reference gives for the whole text so far, which includes what a stream may still hold."""
    return "".join(part for _, part in reference(text))


# --- The reference: the whole text at once, code found by its lines first, then one walk over the tags ---

TAG = re.compile(r"<(/?)(think|thinking|reasoning)(?:/|\s[^<>]{0,128})?>", re.IGNORECASE | re.ASCII)


def reference(text: str) -> Pairs:
    """One walk, asking of everything read so far (a tag taken out leaves NUL) whether it ends in code."""
    out: Pairs = []
    depth, at, read = 0, 0, {"text": "", "thinking": ""}
    while at < len(text):
        kind = "thinking" if depth else "text"
        tag = TAG.match(text, at)
        if tag is None or (opens_code(read[kind]) if depth else code_open(read[kind])):
            add(out, kind, text[at])
            read[kind] += text[at]
            at += 1
            continue
        at = tag.end()
        read[kind] += "\0"
        if not tag[0].endswith("/>"):
            depth = max(0, depth - 1) if tag[1] else depth + 1
            read["thinking"] = read["thinking"] if depth else ""
    return out


def add(out: Pairs, kind: str, text: str) -> None:
    if out and out[-1][0] == kind:
        out[-1] = (kind, out[-1][1] + text)
    else:
        out.append((kind, text))


def code_open(before: str) -> bool:
    """Return whether the text after `before` is in a code fence or in inline code."""
    *lines, last = before.split("\n")
    fence = ""
    for line in lines:
        fence = fence_after(line, fence)
    return bool(fence or inline_open(last))


def opens_code(before: str) -> bool:
    """Return whether `before` ends with the very backticks (or fence) that open code."""
    run = re.search(r"(`+|~+)\Z", before)
    return run is not None and code_open(before) and not code_open(before[: run.start()])


def fence_after(line: str, fence: str) -> str:
    """The fence that is open after a line, given the one that was open before it."""
    runs = re.match(r"[\s\0]*(`{3,}|~{3,})([\s\0]*)", line)
    if not fence:
        opened = inline_open(line)
        return runs[1] if runs and opened and opened.start() == runs.start(1) else ""
    closes = runs is not None and runs[1].startswith(fence) and runs.end() == len(line)
    return "" if closes else fence


def inline_open(line: str) -> re.Match[str] | None:
    """The run that opened inline code (or a fence) on this line and is not closed by an equal one."""
    opened: re.Match[str] | None = None
    for run in re.finditer(r"`+|~+", line):
        if opened:
            opened = None if run[0] == opened[0] else opened
        elif run[0][0] == "`" or (len(run[0]) >= 3 and not line[: run.start()].replace("\0", "").strip()):
            opened = run
    return opened


MARKER = re.compile(
    r"[ \t]{0,16}(thought|action input|action|observation|final answer)(?: \d{1,4})?[ \t]{0,4}:[ \t]*(.*)",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
SECTIONS = {"thought": "thinking", "action input": "action_input", "final answer": "text"}


def react_reference(text: str) -> dict[str, list[str]]:
    """Line by line over the visible text; thinking from tags is gathered apart."""
    pairs = reference(text)
    shown = "".join(part for kind, part in pairs if kind == "text")
    out: Pairs = []
    section, since_marker = "text", ""
    for line in shown.splitlines(keepends=True):
        marker = None if section == "text" and code_open(since_marker) else MARKER.match(line)
        if marker:
            word = marker[1].lower()
            section, line, since_marker = SECTIONS.get(word, word), marker[2], ""
            out.append((section, ""))
        since_marker += line
        out.append((section, line))
        if section == "action" and line.strip():
            section = "action_input" if line.endswith("\n") else section
    return by_kind([pair for pair in pairs if pair[0] == "thinking"] + out)


def by_kind(pairs: Pairs) -> dict[str, list[str]]:
    """Group the pieces by kind: names of actions one by one, thinking as its letters in any order, else
    as one."""
    actions = [text.strip() for kind, text in pairs if kind == "action" and text.strip()]
    others = {
        kind: "".join(text for k, text in pairs if k == kind)
        for kind in ("text", "action_input", "observation")
    }
    thinking = "".join(sorted("".join(text for kind, text in pairs if kind == "thinking")))
    return {"action": actions, "thinking": [thinking]} | {kind: [text] for kind, text in others.items()}
