"""The places of LangGraph's checkpoints: thread, namespace and id, and their keys."""

from typing import NamedTuple
from urllib.parse import quote, unquote

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import get_checkpoint_id


class Place(NamedTuple):
    """The place of a checkpoint."""

    thread: str
    namespace: str
    id: str

    @classmethod
    def of(cls, config: RunnableConfig) -> "Place":
        """The place that a configuration names; its id is empty where it names none."""
        given = config["configurable"]
        return cls(str(given["thread_id"]), given.get("checkpoint_ns", ""), get_checkpoint_id(config) or "")

    @classmethod
    def read(cls, key: str) -> "Place":
        """The place of a key."""
        _, thread, namespace, id = key.split("/")[:4]
        return cls(unquote(thread), unquote(namespace), unquote(id))

    def prefix(self, kind: str) -> str:
        """The beginning of the keys of all checkpoints of the thread and its namespace."""
        return f"{kind}/{quoted(self.thread)}/{quoted(self.namespace)}/"

    def key(self, kind: str = "c") -> str:
        """The key of the checkpoint."""
        return self.prefix(kind) + quoted(self.id)

    def config(self) -> RunnableConfig:
        """The configuration that names it."""
        return {
            "configurable": {
                "thread_id": self.thread,
                "checkpoint_ns": self.namespace,
                "checkpoint_id": self.id,
            }
        }


def quoted(name: str) -> str:
    """A name as a part of a key."""
    return quote(name, safe=":|.-_")
