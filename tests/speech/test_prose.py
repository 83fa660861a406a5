"""An answer as one would read it aloud."""

import pytest

from millrace.speech.prose import Prose


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("This is **bold**, `code` and _this_ too.", "This is bold, code and this too."),
        ("## A heading", "A heading"),
        ("- an item", "an item"),
        ("See [the docs](https://example.com/a_b(c)?q=1) now.", "See the docs?q=1) now."),
        ("See [the docs](https://example.com/a).", "See the docs."),
        ("Go to https://www.example.com/a/b?c=d today.", "Go to www.example.com today."),
        ("snake_case and 3 * 4 stay", "snake_case and 3  4 stay"),
        ("| Name | Age |", "Name, Age"),
        ("|---|:--:|", ""),
        ("Plain words, nothing else.", "Plain words, nothing else."),
    ],
)
def test_signs_of_markdown_are_not_read(written: str, read: str) -> None:
    assert Prose().spoken(written) == read


def test_code_block_is_left_out_however_many_sentences_it_spans() -> None:
    prose = Prose()
    said = [prose.spoken(part) for part in ("So:", "```python", "x = 1.", "y = 2", "```", "Done.")]
    assert [part for part in said if part] == ["So:", "Done."]
