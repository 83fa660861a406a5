"""Answers as text for reading aloud."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.speech.prose import Prose

pytestmark = pytest.mark.fast

CODE = "Code is shown here."
PARTS = [
    "**b. c** ",
    "plain text. ",
    "\n\n",
    "- item. x\n",
    "1. one\n",
    "`code. x` ",
    "```\n",
    "~~~\n",
    "| a | b |\n|---|---|\n",
    "| 1. | 2 |\n",
    "> q. ",
    "# h. i\n",
    "[l. m](http://x.y) ",
    "2 * 3 ",
    "&amp; ",
    "<b>x</b> ",
    "***",
    "_u. v_ ",
    "http://a.b/c. ",
    "\n",
    "你好。",
    "![a](b) ",
    "===\n",
    "    indented. code\n",
    "[^1] ",
]


def read(*pieces: str, language: str = "en") -> list[str]:
    prose = Prose(language)
    return [sentence for piece in pieces for sentence in prose.feed(piece)] + prose.end()


@pytest.mark.parametrize(
    ("written", "read_aloud"),
    [
        ("This is **bold**, `code` and _this_ too.", ["This is bold, code and this too."]),
        ("## A heading\nText.", ["A heading", "Text."]),
        ("A heading\n===\n\nText.", ["A heading", "Text."]),
        ("- an item\n- [x] a task\n- [ ] another", ["an item", "a task", "another"]),
        ("1. one\n2. two\n   - a\n   - b\n3. three", ["1: one", "2: two", "a", "b", "3: three"]),
        ("7. seven\n8. eight", ["7: seven", "8: eight"]),
        ("> A quote\n> goes on.", ["A quote goes on."]),
        ("2 * 3 * 4 is 24, and so is 2*3*4.", ["2 × 3 × 4 is 24, and so is 2×3×4."]),
        ("a * b, f(x) * (y)", ["a × b, f(x) × (y)"]),
        ("snake_case and __init__ and *one* * two", ["snake_case and init and one × two"]),
        ("See [the docs](https://example.com/a_b(c)?q=1) now.", ["See the docs now."]),
        ("See <https://www.example.com/a/b?c=d>, then https://a.b/c.d.", ["See www.example.com, then a.b."]),
        ("![A chart](x.png)", ["A chart"]),
        ("A note[^1] here.\n\n[^1]: The note.", ["A note here.", "The note."]),
        ("&copy; 2026 &amp; more &lt;tags&gt;", ["© 2026 & more <tags>"]),
        ("one.<br>two.  \nthree", ["one.", "two.", "three"]),
        ("<div>Shown</div>\n\n<!-- hidden -->\n\n<script>x()</script>", ["Shown"]),
        (
            "| Name | Age |\n|---|:--:|\n| Ada | 36 |\n| Bob | |\n\nSo.",
            ["Name: Ada, Age: 36", "Name: Bob", "So."],
        ),
        ("| Name | Age |\n|---|---|", ["Name, Age"]),
        ("Before.\n\n~~~\nx = 1\n~~~\n\nAfter.", ["Before.", CODE, "After."]),
        ("Before.\n```python\nx = 1.\n\ny\n```\nAfter.", ["Before.", CODE, "After."]),
        (
            "Done.\n\n```\n\nA stray fence. It mutes **nothing**.",
            ["Done.", "A stray fence.", "It mutes nothing."],
        ),
        ("A cut answer:\n\n```python\nx = 1", ["A cut answer:", CODE]),
        (r"\*not bold\* and 5 \_ 3", ["not bold and 5 _ 3"]),
        ("~~old~~ new", ["old new"]),
        ("---\n\nText.\n\n***", ["Text."]),
        ("Plain words, nothing else.", ["Plain words, nothing else."]),
    ],
)
def test_markdown_is_read_as_a_listener_can_follow(written: str, read_aloud: list[str]) -> None:
    assert read(written) == read_aloud


def test_code_is_named_in_the_language_of_the_listener_or_not_at_all() -> None:
    assert read("```sh\nls\n```", language="de-AT") == ["Hier steht Code."]
    assert read("```sh\nls\n```", language="pl") == []


def test_sentence_is_given_while_the_paragraph_is_written() -> None:
    prose = Prose()
    assert prose.feed("It is **so") == []
    assert prose.feed(". Very** good. ") == ["It is so."]
    assert prose.feed("And then? ") == ["Very good."]


def test_bold_text_is_not_read_before_it_is_closed() -> None:
    prose = Prose()
    assert prose.feed("First. Then **bold. Still") == ["First."]
    assert prose.feed(" bold. ") == []
    assert prose.feed("Yes** End. And") == ["Then bold.", "Still bold."]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_any_cut_of_a_document_says_the_same(parts: list[str], chance: random.Random) -> None:
    written = "".join(parts)
    pieces, at = [], 0
    while at < len(written):
        size = chance.randint(1, 4)
        pieces.append(written[at : at + size])
        at += size
    # Where a sentence ends may depend on what is known of the next; what is said may not.
    assert " ".join(read(*pieces)).split() == " ".join(read(written)).split()


def test_list_without_an_end_is_read_while_it_is_written() -> None:
    prose = Prose()
    said = [sentence for n in range(600) for sentence in prose.feed(f"- Item number {n} of many.\n")]
    assert len(said) > 590
    assert said + prose.end() == [f"Item number {n} of many." for n in range(600)]


def test_code_of_any_length_is_named_once() -> None:
    prose = Prose()
    said = prose.feed("So:\n\n```python\n")
    said += [sentence for n in range(400) for sentence in prose.feed(f"x{n} = 1  # not said.\n")]
    assert said + prose.feed("```\n\nDone.") + prose.end() == ["So:", CODE, "Done."]
