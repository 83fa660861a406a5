"""The names of agents as tools: `ask_` and the agent's id.

Ids may have characters that are not allowed in the names of tools. Each is written as a dot and two
characters.
"""

import re

PREFIX = "ask_"
_ESCAPES = {".": ".d", ":": ".c", "~": ".t"}
_CHARACTERS = {escape: character for character, escape in _ESCAPES.items()}


def tool_name(agent_id: str) -> str:
    """Return the name of the tool that asks an agent."""
    return PREFIX + re.sub(r"[.:~]", lambda found: _ESCAPES[found[0]], agent_id)


def agent_id_of(name: str) -> str | None:
    """Return the id of the agent that a tool asks; None for a tool of another kind."""
    if not name.startswith(PREFIX):
        return None
    return re.sub(r"\.[dct]", lambda found: _CHARACTERS[found[0]], name.removeprefix(PREFIX))
