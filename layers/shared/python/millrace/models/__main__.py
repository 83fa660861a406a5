"""`python -m millrace.models check <model>`: checks with the model's server what an agent needs of a model,
and prints what works and what to set.

    python -m millrace.models check ollama:qwen3:8b
"""

import argparse
import asyncio
import sys

from millrace.agent.providers.connection import model_client
from millrace.agent.providers.registry import ProviderRegistry
from millrace.domain.agents import Agent
from millrace.errors import InvalidRequest, MillraceError
from millrace.models.checks import CONTEXT_TOKENS, Examination, Finding
from millrace.models.session import ModelSession
from millrace.services.runs.models import Models
from millrace.settings import Settings
from millrace.stores.aws import Aws

_SIGNS = {True: "✓", False: "✗", None: "-"}
_NEEDED = frozenset({"streamed answer", "tool call", "second round"})
"""Without these no agent works."""


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code: 0 if agents can use the model, 1 if they cannot, 2 for a wrong setting."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_check(options, _settings()))
    except MillraceError as error:
        print(error.message, file=sys.stderr)
        return 2


def _settings() -> Settings:
    settings = Settings.from_environment()
    return Models.keyed(settings, Aws(settings.region)) if settings.model_keys_secret else settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m millrace.models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="ask a real server for what an agent needs")
    check.add_argument("model", help="<provider>:<model>, as an agent names it")
    check.add_argument("--dialect", help="as an agent's `dialect`")
    check.add_argument("--starts-in-thinking", action="store_true", default=None)
    check.add_argument(
        "--context",
        type=int,
        default=CONTEXT_TOKENS,
        help="the tokens of the long prompt (default %(default)s)",
    )
    return parser


async def _check(options: argparse.Namespace, settings: Settings) -> int:
    agent = _agent(options)
    async with model_client() as client:
        provider, name = ProviderRegistry(settings, lambda: client).provider_for(options.model)
        session = ModelSession(provider, name, agent)
        print(options.model)
        found = []
        async for finding in Examination(session, options.model, options.context).run():
            found.append(finding)
            print(f"  {_SIGNS[finding.ok]} {finding.name:18} {finding.note}", flush=True)
    _print_advice(found)
    return 1 if any(finding.ok is not True for finding in found if finding.name in _NEEDED) else 0


def _agent(options: argparse.Namespace) -> Agent:
    """Return the agent to test. Raises `MillraceError` for settings that no agent can have."""
    try:
        return Agent(
            id="check",
            name="Check",
            model=options.model,
            dialect=options.dialect,
            starts_in_thinking=options.starts_in_thinking,
        )
    except ValueError as error:
        raise InvalidRequest(str(error)) from error


def _print_advice(found: list[Finding]) -> None:
    advice = dict.fromkeys(line for finding in found for line in finding.advice)
    if advice:
        print("\nWhat to set:")
        for line in advice:
            print(f"  - {line}")


if __name__ == "__main__":
    sys.exit(main())
