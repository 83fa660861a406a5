"""A task of a remote A2A agent, assembled from its updates."""

from typing import Any

import orjson

from millrace.agent.tools.mcp_server import McpServer as Remote
from millrace.agent.tools.tool import ToolResult
from millrace.net.errors import RequestFailed

_PREFIX = "TASK_STATE_"
_ASKS = frozenset({"INPUT_REQUIRED", "AUTH_REQUIRED"})
_FAILED = frozenset({"FAILED", "REJECTED", "CANCELED"})
_SETTLED = _ASKS | _FAILED | {"COMPLETED", "MESSAGE"}


class RemoteTask:
    """The task as far as it is known. `id` is empty until the agent has given one."""

    def __init__(self) -> None:
        self.id = ""
        self._state = ""
        self._said: list[Any] = []
        self._artifacts: dict[str, list[Any]] = {}

    @property
    def settled(self) -> bool:
        """True if nothing more will come by itself: the task has ended, or asks a question."""
        return self._state in _SETTLED

    def fold(self, update: dict[str, Any]) -> None:
        """Apply one update. Raises `RequestFailed` for data that is not A2A."""
        try:
            self._fold(update)
        except (AttributeError, KeyError, TypeError) as error:
            raise RequestFailed("The agent's answer is not A2A 1.0.") from error

    def _fold(self, update: dict[str, Any]) -> None:
        if "message" in update:
            self._state, self._said = "MESSAGE", list(update["message"]["parts"])
        elif "task" in update:
            task = update["task"]
            self.id = str(task["id"])
            self._status(task["status"])
            self._artifacts = {one["artifactId"]: list(one["parts"]) for one in task.get("artifacts", [])}
        elif "statusUpdate" in update:
            self.id = str(update["statusUpdate"]["taskId"])
            self._status(update["statusUpdate"]["status"])
        elif "artifactUpdate" in update:
            self._artifact(update["artifactUpdate"])

    def _status(self, status: dict[str, Any]) -> None:
        self._state = status["state"].removeprefix(_PREFIX)
        self._said = list((status.get("message") or {}).get("parts", []))

    def _artifact(self, update: dict[str, Any]) -> None:
        self.id = str(update["taskId"])
        artifact = update["artifact"]
        before = self._artifacts.get(artifact["artifactId"], []) if update.get("append") else []
        self._artifacts[artifact["artifactId"]] = [*before, *artifact["parts"]]

    def result(self, remote: Remote) -> ToolResult:
        """Return the result for the model, without the agent's secrets."""
        said = text_of(self._said)
        if self._state in _ASKS:
            text = (
                f"The agent {remote.name} asks before it continues: {said or 'it does not say what.'}\n"
                f"To answer, call this tool again with taskId {self.id!r} and the answer as message."
            )
        elif self._state in _FAILED:
            text = f"The agent {remote.name} did not complete the task ({self._state.lower()}): {said}"
        else:
            text = "\n\n".join(filter(None, map(text_of, self._artifacts.values()))) or said
        text = remote.redact(text)
        return ToolResult(ok=self._state not in _FAILED, text=text, summary=text)


def text_of(parts: list[Any]) -> str:
    """Return the parts as text: text as it came, data as JSON, files by their names."""
    return "".join(map(_part_text, parts))


def _part_text(part: Any) -> str:
    if not isinstance(part, dict):
        return ""
    if isinstance(part.get("text"), str):
        return str(part["text"])
    if "data" in part:
        return orjson.dumps(part["data"]).decode() + "\n"
    return f"[file {part.get('filename') or part.get('url') or part.get('mediaType') or ''}]\n"
