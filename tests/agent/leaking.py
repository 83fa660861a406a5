"""Helpers to use a leak filter as a turn does."""

from millrace.agent.leak import LeakFilter, Piece


def taken(leak: LeakFilter, token: str) -> list[Piece]:
    """The pieces of a token, of which most pass without being split."""
    return [Piece("text", token)] if leak.passes(token) else leak.feed(token)
