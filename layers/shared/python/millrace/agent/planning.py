"""The prompts that ask an agent for a plan, and then for an answer from the results of the planned tools.

They are here, below the flows that use them, because the demo agent, which has rules instead of a language
model, has to recognize them.
"""

import re
from collections.abc import Iterable

import orjson

from millrace.agent.model import ToolSpec

MAX_CALLS = 16
EXPECTED = f'a JSON list of at most {MAX_CALLS} calls: [{{"tool": "<name>", "arguments": {{...}}}}]'
_PLANNER = """Plan how to answer the user's request with these tools:
{tools}
Answer with nothing but {expected}, in order. An empty list if no tool is needed."""
_AGAIN = """{request}

Your last answer was no such plan: {error}
{answer}

Answer with nothing but the JSON list."""
_FINDINGS = "\n\nWhat the tools gave:\n"
_TOOL = re.compile(r"^([A-Za-z0-9_-]{1,64}): ", re.MULTILINE)


def planning_instructions(instructions: str, tools: Iterable[ToolSpec]) -> str:
    """Return the agent's own instructions, followed by a description of a plan."""
    listed = [f"{one.name}: {one.description} {orjson.dumps(one.parameters).decode()}" for one in tools]
    asked = _PLANNER.format(tools="\n".join(listed) or "none", expected=EXPECTED)
    return f"{instructions}\n\n{asked}".strip()


def tools_to_plan_with(instructions: str) -> set[str] | None:
    """Return the names of the tools if these instructions ask for a plan; otherwise None."""
    _, asked, listed = instructions.partition(_PLANNER.partition("\n")[0])
    return set(_TOOL.findall(listed)) if asked else None


def asked_again(request: str, answer: str, error: str) -> str:
    """Return the request after an answer that was not a plan."""
    return _AGAIN.format(request=request, answer=f"> {answer[:1000]}", error=error)


def with_findings(request: str, findings: Iterable[str]) -> str:
    """Return the request for an answer from the tools' findings."""
    found = "\n".join(findings)
    return f"{request}{_FINDINGS}{found}" if found else request


def findings_of(request: str) -> str:
    """Return the tools' findings from a request for an answer; empty if there are none."""
    return request.partition(_FINDINGS)[2]
