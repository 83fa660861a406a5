"""Pieces of a model's text by kind."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Kind = Literal["text", "thinking", "call", "action", "action_input", "observation"]


class Piece(NamedTuple):
    """A piece of text of one kind. Adjacent pieces of a kind belong together, except the names of `action`s
    and the blocks of `call`s, which are complete."""

    kind: Kind
    text: str


def prefixes(words: Iterable[str]) -> str:
    """Return a pattern that matches every beginning of every word, the longest first."""
    beginnings = {word[:end] for word in words for end in range(len(word) + 1)}
    return "|".join(sorted(beginnings, key=len, reverse=True))
