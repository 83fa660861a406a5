"""Stretches of a model's text by what they are."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Kind = Literal["text", "thinking", "call", "action", "action_input", "observation"]


class Piece(NamedTuple):
    """A stretch of one kind; adjacent pieces of a kind belong together, except whole `action` names and the
    blocks of `call`s."""

    kind: Kind
    text: str


def prefixes(words: Iterable[str]) -> str:
    """A pattern of every beginning of every word, longest first."""
    beginnings = {word[:end] for word in words for end in range(len(word) + 1)}
    return "|".join(sorted(beginnings, key=len, reverse=True))
