"""The OpenAPI document and its error codes: a snapshot that changes only on purpose (`make openapi`)."""

import ast
import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import httpx
import pytest

import millrace
from millrace import errors
from millrace.api.answers import RUN_ERRORS
from millrace.api.error_codes import ERROR_CODES
from millrace.api.flows_answers import STEP_ERRORS
from tests.api import outlets

READS_ALL_CODE = pytest.mark.xdist_group("code")
"""Of tests that parse the package: one worker does it once."""
SNAPSHOT = Path(__file__).parent.parent.parent / "docs" / "openapi.json"
NEVER_ANSWERED = {
    "agent_diverged": "ends a run, with 502",
    "approval_expired": "ends a run, with 502",
    "bad_plan": "ends a step of a flow, with 502",
    "context_mismatch": "A2A's own errors have it as their reason",
    "contended": "makes a queue bring its message again",
    "echo_failed": "ends a run, with 502",
    "echo_steering": "ends a run, with 502",
    "evaluation_failed": "makes a dead letter",
    "future_time": "makes a dead letter",
    "incomplete_response": "ends a run, with 502",
    "invalid_change_organizations": "a setting, read in init",
    "invalid_message": "of the queue of runs",
    "invalid_record": "makes a dead letter",
    "invalid_row": "makes a dead letter",
    "invalid_push_secret": "A2A's own errors have it as their reason",
    "invalid_push_url": "A2A's own errors have it as their reason",
    "push_not_found": "A2A's own errors have it as their reason",
    "too_many_push_configs": "A2A's own errors have it as their reason",
    "rejected": "ends a run, with 502",
    "task_ended": "A2A's own errors have it as their reason",
    "not_available": "a tool's answer to its model",
    "not_json": "makes a dead letter",
    "output_invalid": "ends a run, with 502",
    "not_delivered": "ends a step of a flow, with 502",
    "outcome_unknown": "ends a step of a flow, with 502",
    "provider_auth": "ends a run, with 502",
    "provider_unreachable": "ends a run, with 502",
    "request_failed": "a tool's answer to its model",
    "result_too_large": "ends a step of a flow, with 502",
    "too_many_memories": "a tool's answer to its model",
    "too_much_work": "makes a dead letter",
    "tool_failed": "ends a step of a flow, with 502",
    "unexpected_error": "makes a dead letter",
    "unreadable": "of a program for the command line",
    "unreadable_response": "ends a run, with 502",
}
"""Codes of errors that are raised, but no operation's: they end elsewhere."""
ELSEWHERE = {
    ("deadline", 503): "breaks speech off after its first byte",
    ("organization_missing", 422): "makes a dead letter",
    ("too_large", 422): "makes a dead letter",
}
"""Codes that mean the same where no operation is, with another status."""
NOT_OURS_TO_RAISE = {"internal", "loop", "deleted", *RUN_ERRORS, *STEP_ERRORS}
"""Codes that are made without an exception of that code."""


# --- the document ----------------------------------------------------------------------------------


def test_document_is_the_snapshot(management: httpx.Client) -> None:
    found = management.get("/api/openapi.json").json()
    assert found == json.loads(SNAPSHOT.read_text()), "the API changed: run `make openapi`"


def test_every_operation_has_a_summary_and_an_id_of_its_own(management: httpx.Client) -> None:
    document = management.get("/api/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all(operation["summary"] for operation in operations)
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert "/api/conversations/{conversation_id}/messages" in document["paths"]


def test_every_reference_leads_somewhere(management: httpx.Client) -> None:
    document = management.get("/api/openapi.json").json()
    text = json.dumps(document)
    for part in text.split('"$ref": "#/')[1:]:
        found = document
        for step in part.split('"')[0].split("/"):
            found = found[step]
        assert found


def test_every_operation_is_entered_among_the_outlets() -> None:
    """`test_one_view` scans by these lists for what an agent's visibility hides."""
    paths = json.loads(SNAPSHOT.read_text())["paths"]
    documented = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    entered = {name for names in outlets.LISTS for name in names}
    assert documented - entered == set(), "enter it in tests/api/outlets.py, so that it is scanned"


# --- codes -----------------------------------------------------------------------------------------


def error_classes(trees: list[ast.Module]) -> dict[str, tuple[int, str]]:
    """The status and the usual code of each error class of the package, by its name."""
    known = {
        name: (found.status, found.code)
        for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, errors.MillraceError)
    }
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for node in classes:
        bases = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id in known]
        if bases and node.name not in known:
            status, code = known[bases[0]]
            own = {
                target.id: line.value.value
                for line in node.body
                if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant)
                for target in line.targets
                if isinstance(target, ast.Name)
            }
            known[node.name] = (own.get("status", status), own.get("code", code))  # type: ignore[assignment]
    return known


@cache
def raised_codes() -> set[tuple[str, int]]:
    """Return each code that the package writes into an error, with the status of the error's class."""
    return set(written_codes())


def written_codes() -> Iterator[tuple[str, int]]:
    trees = [ast.parse(path.read_text()) for path in sorted(Path(millrace.__path__[0]).rglob("*.py"))]
    classes = error_classes(trees)
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id in classes:
            status, usual = classes[call.func.id]
            given = next((word.value for word in call.keywords if word.arg == "code"), ast.Constant(usual))
            if isinstance(given, ast.Constant):
                yield str(given.value), status


@READS_ALL_CODE
def test_every_code_has_one_status_and_is_listed() -> None:
    found: dict[str, set[int]] = defaultdict(set)
    for code, status in raised_codes():
        if code not in NEVER_ANSWERED and (code, status) not in ELSEWHERE:
            found[code].add(status)
    assert found == {code: {one.status} for code, one in ERROR_CODES.items() if code in found}


@READS_ALL_CODE
def test_every_listed_code_is_raised_and_every_exception_still_needed() -> None:
    raised = raised_codes()
    found = {code for code, _ in raised}
    assert set(ERROR_CODES) - found <= NOT_OURS_TO_RAISE
    assert set(NEVER_ANSWERED) <= found
    assert set(ELSEWHERE) <= raised
    assert not set(NEVER_ANSWERED) & set(ERROR_CODES)
