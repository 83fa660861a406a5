"""Configuration files: values, lines, references, errors."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.cli.configuration.errors import ConfigurationError
from millrace.cli.configuration.files import Configuration, read_files
from millrace.cli.configuration.references import References, literal, replaced
from millrace.cli.configuration.texts import TextError, read_text, write_text
from tests.effort import effort

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["", "yes", "on", "null", "~", "010", "1e5", "1:30", "2026-11-26", "=", "<<", "- a", "a: b", "# a", " a",
     "a\nb", "a\n\nb\n", "a \nb", "\ta", "\x85", "\u2028", "%", "@", "`", "'", '"', "${env.A}", "$${env.A}",
     "0x1F", "+1", ".5", "1_000", "\ufeff", "|", ">", "!x", "&a", "*a", "{a", "[a", "---", "..."]
)  # fmt: skip
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=effort(150, 20_000), deadline=None)
@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4))
def test_written_files_are_read_as_the_same_values(value: dict[str, Any]) -> None:
    text = write_text(value)
    assert same(read_text(text)[0], value), text
    assert same(yaml.safe_load(text), value), "a parser of YAML 1.1 reads something else"


@settings(max_examples=effort(100, 20_000), deadline=None)
@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), st.sampled_from([None, 2, "\t"]))
def test_json_is_read_as_json(value: dict[str, Any], indent: int | str | None) -> None:
    assert same(read_text(json.dumps(value, indent=indent))[0], value)


@given(VALUES)
def test_exported_texts_are_not_references(value: Any) -> None:
    references = References({"A": "wrong"}.get)
    assert same(replaced(literal(value), lambda path, text: references.resolved(text)), replaced(value, keep))


def keep(path: Any, text: str) -> str:
    return text


def same(one: Any, other: Any) -> bool:
    """Equal with their types: 1, 1.0 and true are three values."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-15)
    return type(one) is type(other) and bool(one == other)


def test_each_part_has_its_line() -> None:
    _, lines = read_text("agents:\n  clerk:\n    name: Clerk\n    tools:\n      - a\n      - name: b\n")
    assert lines["agents", "clerk", "name"] == 3
    assert lines["agents", "clerk", "tools", 1, "name"] == 6


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("agents:\n  a: {name: x\n", 3, "not YAML"),
        ("agents:\n  a: {}\n  a: {}\n", 3, "'a' is a duplicate key"),
        ("a: &x [*x]\n", 1, "nested too deeply"),
        ("? [a]\n: b\n", 1, "a key must be a string"),
        ("- &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"- &a{n} [{', '.join([f'*a{n - 1}' if n else '*a'] * 10)}]\n" for n in range(8)
        ), None, "too large"),
    ],
)  # fmt: skip
def test_text_that_cannot_be_read_says_where(text: str, line: int | None, words: str) -> None:
    with pytest.raises(TextError) as caught:
        read_text(text)
    assert words in caught.value.message
    assert line is None or caught.value.line == line


def read(tmp_path: Path, *texts: str, **variables: str) -> Configuration:
    files = []
    for number, text in enumerate(texts):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        files.append(str(file))
    return read_files(files, References(variables.get))


def mistakes(tmp_path: Path, *texts: str, **variables: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, *texts, **variables)
    return [str(one).removeprefix(f"{tmp_path}/") for one in caught.value.problems]


def test_every_mistake_is_named_with_file_and_line(tmp_path: Path) -> None:
    first = """\
label: a b
agent: {}
secrets:
  PLAIN: {hosts: [api.example.com], value: sesame}
  NOWHERE: {}
agents:
  clerk: Clerk
  helper:
    instructions: ${env.MISSING}
    mcpServers:
      - name: docs
        url: https://docs.example/mcp?key=sesame
        headers: {authorization: Bearer sesame}
"""
    found = mistakes(tmp_path, first, "agents:\n  helper: {}\n", "x: [", "[]")
    assert [one.partition(": ")[0] for one in found] == [
        "0.yaml:1", "0.yaml:2", "0.yaml:4", "0.yaml:5", "0.yaml:7", "0.yaml:9", "0.yaml:12", "0.yaml:13",
        "2.yaml:1", "3.yaml:1", "1.yaml:2",
    ]  # fmt: skip
    text = "\n".join(found)
    assert "sesame" not in text
    assert "the variable MISSING is not set" in text
    assert "1.yaml:2: agents.helper: is in" in text


def test_references_are_resolved_and_those_of_secrets_later(tmp_path: Path) -> None:
    text = """\
label: shop
secrets:
  KEY: {hosts: [api.example.com]}
agents:
  clerk:
    name: ${env.NAME}
    instructions: Write $${env.NAME}.
    mcpServers: [{name: docs, url: "https://docs.example/mcp", headers: {x-key: "${env.LATER}"}}]
"""
    secret, clerk = read(tmp_path, text, NAME="Clerk").wanted
    assert secret.body["value"] == "${env.KEY}"
    assert (clerk.body["name"], clerk.body["instructions"]) == ("Clerk", "Write ${env.NAME}.")
    assert clerk.body["mcpServers"][0]["headers"] == {"x-key": "${env.LATER}"}
    assert clerk.body["managedBy"] == "shop"


def test_folder_stands_for_its_files(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("agents: {b: {}}")
    (tmp_path / "a.json").write_text('{"agents": {"a": {}}}')
    (tmp_path / "tools.py").write_text("not read")
    (tmp_path / "template.yaml").write_text("Environment: {TABLE: !Ref Table}\nPolicies: []\n")
    found = read_files([str(tmp_path)], References(lambda name: None))
    assert [one.key for one in found.wanted] == ["a", "b"]


def test_fragment_of_the_template_in_a_folder_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text("Environment: {ORDERS: x}\n")
    (tmp_path / "agents.yaml").write_text("agents:\n  clerk: {name: Clerk}\n")
    found = read_files([str(tmp_path)], References(lambda name: None))
    assert [one.path for one in found.wanted] == [("agents", "clerk")]
