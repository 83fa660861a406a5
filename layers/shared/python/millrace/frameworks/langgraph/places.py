"""The keys of LangGraph's checkpoints: thread, namespace and id."""

from typing import NamedTuple
from urllib.parse import quote, unquote

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import get_checkpoint_id


class Place(NamedTuple):
    """The thread, namespace and id of a checkpoint."""

    thread: str
    namespace: str
    id: str

    @classmethod
    def of(cls, config: RunnableConfig) -> "Place":
        """Return the place that a configuration names; its id is empty if none is given."""
        given = config["configurable"]
        return cls(str(given["thread_id"]), given.get("checkpoint_ns", ""), get_checkpoint_id(config) or "")

    @classmethod
    def read(cls, key: str) -> "Place":
        """Return the place in a key."""
        _, thread, namespace, id = key.split("/")[:4]
        return cls(unquote(thread), unquote(namespace), unquote(id))

    def prefix(self, kind: str) -> str:
        """Return the prefix of the keys of all checkpoints of the thread and namespace."""
        return f"{kind}/{quoted(self.thread)}/{quoted(self.namespace)}/"

    def key(self, kind: str = "c") -> str:
        """Return the key of the checkpoint."""
        return self.prefix(kind) + quoted(self.id)

    def config(self) -> RunnableConfig:
        """Return the configuration that names the checkpoint."""
        return {
            "configurable": {
                "thread_id": self.thread,
                "checkpoint_ns": self.namespace,
                "checkpoint_id": self.id,
            }
        }


def quoted(name: str) -> str:
    """Return a name quoted as a part of a key."""
    return quote(name, safe=":|.-_")
