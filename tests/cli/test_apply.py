"""`millrace apply` and `millrace export` against the apps, on the emulated AWS."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from millrace.cli.app import run
from millrace.cli.configuration import carry_out, plan
from millrace.cli.configuration.export import exported
from millrace.cli.configuration.files import read_files
from millrace.cli.configuration.kinds import KINDS
from millrace.cli.configuration.references import References, literal
from millrace.cli.configuration.texts import write_text
from millrace.cli.session import Options
from millrace.client import APIError, Client, NotFoundError, Policy
from tests.api.conftest import issuer, keys_url, organization
from tests.api.test_round_trip import urls
from tests.effort import effort
from tests.tokens import Issuer

__all__ = ["issuer", "keys_url", "organization", "urls"]

SHOP = """\
label: shop
secrets:
  CRM_KEY: {hosts: [crm.example.com]}
agents:
  clerk:
    name: Clerk
    model: "echo:"
    instructions: |
      Be kind.
      Be brief.
    mcpServers:
      - {name: docs, url: "https://docs.example/mcp", headers: {x-key: "${env.DOCS_KEY}"}}
pipelines:
  orders:
    name: Orders
    state: running
    source: {type: api_event}
    destination:
      type: webhook
      config: {url: "https://crm.example.com/orders", headers: {x-key: "${secrets.CRM_KEY}"}}
  hook:
    name: Hook
    source: {type: webhook}
    destination: {type: webhook, config: {url: "https://crm.example.com/hook"}}
flows:
  report:
    steps: [{name: ask, type: agent, agentId: clerk}]
alerts:
  errors: {name: Errors, metric: error_rate, threshold: 0.05}
"""
HOOK = """\
label: hook
pipelines:
  hook:
    name: Hook
    source: {type: webhook}
    destination: {type: webhook, config: {url: "${env.MILLRACE_URL}/_local/events"}}
"""
ALL = (
    "secrets.CRM_KEY",
    "agents.clerk",
    "pipelines.orders",
    "pipelines.hook",
    "flows.report",
    "alerts.errors",
)
QUICK = Policy(attempts=1)


@pytest.fixture
def client(
    urls: dict[str, str], issuer: Issuer, organization: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    """A client of all apps, which commands use, too."""
    token = issuer.token(organization)
    with Client(urls["/api"], token, functions=urls, policy=QUICK) as client:
        monkeypatch.setattr(Options, "client", lambda self: Client(urls["/api"], token, functions=urls))
        yield client


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRM_KEY", "sesame-crm")
    monkeypatch.setenv("DOCS_KEY", "sesame-docs")
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP)
    return file


class Applied:
    """The outcome of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def apply(client: Client, capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*arguments: str | Path) -> Applied:
        code = run(["apply", *map(str, arguments)])
        return Applied(code, *capsys.readouterr())

    return command


def test_second_apply_has_nothing_to_do(client: Client, shop: Path, apply: Any) -> None:
    first = apply(shop, "--yes")
    assert first.code == 0, first.err
    assert [f"+ {name}" in first.out for name in ALL] == [True] * 6
    assert client.streaming.get_pipeline("orders").state == "running"
    for arguments in ([shop, "--yes"], [shop, "--dry-run"], [shop, "--dry-run", "--prune"]):
        again = apply(*arguments)
        assert (again.code, again.out) == (0, "Nothing to do. 6 unchanged.\n")


def test_address_of_the_deployment_is_a_variable_also_without_the_environment(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MILLRACE_URL", raising=False)
    file = tmp_path / "hook.yaml"
    file.write_text(HOOK)
    assert run(["--url", "https://millrace.example.com", "apply", str(file), "--yes"]) == 0
    assert "https://millrace.example.com/_local/events" in write_text(exported(client))


def test_dry_run_shows_the_plan_and_changes_nothing(client: Client, shop: Path, apply: Any) -> None:
    assert apply(shop, "--dry-run").code == 6
    assert [one.id for one in client.agents.list()] == ["demo", "echo"]
    assert not list(client.streaming.list_secrets())
    apply(shop, "--yes")
    before = client.agents.get("clerk")
    shop.write_text(SHOP.replace("Be kind.", "Be strict.").replace("0.05", "0.1"))
    planned = apply(shop, "--dry-run")
    assert planned.code == 6
    assert f"~ agents.clerk  ({shop}:5)\n    instructions: Be kind." in planned.out
    assert "threshold: 0.05 -> 0.1" in planned.out
    assert client.agents.get("clerk") == before
    as_json = json.loads(run_json(apply, shop))
    changed = {one["key"]: one for one in as_json["changes"] if one["action"] != "unchanged"}
    assert changed["clerk"]["fields"] == ["instructions"]


def run_json(apply: Any, shop: Path) -> str:
    out: str = apply(shop, "--dry-run", "--json").out
    return out


def test_apply_without_a_terminal_needs_yes(client: Client, shop: Path, apply: Any) -> None:
    refused = apply(shop)
    assert (refused.code, "--yes" in refused.err) == (2, True)
    with pytest.raises(NotFoundError):
        client.agents.get("clerk")


def test_mistakes_are_found_by_the_server_before_anything_is_written(
    client: Client, shop: Path, apply: Any
) -> None:
    text = SHOP.replace("model:", "modle:").replace("agentId: clerk", "agentId: ''")
    text = text.replace("type: api_event", "type: api_events")
    shop.write_text(text.replace("threshold: 0.05", "threshold: 5"))
    refused = apply(shop, "--yes")
    assert refused.code == 2
    lines = {
        one.removeprefix(f"{shop}:").partition(":")[0]: one
        for one in refused.err.splitlines()
        if str(shop) in one
    }
    assert "agents.clerk.modle" in lines["7"]
    assert "pipelines.orders.source" in lines["17"]
    assert "flows.report.steps.0" in lines["27"]
    assert "never triggers" in lines["29"]
    assert [one.id for one in client.agents.list()] == ["demo", "echo"]
    assert not list(client.streaming.list_secrets())


def test_prune_deletes_only_what_has_the_label(client: Client, shop: Path, apply: Any) -> None:
    apply(shop, "--yes")
    client.agents.put("by-hand", name="By hand", model="echo:")
    client.agents.put("other", name="Another file's", model="echo:", managed_by="support")
    shop.write_text("label: shop\nagents:\n  clerk: {name: Clerk, model: 'echo:'}\n")
    assert apply(shop, "--yes").code == 0
    assert client.flows.get("report")
    pruned = apply(shop, "--yes", "--prune")
    assert pruned.code == 0, pruned.err
    assert "- pipelines.orders\n    stop\n" in pruned.out
    assert [one.id for one in client.agents.list()][2:] == ["by-hand", "clerk", "other"]
    assert not list(client.streaming.list_pipelines())
    assert not list(client.flows.list())
    assert not client.alerts.list().items
    assert [one.name for one in client.streaming.list_secrets()] == ["CRM_KEY"]
    shop.write_text("agents: {}\n")
    assert "give it a label" in apply(shop, "--prune", "--yes").err


def test_label_of_another_file_is_taken_over_only_when_asked(client: Client, shop: Path, apply: Any) -> None:
    client.agents.put("clerk", name="Theirs", model="echo:", managed_by="support")
    refused = apply(shop, "--yes")
    assert (refused.code, "'support' of another file" in refused.err) == (2, True)
    assert apply(shop, "--yes", "--take-over").code == 0
    assert getattr(client.agents.get("clerk"), "managed_by", "") == "shop"


def test_change_of_somebody_else_after_the_plan_is_not_overwritten(
    client: Client, shop: Path, apply: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(shop, "--yes")
    shop.write_text(SHOP.replace("Be kind.", "Be strict."))
    planned = plan.Planner.plan

    def raced(self: Any, *arguments: Any) -> Any:
        found = planned(self, *arguments)
        client.agents.change("clerk", description="by somebody else")
        return found

    monkeypatch.setattr(plan.Planner, "plan", raced)
    refused = apply(shop, "--yes")
    assert (refused.code, "Somebody else has changed this" in refused.err) == (1, True)
    assert client.agents.get("clerk").description == "by somebody else"


def test_lost_answer_of_a_write_is_no_conflict(
    client: Client, shop: Path, apply: Any, monkeypatch: Any
) -> None:
    kind = type(KINDS[0])
    put = kind.put

    def twice(self: Any, client: Client, key: str, body: Any, **options: Any) -> Any:
        put(self, client, key, body, **options)
        return put(self, client, key, body, **options)

    monkeypatch.setattr(kind, "put", twice)
    assert apply(shop, "--yes").code == 0


def test_apply_that_was_cut_goes_on(client: Client, shop: Path, apply: Any, monkeypatch: Any) -> None:
    """Wherever it stops, the next one does the rest, and nothing is there twice."""
    make = carry_out._make
    for stop in range(6):
        seen: list[str] = []

        def cut(client: Client, change: Any, stop: int = stop, seen: list[str] = seen) -> None:
            if len(seen) == stop:
                raise APIError(503, {"code": "unavailable", "message": "Cut."})
            make(client, change)
            seen.append(change.key)

        shop.write_text(changed(stop))
        monkeypatch.setattr(carry_out, "_make", cut)
        cut_off = apply(shop, "--yes", "--secrets")
        assert (cut_off.code, "apply again" in cut_off.err) == (1, True)
        monkeypatch.setattr(carry_out, "_make", make)
        assert apply(shop, "--yes").code == 0
        assert apply(shop, "--dry-run").code == 0
    assert len([one for one in client.streaming.list_pipelines() if one.name == "Hook"]) == 1


def changed(number: int) -> str:
    """The file with another value in each of its resources."""
    text = SHOP.replace("Be brief.", f"Be brief {number}.").replace("0.05", f"0.{number + 1}")
    text = text.replace("name: Orders", f"name: Orders {number}").replace("/hook", f"/hook{number}")
    return text.replace("name: ask", f"name: ask{number}")


def test_secrets_are_written_when_new_moved_or_asked_for(
    client: Client, shop: Path, apply: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(shop, "--yes")
    for name in ("CRM_KEY", "DOCS_KEY"):
        monkeypatch.delenv(name)
    assert apply(shop, "--dry-run").code == 0, "what is stored needs no value"
    moved = SHOP.replace("docs.example", "docs.example.org").replace("[crm.example.com]", "['*.example.com']")
    shop.write_text(moved)
    missing = apply(shop, "--yes")
    assert missing.code == 2
    assert f"{shop}:3: secrets.CRM_KEY.value: the variable CRM_KEY is not set" in missing.err
    assert "agents.clerk: the variable DOCS_KEY is not set" in missing.err
    monkeypatch.setenv("CRM_KEY", "a")
    monkeypatch.setenv("DOCS_KEY", "b")
    assert apply(shop, "--yes").code == 0
    assert apply(shop, "--dry-run").code == 0
    again = apply(shop, "--dry-run", "--secrets")
    assert "~ secrets.CRM_KEY" in again.out
    assert "~ agents.clerk" in again.out
    assert "~ pipelines" not in again.out


def test_pipeline_moves_between_running_and_paused(client: Client, shop: Path, apply: Any) -> None:
    for state in ("running", "paused", "running"):
        shop.write_text(SHOP.replace("state: running", f"state: {state}"))
        assert apply(shop, "--yes").code == 0
        assert client.streaming.get_pipeline("orders").state == state
    shop.write_text(SHOP.replace("state: running", "state: stopped"))
    refused = apply(shop, "--yes")
    assert (refused.code, f"{shop}:16: pipelines.orders.state" in refused.err) == (2, True)


def test_export_is_a_file_that_changes_nothing(
    client: Client, shop: Path, apply: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(shop, "--yes")
    for number, arguments in enumerate((["--label", "shop"], [])):
        file = tmp_path / f"exported{number}.yaml"
        assert run(["export", *arguments, "-o", str(file)]) == 0
        text = file.read_text()
        assert "sesame" not in text
        assert "Be kind.\n      Be brief.\n" in text, "lines stay readable"
        assert "x-key: ${env.CLERK_DOCS_X_KEY}" in text
        unchanged = apply(file, "--dry-run")
        assert (unchanged.code, unchanged.out.startswith("Nothing to do.")) == (0, True), unchanged.out
    assert run(["export", "--json"]) == 0
    as_json = tmp_path / "exported.json"
    as_json.write_text(capsys.readouterr().out)
    assert apply(as_json, "--dry-run").code == 0


def test_file_of_the_guide_is_applied(client: Client, shop: Path, apply: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("DOCS_TOKEN", "sesame")
    guide = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    text = guide.partition("```yaml\n")[2].partition("```")[0]
    shop.write_text(text.replace("bedrock:us.amazon.nova-lite-v1:0", "'echo:'"))
    assert apply(shop, "--yes").code == 0
    assert apply(shop, "--dry-run", "--prune").code == 0


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30) | (
    st.sampled_from(["yes", "1", "a\nb\n", "${env.A}", "null", " a: b # c "])
)
AGENTS = st.fixed_dictionaries(
    {"name": WORDS},
    optional={
        "description": WORDS,
        "instructions": WORDS,
        "model": st.sampled_from(["echo:", "demo:"]),
        "tools": st.lists(
            st.sampled_from(["calculator", {"name": "current_time", "policy": "ask"}]),
            max_size=2,
            unique_by=str,
        ),
        "limits": st.fixed_dictionaries({}, optional={"maxIterations": st.integers(1, 200)}),
        "starters": st.lists(WORDS, max_size=2),
        "react": st.booleans(),
        "responseSchema": st.just({"type": "object", "properties": {"a": {"default": None}}}),
    },
)
FLOWS = st.fixed_dictionaries(
    {"steps": st.just([{"name": "ask", "type": "agent", "agentId": "demo"}])},
    optional={
        "description": WORDS,
        "output": st.just("steps.ask"),
        "limits": st.fixed_dictionaries({}, optional={"maxTokens": st.sampled_from([8192, 100_000])}),
    },
)
ALERTS = st.fixed_dictionaries(
    {"name": WORDS, "metric": st.sampled_from(["cost", "tokens"]), "threshold": st.floats(0.5, 1e6)},
    optional={"enabled": st.booleans(), "op": st.sampled_from(["gt", "lt"]), "agentIds": st.just(["demo"])},
)
PIPELINES = st.fixed_dictionaries(
    {
        "name": WORDS,
        "source": st.just({"type": "api_event"}),
        "destination": st.just(
            {"type": "webhook", "config": {"url": "https://a.example/x", "method": "POST"}}
        ),
    },
    optional={
        "description": st.none() | WORDS,
        "transforms": st.lists(
            st.just({"type": "filter", "config": {"field": "a", "operator": "gt", "value": 1}}), max_size=1
        ),
        "state": st.sampled_from(["running", "paused"]),
    },
)


def by_key(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True), values, max_size=2)


@settings(
    max_examples=effort(3, 300),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each example asks three apps some hundred times
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.fixed_dictionaries(
        {
            "agents": by_key(AGENTS),
            "flows": by_key(FLOWS),
            "alerts": by_key(ALERTS),
            "pipelines": by_key(PIPELINES),
        }
    )
)
def test_export_of_what_was_applied_says_the_same(
    urls: dict[str, str], issuer: Issuer, tmp_path: Path, defined: dict[str, Any]
) -> None:
    """A file, applied; exported, applied anywhere else; exported again: the two exports are one text, and
    neither deployment has anything to do for either."""
    file = tmp_path / "defined.yaml"
    file.write_text(write_text({name: one for name, one in literal(defined).items() if one}))
    exports = []
    for _ in range(2):
        with Client(urls["/api"], issuer.token(f"org-{uuid.uuid4().hex}"), functions=urls) as client:
            applied(client, file, write=True)
            exports.append(write_text(exported(client)))
            assert not applied(client, file)
            file.write_text(exports[-1])
            assert not applied(client, file)
    assert exports[0] == exports[1]


def applied(client: Client, file: Path, write: bool = False) -> list[Any]:
    """Apply a file; what had to change."""
    references = References(lambda name: None)
    configuration = read_files([str(file)], references)
    changes = plan.Planner(client, references).plan(configuration, prune=False)
    if write:
        carry_out.carry_out(client, changes, lambda change: None)
    return [one for one in changes if one.action != "unchanged"]
