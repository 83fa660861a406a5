"""Servers that answer with a model's stream: ours, and what a user would pick instead (`bench/`).

Each peer lives in an environment of its own under `.venv-bench`, made when it is first measured from the
newest packages of PyPI or npm; none of them is a dependency of the project.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from local.node import command as node_command

ROOT = Path(__file__).parent.parent.parent
BENCH = ROOT / "bench"
ENVIRONMENTS = ROOT / ".venv-bench"
UV = Path(sys.executable).parent / "uv"
INSTALLED_WITHIN = 150
CONTENT = {"content": "Hi"}
AI_SDK = {
    "trigger": "submit-message",
    "id": "{conversation}",
    "messages": [{"id": "m-{conversation}", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}],
}
CHAT = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
A2A = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "SendStreamingMessage",
    "params": {"message": {"messageId": "m-{conversation}", "role": "ROLE_USER", "parts": [{"text": "Hi"}]}},
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
        return str(self.folder / "bin" / "python") if self.packages else sys.executable

    def answering_with(self, model: str) -> "Peer":
        """The same with another model, where its environment names one."""
        named = {"DEFAULT_MODEL": f"openai:{model}"} if "DEFAULT_MODEL" in self.environment else {}
        return replace(self, environment={**self.environment, **named})

    @property
    def folder(self) -> Path:
        """Of its environment."""
        return ENVIRONMENTS / self.name

    @property
    def is_node(self) -> bool:
        """Its packages come from npm."""
        return self.script.endswith(".mjs")

    def install(self) -> None:
        """Make its environment where there is none."""
        done = self.folder / ".done"
        if not self.packages or done.exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.is_node:
            self.folder.mkdir(parents=True)
            npm = node_command(["npm", "--prefix", str(self.folder), "install", "--no-audit", "--no-fund"])
            _run([*npm, "--loglevel=error", *self.packages])
        else:
            _run([str(UV), "venv", "-q", "--python", sys.executable, str(self.folder)])
            _run(
                [
                    str(UV),
                    "pip",
                    "install",
                    "-q",
                    "--compile-bytecode",
                    "--python",
                    self.python,
                    *self.packages,
                ]
            )
        done.touch()

    def version(self) -> str:
        """The version of its first package, as it is installed."""
        if not self.packages:
            return "this repository"
        package = self.packages[0].partition("[")[0]
        if self.is_node:
            found = json.loads((self.folder / "node_modules" / package / "package.json").read_text())
            return f"{package} {found['version']}"
        asked = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
        return f"{package} {_run([self.python, '-c', asked])}"

    def start(self, port: int, model_url: str, model: str) -> "subprocess.Popen[bytes]":
        """Start serving."""
        own = {"PORT": str(port), "MODEL_URL": model_url, "MODEL": model, "OPENAI_API_KEY": "k"}
        given = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        command, folder = self._command(port)
        return subprocess.Popen(
            command,
            cwd=folder,
            env=given | dict(self.environment) | own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _command(self, port: int) -> tuple[list[str], Path]:
        """The words of its command, and the folder to run it in."""
        script = BENCH / self.script
        if self.is_node:
            # Beside its packages, where Node looks for them.
            shutil.copy(script, self.folder)
            return node_command(["node", str(self.folder / script.name)]), self.folder
        if not self.script.endswith(".json"):
            return [self.python, str(script)], BENCH
        # A copy without the state that it keeps beside the graph: it begins with the runs that were left.
        folder = self.folder / "app"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(script.parent, folder, dirs_exist_ok=True)
        command = [str(Path(self.python).parent / "langgraph"), "dev", "--no-browser", "--no-reload"]
        return [*command, "--port", str(port), "--n-jobs-per-worker", "64"], folder


def _run(command: list[str]) -> str:
    """Return what the command says. Raises `OSError` when it fails, or takes too long."""
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=INSTALLED_WITHIN)
    except subprocess.CalledProcessError as error:
        raise OSError(f"{Path(command[0]).name}: {error.stderr.strip()[-150:]}") from error
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{Path(command[0]).name} took longer than {INSTALLED_WITHIN} s") from error
    return said.stdout.strip()


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
FACES = (
    Peer(
        "a2a-sdk",
        ("a2a-sdk[http-server]", "openai", "uvicorn"),
        "a2a_sdk_app.py",
        "/a2a",
        A2A,
        "its own server around the openai package; keeps tasks in memory",
        {"A2A-Version": "1.0"},
    ),
    Peer(
        "ai-sdk",
        ("ai", "@ai-sdk/openai-compatible"),
        "ai_sdk.mjs",
        "/",
        AI_SDK,
        "`streamText` on Node's HTTP server; keeps nothing",
    ),
    Peer(
        "litellm",
        ("litellm[proxy]",),
        "litellm_app.py",
        "/v1/chat/completions",
        CHAT | {"model": "fake-tokens=500"},
        "its proxy; keeps nothing",
        {"Authorization": "Bearer sk-bench"},
    ),
)
"""Reference servers of the protocols that our agents speak beside their own."""
