"""The built-in agent `conformance`, which behaves as A2A's official conformance kit expects of the agent
under test.

The prefix of a message's id tells the agent what to do. Its model (`agent.providers.conformance`) does what
other models do: it writes, asks, fails and calls tools. Files and direct messages, which none of our other
tools produce, are the results of its two tools, in the protocol's JSON.
"""

import orjson
from a2a.types.a2a_pb2 import Artifact, Message, Part, Role
from google.protobuf.json_format import ParseDict

from millrace.domain.agents import CONFORMANCE
from millrace.domain.events import LogEntry
from millrace.domain.runs import Run

AGENT_ID = CONFORMANCE.id
ARTIFACT, MESSAGE = CONFORMANCE.tool_names[:2]


def scripted_artifact(entry: LogEntry) -> Artifact | None:
    """Return the artifact that a tool of the agent has made."""
    if entry.event["name"] != ARTIFACT:
        return None
    part = ParseDict(orjson.loads(entry.event["result"]), Part())
    return Artifact(artifact_id=entry.event["id"], name="artifact", parts=[part])


def direct_message(run: Run, entry: LogEntry) -> Message | None:
    """Return the message with which the agent answers instead of a task."""
    if entry.event["name"] != MESSAGE:
        return None
    return Message(
        message_id=run.message_id,
        context_id=run.slot.conversation_id,
        role=Role.ROLE_AGENT,
        parts=[Part(text=entry.event["result"])],
    )
