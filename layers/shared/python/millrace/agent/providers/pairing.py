"""Puts tool calls and their results in the order that every model server requires.

Each call must be answered exactly once, in the very next turn, under a unique id. A stored history may
violate that: it was cut at its beginning, a run was killed between two writes, or it was written before ids
were checked.
"""

from collections.abc import Iterator

from millrace.agent.call_ids import new_id, portable_id
from millrace.agent.model import Block, Message

NO_RESULT = "The result of this call is not known: it was never recorded."

_Waiting = list[tuple[str, str]]
"""Calls without a result yet: the id in the history and the id that is sent."""


def paired(turns: list[Message]) -> list[Message]:
    """Return the turns beginning with the user's, with a result for each call in the turn after it, and
    without results that answer no call."""
    out: list[Message] = []
    used: set[str] = set()
    waiting: _Waiting = []
    for turn in turns:
        if turn["role"] == "user":
            append(out, "user", [*_answers(turn["content"], waiting)])
            waiting = []
        # A history that was cut may begin with the assistant's turn, which no server accepts.
        elif out:
            append(out, "user", [_missing(id) for _, id in waiting])
            content, waiting = _with_ids(turn["content"], used)
            append(out, "assistant", content)
    append(out, "user", [_missing(id) for _, id in waiting])
    return out


def append(turns: list[Message], role: str, content: list[Block]) -> None:
    """Add a turn, or add its content to the last turn if that has the same role."""
    if not content:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"].extend(content)
    else:
        turns.append({"role": role, "content": content})


def _with_ids(content: list[Block], used: set[str]) -> tuple[list[Block], _Waiting]:
    blocks: list[Block] = []
    waiting: _Waiting = []
    for block in content:
        if use := block.get("toolUse"):
            id = portable_id(use["toolUseId"])
            id = new_id() if id in used else id
            used.add(id)
            waiting.append((use["toolUseId"], id))
            block = block | {"toolUse": use | {"toolUseId": id}}
        blocks.append(block)
    return blocks, waiting


def _answers(content: list[Block], waiting: _Waiting) -> Iterator[Block]:
    """Yield the results, one for each call that waits, then the rest."""
    results: dict[str, Block] = {}
    for block in content:
        if result := block.get("toolResult"):
            match = next(
                (id for old, id in waiting if old == result["toolUseId"] and id not in results), None
            )
            if match:
                results[match] = {"toolResult": result | {"toolUseId": match}}
    for _, id in waiting:
        yield results.get(id) or _missing(id)
    yield from (block for block in content if "toolResult" not in block)


def _missing(id: str) -> Block:
    return {"toolResult": {"toolUseId": id, "status": "error", "content": [{"text": NO_RESULT}]}}
