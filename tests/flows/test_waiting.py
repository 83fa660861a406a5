"""A flow that waits for people: answered from anywhere, once, by those who may; a rejection ends it."""

import threading
from typing import Any

import httpx
import pytest

from tests.api.talk import attach, error_of
from tests.flows.making import WAITING, make_flow, post, stream
from tests.tokens import Issuer

PAY: list[dict[str, Any]] = [
    {
        "name": "approval",
        "type": "wait_for_input",
        "prompt": "Pay?",
        "approvers": {"scope": "pipelines:write"},
    },
    {"name": "paid", "type": "agent", "agentId": "echo", "message": '"paid"'},
]


def names(events: list[Any]) -> list[str]:
    return [event.data["type"] for event in events]


def test_waiting_flow_is_answered_in_another_process(
    flows: httpx.Client, flows_elsewhere: httpx.Client
) -> None:
    make_flow(flows, WAITING)
    waiting = post(flows, "Hello").json()
    assert waiting["state"] == "waiting"
    assert (waiting["waitingFor"]["step"], waiting["waitingFor"]["prompt"]) == ("approval", "Send it?")
    execution = waiting["executionId"]
    shown = flows_elsewhere.get(f"/api/flows/flow/executions/{execution}").json()
    assert (shown["state"], shown["waitingFor"]["step"]) == ("waiting", "approval")
    done = post(flows_elsewhere, "yes", executionId=execution).json()
    assert (done["state"], done["result"]) == ("completed", "Hello: yes")
    assert [(one["step"], one["decision"], one["answeredBy"]) for one in done["answers"]] == [
        ("approval", "answer", "user-1")
    ]
    again = post(flows, "yes", executionId=execution)
    assert error_of(again) == (409, "not_waiting")
    over = flows.get(f"/api/flows/flow/executions/{execution}").json()
    assert (over["state"], over["answers"][0]["answeredBy"]) == ("completed", "user-1")


def test_waiting_flow_ends_its_stream_with_waiting_and_goes_on_in_the_same_run(flows: httpx.Client) -> None:
    make_flow(flows, WAITING)
    first = stream(flows, "Hello")
    assert names(first)[-2:] == ["approval_requested", "waiting"]
    asked = first[-2].data
    assert (asked["callId"], asked["kind"], asked["prompt"]) == ("approval", "input", "Send it?")
    execution = first[0].data["conversationId"]
    rest = stream(flows, "yes", executionId=execution)
    assert names(rest)[0] == "approval_answered"
    assert rest[-1].data["result"] == "Hello: yes"
    assert rest[0].id is not None
    assert rest[0].id.partition(".")[0] == first[0].data["runId"]


def test_input_is_taken_once_when_two_bring_it(flows: httpx.Client) -> None:
    make_flow(flows, WAITING)
    execution = post(flows, "Hello").json()["executionId"]
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda text=text: answers.append(post(flows, text, executionId=execution)))
        for text in ("yes", "no", "perhaps")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]


def test_waiting_flow_goes_on_as_it_was_when_it_began(flows: httpx.Client) -> None:
    make_flow(flows, WAITING)
    execution = post(flows, "Hello").json()["executionId"]
    assert flows.delete("/api/flows/flow").status_code == 204
    assert post(flows, "yes", executionId=execution).json()["result"] == "Hello: yes"


def test_input_for_another_step_is_refused(flows: httpx.Client) -> None:
    make_flow(flows, WAITING)
    execution = post(flows, "Hello").json()["executionId"]
    assert error_of(post(flows, "yes", executionId=execution, step="draft")) == (409, "not_waiting")
    done = post(flows, "yes", executionId=execution, step="approval")
    assert done.json()["result"] == "Hello: yes"
    again = post(flows, "yes", executionId=execution, step="approval")
    assert again.json()["result"] == "Hello: yes"
    whole = stream(flows, "yes", executionId=execution, step="approval")
    assert (whole[0].data["type"], whole[-1].data["type"]) == ("start", "done")
    assert error_of(post(flows, "no", executionId=execution, step="approval")) == (409, "already_answered")


@pytest.mark.parametrize("way", ["flow", "run"])
def test_rejected_approval_runs_nothing_further(flows: httpx.Client, chat: httpx.Client, way: str) -> None:
    """The next step ran, and paid, whatever the answer was."""
    make_flow(flows, PAY)
    waiting = post(flows, None).json()
    execution, run = waiting["executionId"], waiting["runId"]
    if way == "flow":
        done = post(flows, None, executionId=execution, decision="reject", reason="Too much.").json()
        assert (done["state"], done["finishReason"], done["result"]) == ("stopped", "rejected", None)
        assert done["steps"] == []
    else:
        body = {"callId": "approval", "decision": "reject", "reason": "Too much."}
        # Streamed, so that the run has ended before it is looked at.
        assert chat.post(f"/api/runs/{run}/answers?stream=true", json=body).status_code == 200
    seen = attach(chat, f"/api/runs/{run}/stream")
    assert not [event for event in seen if event.data["type"] == "flow_step_start"]
    assert seen[-1].data["answers"][0]["reason"] == "Too much."
    shown = flows.get(f"/api/flows/flow/executions/{execution}").json()
    assert (shown["state"], shown["steps"]) == ("stopped", {})


def test_answer_is_data_and_steps_decide_by_it(flows: httpx.Client) -> None:
    steps: list[dict[str, Any]] = [
        {"name": "approval", "type": "wait_for_input", "choices": ["yes", "no"]},
        {"name": "stop", "type": "end", "when": "steps.approval != 'yes'", "result": "'not paid'"},
        {
            "name": "paid",
            "type": "agent",
            "agentId": "echo",
            "message": "concat('paid by ', answers.approval.answeredBy)",
        },
    ]
    make_flow(flows, steps)
    for text, result in (("no", "not paid"), ("yes", "paid by user-1")):
        execution = post(flows, None).json()["executionId"]
        assert post(flows, text, executionId=execution).json()["result"] == result
    execution = post(flows, None).json()["executionId"]
    assert error_of(post(flows, "maybe", executionId=execution)) == (422, "invalid_answer")
    assert error_of(post(flows, None, executionId=execution, decision="approve")) == (422, "invalid_answer")


def test_skipped_step_has_no_result(flows: httpx.Client) -> None:
    steps = [
        {"name": "never", "type": "agent", "agentId": "echo", "message": "'x'", "when": "input.pay"},
        {"name": "told", "type": "agent", "agentId": "echo", "message": "'done'"},
    ]
    make_flow(flows, steps, output="[steps.never, steps.told]")
    assert post(flows, {"pay": False}).json()["result"] == [None, "done"]
    assert post(flows, {}).json()["result"] == [None, "done"]
    assert post(flows, {"pay": True}).json()["result"] == ["x", "done"]
    assert post(flows, {"pay": "yes"}).json()["error"]["step"] == "never"


def test_only_approvers_answer(flows: httpx.Client, issuer: Issuer, organization: str) -> None:
    """Not even who started the flow, nor who may read and manage everything."""
    make_flow(flows, PAY)
    path = "/api/flows/flow/events"
    ann, bob = (issuer.user(organization, name, "customer") for name in ("ann", "bob"))
    execution = flows.post(path, json={"input": 1}, headers=ann).json()["executionId"]
    given = {"decision": "approve", "executionId": execution}
    assert error_of(flows.post(path, json=given, headers=bob)) == (404, "execution_not_found")
    assert error_of(flows.post(path, json=given, headers=ann)) == (403, "not_an_approver")
    member = issuer.user(organization, "eve", "member")
    assert error_of(flows.post(path, json=given, headers=member)) == (403, "not_an_approver")
    shown = flows.get(f"/api/flows/flow/executions/{execution}", headers=ann).json()
    assert (shown["state"], shown["waitingFor"]["step"]) == ("waiting", "approval")
    boss = issuer.user(organization, "boss", "operator")
    assert flows.post(path, json=given, headers=boss).json()["result"] == "paid"


def test_execution_belongs_to_the_user_who_started_it(
    flows: httpx.Client, issuer: Issuer, organization: str
) -> None:
    make_flow(flows, WAITING)
    mine, other = (issuer.user(organization, name, "customer") for name in ("mine", "other"))
    path = "/api/flows/flow/events"
    execution = flows.post(path, json={"input": "Hello"}, headers=mine).json()["executionId"]
    shown = f"/api/flows/flow/executions/{execution}"
    given = {"input": "yes", "executionId": execution}
    assert error_of(flows.get(shown, headers=other)) == (404, "execution_not_found")
    assert error_of(flows.post(path, json=given, headers=other)) == (404, "execution_not_found")
    assert error_of(flows.post(f"{shown}/cancel", headers=other)) == (404, "execution_not_found")
    member = issuer.user(organization, "other", "member")
    assert flows.get(shown, headers=member).status_code == 200
    assert error_of(flows.post(path, json=given, headers=member)) == (403, "not_an_approver")
    assert error_of(flows.post(f"{shown}/cancel", headers=member)) == (403, "missing_scope")
    assert flows.post(path, json=given, headers=mine).json()["state"] == "completed"


def test_canceled_execution_waits_for_nobody(flows: httpx.Client, chat: httpx.Client) -> None:
    make_flow(flows, WAITING)
    execution = post(flows, "Hello").json()["executionId"]
    assert [one["callId"] for one in chat.get("/api/approvals").json()["items"]] == ["approval"]
    path = f"/api/flows/flow/executions/{execution}"
    assert flows.post(f"{path}/cancel").status_code == 202
    assert flows.get(path).json()["state"] == "stopped"
    assert chat.get("/api/approvals").json()["items"] == []
    assert error_of(post(flows, "yes", executionId=execution)) == (409, "not_waiting")
    assert error_of(flows.post(f"{path}/cancel")) == (409, "not_active")


def test_execution_is_found_under_its_own_flow_only(flows: httpx.Client, chat: httpx.Client) -> None:
    """Canceling stopped the run of whatever conversation was named."""
    make_flow(flows, WAITING)
    execution = post(flows, "Hello").json()["executionId"]
    assert error_of(flows.get(f"/api/flows/other/executions/{execution}")) == (404, "execution_not_found")
    assert error_of(flows.post(f"/api/flows/other/executions/{execution}/cancel")) == (
        404,
        "execution_not_found",
    )
    chat.post("/api/conversations/talk/messages", json={"content": "Hello", "agentId": "echo"})
    assert error_of(flows.post("/api/flows/flow/executions/talk/cancel")) == (404, "execution_not_found")
    assert flows.get(f"/api/flows/flow/executions/{execution}").json()["state"] == "waiting"


def test_deleted_execution_waits_for_nobody(flows: httpx.Client, chat: httpx.Client) -> None:
    make_flow(flows, WAITING)
    execution = post(flows, "Hello").json()["executionId"]
    assert chat.delete(f"/api/conversations/{execution}").status_code == 204
    assert chat.get("/api/approvals").json()["items"] == []
    assert error_of(post(flows, "yes", executionId=execution)) == (404, "execution_not_found")


def test_executions_are_listed_the_latest_first(
    flows: httpx.Client, issuer: Issuer, organization: str
) -> None:
    make_flow(flows, WAITING)
    make_flow(flows, WAITING, name="flow-2")
    post(flows, "other", name="flow-2")
    ids = [post(flows, f"Hello {number}").json()["executionId"] for number in range(3)]
    post(flows, "yes", executionId=ids[0])
    first = flows.get("/api/flows/flow/executions?limit=2").json()
    rest = flows.get("/api/flows/flow/executions", params={"limit": 2, "cursor": first["nextCursor"]}).json()
    found = first["items"] + rest["items"]
    assert [(one["executionId"], one["state"]) for one in found] == [
        (ids[2], "waiting"),
        (ids[1], "waiting"),
        (ids[0], "completed"),
    ]
    stranger = issuer.user(organization, "stranger", "customer")
    assert flows.get("/api/flows/flow/executions", headers=stranger).json()["items"] == []


@pytest.mark.parametrize(
    ("step", "path"),
    [
        ({"approvers": {}}, "approvers"),
        ({"expires": 366 * 24 * 3600}, "expires"),
        ({"schema": {"type": "thing"}}, "schema"),
        ({"choices": ["a"], "schema": {}}, "steps.0"),
        ({"when": "1 +"}, "when"),
    ],
)
def test_wait_that_could_never_work_is_refused(flows: httpx.Client, step: dict[str, Any], path: str) -> None:
    steps = [{"name": "approval", "type": "wait_for_input"} | step]
    refused = flows.post("/api/flows", json={"name": "flow", "steps": steps})
    assert refused.status_code == 422
    assert path in refused.json()["error"]["message"]


def test_key_of_another_user_starts_an_execution_of_its_own(
    flows: httpx.Client, issuer: Issuer, organization: str
) -> None:
    """A key stood for one execution of the whole organization: the second user got the first one's answer."""
    make_flow(flows, WAITING)
    given = {"input": "Hello", "idempotencyKey": "k"}
    found = [
        flows.post("/api/flows/flow/events", json=given, headers=issuer.user(organization, user, "customer"))
        for user in ("one", "two", "one")
    ]
    ids = [one.json()["executionId"] for one in found]
    assert ids[0] == ids[2] != ids[1]
