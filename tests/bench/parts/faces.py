"""The protocols that our agents speak beside their own, against the servers that those come from."""

from dataclasses import replace

from tests.bench._peers import A2A, AI_SDK, CHAT, FACES, Peer
from tests.bench._side import TOKENS, Rows, peers
from tests.bench._table import number, table, times
from tests.bench.parts.answers import measured_in_turns

MOST_SECONDS = 170
PAIRS = {
    "A2A": ("ours-a2a", "a2a-sdk"),
    "AI SDK": ("ours-ai-sdk", "ai-sdk"),
    "OpenAI": ("ours-openai", "litellm"),
}
COLUMNS = {"first_token_ms": "added to the first token, ms", "cpu_us_per_token": "CPU per token, us"}


def measure() -> Rows:
    """As `answers`, with each of our faces beside its reference server."""
    with peers(FACES) as (all_peers, model_url, rows):
        own, *others = all_peers
        versions = {peer.name: {"version": peer.version()} for peer in others}
        found = rows | measured_in_turns([*_faces(own), *others], model_url)
        return {name: versions.get(name, {}) | row for name, row in found.items()}


def _faces(own: Peer) -> list[Peer]:
    """Our server with the request of each protocol. A2A has a function of its own."""
    chat = CHAT | {"model": "agent:assistant"}
    function = own.environment["PYTHONPATH"].replace("conversation", "a2a")
    return [
        replace(own, name="ours-ai-sdk", path="/api/chat", body=AI_SDK),
        replace(own, name="ours-openai", path="/v1/chat/completions", body=chat),
        replace(
            own,
            name="ours-a2a",
            path="/a2a/assistant",
            body=A2A,
            headers={**own.headers, "A2A-Version": "1.0"},
            environment={**own.environment, "PYTHONPATH": function},
        ),
    ]


def section(rows: Rows) -> list[str]:
    """A line for each protocol, and one for its reference."""
    shown = []
    for protocol, (ours, theirs) in PAIRS.items():
        own, other = rows.get(ours, {}), rows.get(theirs, {})
        shown.append([f"{protocol}: millrace", *(number(own.get(one)) for one in COLUMNS)])
        name = other.get("version", theirs)
        shown.append([f"{protocol}: {name}", *(times(other.get(one), own.get(one)) for one in COLUMNS)])
    failed = [f"- {name}: {row['failed']}" for name, row in rows.items() if "failed" in row]
    return [
        "## Other protocols, compared with their reference servers",
        "",
        f"Answers of {TOKENS} tokens, as above: A2A compared with `a2a-sdk`'s own server, the AI SDK with "
        "`streamText` on Node, and OpenAI's chat completions with LiteLLM's proxy. None of the three stores "
        "what it has sent: a client that loses its connection loses the answer. Where one is ahead in the "
        "first token, it saves the read of the conversation.",
        "",
        *table(["", *COLUMNS.values()], shown),
        *failed,
        *([""] if failed else []),
    ]
