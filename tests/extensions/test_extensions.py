"""Extensions from another package in schemas, definitions, expressions, models and the command line, and
broken ones, which affect nothing else."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace import extensions
from millrace.agent.providers.registry import ProviderRegistry
from millrace.cli.app import run
from millrace.cli.session import Options
from millrace.client import Client
from millrace.errors import InvalidRequest, NotImplementedHere, Unavailable
from millrace.pipelines.definitions.definition import (
    InvalidDefinition,
    PipelineDefinition,
    json_schema,
    parse_definition,
    stored_definition,
)
from millrace.pipelines.errors import EvaluationError, InvalidExpression
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.expression import compile_expression
from millrace.settings import Settings
from millrace.speech.engines import Engines, SpeechConfig
from tests.api.talk import say
from tests.fakes.packages import installed

CONFIG = {"url": "https://acme.example/in", "token": "${secrets.ACME}"}
DEFINITION: dict[str, Any] = {
    "name": "To Acme",
    "source": {"type": "acme", "secret": "${secrets.ACME_IN}", "kinds": ["order"]},
    "destination": {"type": "acme", "config": CONFIG | {"retryPolicy": {"maxRetries": 1}}},
}


def test_definition_takes_kinds_of_an_installed_package(acme: None) -> None:
    parsed = parse_definition(DEFINITION)
    assert isinstance(parsed, PipelineDefinition)
    (target,) = parsed.targets
    assert (target.config.retry_policy.max_retries, target.config.channel) == (1, "general")  # type: ignore[union-attr]
    assert parsed.secrets == {"ACME", "ACME_IN"}
    assert parsed.model_dump(mode="json", by_alias=True, exclude_unset=True) == DEFINITION


def test_mistakes_in_its_config_are_named_by_their_paths(acme: None) -> None:
    wrong = DEFINITION | {"destination": {"type": "acme", "config": {"url": "ftp://x", "colour": 1}}}
    with pytest.raises(InvalidDefinition) as caught:
        parse_definition(wrong | {"source": {"type": "acme", "kinds": 7}})
    paths = {one["path"] for one in caught.value.details["problems"]}
    assert paths == {
        "source.kinds",
        "destination.config.url",
        "destination.config.token",
        "destination.config.colour",
    }
    with pytest.raises(InvalidDefinition, match=r"allowed are .*'acme'"):
        parse_definition(DEFINITION | {"destination": {"type": "acne", "config": {}}})


def test_schema_has_the_kinds_of_an_installed_package(acme: None) -> None:
    schema = json_schema()
    for field, ours in (("destination", "webhook"), ("source", "schedule")):
        mapping = json.dumps(schema["properties"][field])
        assert '"acme"' in mapping
        assert f'"{ours}"' in mapping
    assert schema["$defs"]["AcmeConfig"]["properties"].keys() >= {"url", "token", "channel", "rateLimit"}


def test_extension_is_unknown_without_its_package() -> None:
    assert "acme" not in json.dumps(json_schema())
    with pytest.raises(InvalidDefinition, match="`acme` is not known here"):
        parse_definition(DEFINITION | {"source": {"type": "api_event"}})
    with pytest.raises(InvalidRequest, match="Unknown model"):
        provider("acme:large")
    with pytest.raises(InvalidExpression, match="no function `initials`"):
        compile_expression('initials("A B")')


def test_stored_definition_outlives_its_package() -> None:
    """The pipeline's other destinations go on, and what it says stays as it was written."""
    hook = {"type": "webhook", "config": {"url": "https://a.example/"}}
    definition = {
        "name": "Two",
        "source": DEFINITION["source"],
        "destinations": [DEFINITION["destination"], hook],
    }
    found = stored_definition(definition)
    assert [one.type for one in found.targets] == ["acme", "webhook"]
    assert found.model_dump(mode="json", by_alias=True, exclude_unset=True) == definition


def provider(model: str) -> tuple[Any, str]:
    return ProviderRegistry(Settings("us-east-1"), httpx.AsyncClient).provider_for(model)


def evaluated(source: str, payload: dict[str, Any]) -> Any:
    event = Event(payload, "e1", "test", "test", 0, 0)
    return compile_expression(source).evaluate(payload, event)


def test_function_of_a_package_is_evaluated(acme: None) -> None:
    assert evaluated("initials(name)", {"name": "Ada Lovelace"}) == "AL"
    with pytest.raises(InvalidExpression, match="takes 1 argument"):
        compile_expression("initials()")


def test_agent_answers_by_the_model_of_a_package(
    acme: None, management: httpx.Client, chat: httpx.Client
) -> None:
    assert "acme" in management.get("/api/agent-parts").json()["providers"]
    made = management.post("/api/agents", json={"id": "acme", "name": "Acme", "model": "acme:large"})
    assert made.status_code == 201, made.text
    events = say(chat, "Hi", agentId="acme")
    data = [one.data for one in events]
    assert "".join(one["token"] for one in data if one["type"] == "token") == "Hello from large"
    assert data[-1]["usage"]["total"] == 6


BROKEN = """
raise RuntimeError("no licence")
"""
ODD = """
from millrace.pipelines.expressions.functions import Function

def fails(value):
    raise KeyError(value)

destination = source = engine = "no kind at all"
failing = Function(fails, 1, 1, "Fails.", ())
odd = Function(lambda value: object(), 1, 1, "Gives no JSON.", ())

def provider(client):
    raise OSError("no disk")
"""
EVERY: dict[str, dict[str, str]] = {point: {"broken": "broken_one:thing"} for point in extensions.POINTS}
ODDS = {
    "destinations": {"odd": "odd_one:destination"},
    "sources": {"odd": "odd_one:source"},
    "providers": {"odd": "odd_one:provider"},
    "speech_engines": {"odd": "odd_one:engine"},
    "expression_functions": {"failing": "odd_one:failing", "odd": "odd_one:odd"},
}


def test_broken_packages_harm_only_who_names_them(acme: None, tmp_path: Path) -> None:
    with installed(tmp_path, "broken-one", BROKEN, EVERY), installed(tmp_path, "odd-one", ODD, ODDS):
        parse_definition(DEFINITION)
        assert provider("acme:large")
        assert "broken" not in json_schema()["$defs"]
        reasons = {
            "broken": r"'broken' of broken-one 1.2 cannot be used. .*RuntimeError: no licence",
            "odd": r"'odd' of odd-one 1.2 cannot be used. It must be a",
        }
        for name, reason in reasons.items():
            for field, given in (("destination", {"type": name, "config": {}}), ("source", {"type": name})):
                with pytest.raises(InvalidDefinition, match=reason):
                    parse_definition(DEFINITION | {field: given})
                stored_definition(DEFINITION | {field: given})
        with pytest.raises(Unavailable, match="no licence"):
            provider("broken:x")
        with pytest.raises(Unavailable, match="OSError: no disk"):
            provider("odd:x")
        with pytest.raises(InvalidExpression):
            compile_expression("broken(1)")


def test_function_that_fails_fails_the_step_alone(tmp_path: Path) -> None:
    with installed(tmp_path, "odd-one", ODD, ODDS):
        for call, reason in (
            ("failing(a)", "odd-one 1.2 failed: KeyError"),
            ("odd(a)", "did not return a JSON value"),
        ):
            with pytest.raises(EvaluationError, match=reason):
                evaluated(call, {"a": 1})


def test_speech_engine_of_a_package_is_found_or_says_why_not(tmp_path: Path) -> None:
    code = "def engine():\n    return 'an engine'\n"
    with (
        installed(tmp_path, "speaking", code, {"speech_engines": {"speaking": "speaking:engine"}}),
        installed(tmp_path, "broken-one", BROKEN, EVERY),
    ):
        engines = Engines(SpeechConfig(), None, httpx.AsyncClient)  # type: ignore[arg-type]
        assert str(engines.get("speaking")) == "an engine"
        with pytest.raises(NotImplementedHere, match="no licence"):
            engines.get("broken")
        with pytest.raises(InvalidRequest, match=r"there are .*speaking"):
            engines.get("silent")


def test_two_packages_of_one_name_are_both_refused(acme: None, tmp_path: Path) -> None:
    points = {"destinations": {"acme": "other_acme:destination"}}
    with installed(tmp_path, "other-acme", "destination = 1", points):
        with pytest.raises(InvalidDefinition, match=r"Several packages .*acme-millrace 1.2, other-acme 1.2"):
            parse_definition(DEFINITION)


def test_doctor_lists_extensions_with_what_is_wrong(
    acme: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Options, "client", lambda self: Client("http://127.0.0.1:9", "x", policy=self.policy))
    monkeypatch.setattr("millrace.cli.session.QUICK", None)
    with installed(tmp_path, "broken-one", BROKEN, EVERY):
        assert run(["doctor", "--json"]) == 1
    found = {one["check"]: one for one in map(json.loads, capsys.readouterr().out.splitlines())}
    for point in ("destinations: acme", "sources: acme", "providers: acme", "expression_functions: initials"):
        assert found[f"{point} (acme-millrace 1.2)"]["status"] == "ok"
    for point in extensions.POINTS:
        broken = found[f"{point}: broken (broken-one 1.2)"]
        assert (broken["status"], "no licence" in broken["message"], bool(broken["remedy"])) == (
            "error",
            True,
            True,
        )
    assert found["connection"]["status"] == "error"


def test_doctor_says_what_else_it_found_where_no_local_stack_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_CONFIG", str(tmp_path / "no-profiles.json"))
    monkeypatch.setenv("MILLRACE_PORT", "9")
    for name in ("MILLRACE_URL", "MILLRACE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert run(["doctor", "--json"]) == 1
    found = {one["check"]: one for one in map(json.loads, capsys.readouterr().out.splitlines())}
    assert {"python", "millrace", "aws"} <= found.keys()
    assert found["login"]["status"] == "error"
    assert "MILLRACE_PORT" in found["login"]["remedy"]


def test_doctor_asks_a_deployment(
    acme: None, management: httpx.Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = management.headers["authorization"].removeprefix("Bearer ")
    monkeypatch.setattr(Options, "client", lambda self: Client(str(management.base_url), token))
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "destinations of the deployment: acme, analytics, database, notification, webhook" in out
    assert "acme" in out.partition("providers of the deployment: ")[2].partition("\n")[0]


def test_extensions_are_not_loaded_for_built_in_names() -> None:
    """In a process of its own: the metadata of packages is not even read."""
    code = """
import importlib.metadata, sys
def looked(**_): raise SystemExit("looked for extensions")
importlib.metadata.entry_points = looked
from millrace.pipelines.definitions.definition import parse_definition
from millrace.pipelines.plan import compile_plan
from millrace.agent.providers.registry import ProviderRegistry
from millrace.settings import Settings
compile_plan(parse_definition({
    "name": "x", "source": {"type": "api_event"},
    "transforms": [{"type": "map", "config": {"expression": {"a": "upper(path)"}}}],
    "destination": {"type": "webhook", "config": {"url": "https://a.example/"}},
}))
ProviderRegistry(Settings("us-east-1"), lambda: None).provider_for("echo:")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
