"""Servers that answer with a model's stream: ours, and what a user would pick instead (`bench/`).

Each peer lives in an environment of its own under `.venv-bench`, made when it is first measured from the
newest packages of PyPI; none of them is a dependency of the project.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENTS = ROOT / ".venv-bench"
UV = Path(sys.executable).parent / "uv"
CONTENT = {"content": "Hi"}
AI_SDK = {
    "trigger": "submit-message",
    "id": "chat",
    "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}],
}
LANGGRAPH = {
    "assistant_id": "agent",
    "input": {"messages": [{"role": "user", "content": "Hi"}]},
    "stream_mode": ["messages-tuple"],
}


@dataclass(frozen=True, eq=False)
class Peer:
    """A server: the packages that its environment has, of which the first gives it its version; the script or
    command that serves it on $PORT, with the model $MODEL of $MODEL_URL; and a request for an answer."""

    name: str
    packages: tuple[str, ...]
    script: str
    path: str
    body: Mapping[str, Any]
    does: str
    headers: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def python(self) -> str:
        """The interpreter of its environment; our own one where it needs no packages."""
        return str(ENVIRONMENTS / self.name / "bin" / "python") if self.packages else sys.executable

    def answering_with(self, model: str) -> "Peer":
        """The same with another model, where its environment names one."""
        named = {"DEFAULT_MODEL": f"openai:{model}"} if "DEFAULT_MODEL" in self.environment else {}
        return replace(self, environment={**self.environment, **named})

    def install(self) -> None:
        """Make its environment where there is none."""
        done = ENVIRONMENTS / self.name / ".done"
        if not self.packages or done.exists():
            return
        python = ["--python", self.python]
        subprocess.run([UV, "venv", "-q", "--clear", "--python", sys.executable, done.parent], check=True)
        subprocess.run([UV, "pip", "install", "-q", *python, *self.packages], check=True)
        done.touch()

    def version(self) -> str:
        """The version of its first package, as it is installed."""
        if not self.packages:
            return "this repository"
        package = self.packages[0].partition("[")[0]
        asked = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
        found = subprocess.run([self.python, "-c", asked], capture_output=True, text=True, check=True)
        return f"{package} {found.stdout.strip()}"

    def start(self, port: int, model_url: str, model: str) -> "subprocess.Popen[bytes]":
        """Start serving."""
        command = [self.python, str(ROOT / "bench" / self.script)]
        folder = ROOT / "bench"
        if self.script.endswith(".json"):
            cli = str(Path(self.python).parent / "langgraph")
            command = [cli, "dev", "--no-browser", "--no-reload", "--port", str(port)]
            command += ["--n-jobs-per-worker", "64"]
            # A copy without the state that it keeps beside the graph: it begins with the runs that were left.
            folder = ENVIRONMENTS / self.name / "app"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree((ROOT / "bench" / self.script).parent, folder, dirs_exist_ok=True)
        own = {"PORT": str(port), "MODEL_URL": model_url, "MODEL": model, "OPENAI_API_KEY": "k"}
        given = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return subprocess.Popen(
            command,
            cwd=folder,
            env=given | dict(self.environment) | own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


PEERS = (
    Peer(
        "relay",
        ("starlette", "httpx", "uvicorn"),
        "relay_app.py",
        "/chat",
        CONTENT,
        "passes bytes on and reads none: the floor",
    ),
    Peer(
        "openai-sdk",
        ("openai", "fastapi", "uvicorn"),
        "openai_sdk_app.py",
        "/chat",
        CONTENT,
        "FastAPI with the openai package; keeps nothing",
    ),
    Peer(
        "agentcore",
        ("bedrock-agentcore", "openai"),
        "agentcore_app.py",
        "/invocations",
        CONTENT,
        "its server around the openai package; keeps nothing",
    ),
    Peer(
        "openai-agents",
        ("openai-agents", "fastapi", "uvicorn"),
        "openai_agents_app.py",
        "/chat",
        CONTENT,
        "agent loop; keeps nothing",
    ),
    Peer(
        "pydantic-ai",
        ("pydantic-ai-slim[openai,ui]", "uvicorn"),
        "pydantic_ai_app.py",
        "/chat",
        AI_SDK,
        "agent loop, AI SDK protocol; keeps nothing",
    ),
    Peer(
        "strands",
        ("strands-agents[openai]", "fastapi", "uvicorn"),
        "strands_app.py",
        "/chat",
        CONTENT,
        "agent loop; keeps nothing",
    ),
    Peer(
        "langgraph",
        ("langgraph-api", "langgraph-cli[inmem]", "langchain-openai"),
        "langgraph/langgraph.json",
        "/runs/stream",
        LANGGRAPH,
        "agent server with a queue; keeps runs in memory",
    ),
)
