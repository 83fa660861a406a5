"""Splitting text into the pieces that an engine gets at once."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from millrace.speech.sentences import FIRST, LONGEST, Sentences, clean, says_something, sentences_of

WORDS = st.lists(
    st.sampled_from(
        [
            "Dr.",
            "Smith",
            "said",
            "no!",
            "Why?",
            "3.14",
            "e.g.",
            "\n\n",
            "...",
            "元気です。",
            '"Stop."',
            "x" * 400,
        ]
    ),
    max_size=80,
).map(" ".join)


def heard(pieces: list[str]) -> str:
    """The characters that can be heard, in order."""
    return "".join(c for piece in pieces for c in piece if says_something(c))


def fed(parts: list[str]) -> list[str]:
    sentences = Sentences("en")
    return [piece for part in parts for piece in sentences.feed(part)] + sentences.end()


def test_text_is_cut_into_sentences_and_not_inside_abbreviations_or_numbers() -> None:
    assert list(sentences_of("Dr. Smith paid 3.14 dollars. He left!  Did he?\nYes")) == [
        "Dr. Smith paid 3.14 dollars.",
        "He left!",
        "Did he?",
        "Yes",
    ]


@given(WORDS, st.lists(st.integers(0, 4000), max_size=30))
def test_filter_loses_nothing_however_the_text_is_cut_into_tokens(text: str, cuts: list[int]) -> None:
    positions = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    parts = [text[a:b] for a, b in pairwise(positions)]
    assert heard(fed(parts)) == heard([text])


@given(WORDS)
def test_pieces_are_bounded_and_the_first_is_short(text: str) -> None:
    pieces = list(sentences_of(text))
    assert all(len(piece) <= LONGEST for piece in pieces)
    assert all(len(piece) <= FIRST for piece in pieces[:1])


def test_sentence_is_given_out_as_soon_as_the_next_one_begins() -> None:
    sentences = Sentences("en")
    assert sentences.feed("It is done") == []
    assert sentences.feed(".") == []
    assert sentences.feed(" Now") == ["It is done."]
    assert sentences.end() == ["Now"]


def test_long_sentence_is_cut_behind_a_clause() -> None:
    clause = "and the rain went on and on over the hills,"
    pieces = list(sentences_of(" ".join([clause] * 20)))
    assert len(pieces) > 2
    assert all(piece.endswith("hills,") for piece in pieces)


def test_number_is_not_cut_at_its_comma() -> None:
    pieces = list(sentences_of("word " * 15 + "1,000,000 " + "word " * 60))
    assert any("1,000,000" in piece for piece in pieces)


def test_hundred_thousand_letters_without_any_sign_are_all_spoken() -> None:
    assert sum(map(len, sentences_of("x" * 100_000))) == 100_000


def test_unspeakable_character_becomes_a_space() -> None:
    assert clean("a\x00b\x1bc\ud800d\u200de") == "a b c d\u200de"


def test_signs_alone_say_nothing() -> None:
    assert not says_something(" ... !? — “” \n")
    assert says_something("€")
    assert list(sentences_of("... !!! ...")) == []
