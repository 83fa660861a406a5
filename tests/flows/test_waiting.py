"""A flow that waits for input, and goes on elsewhere."""

import threading

import httpx

from tests.api.talk import error_of
from tests.flows.making import WAITING, make_flow, post, stream
from tests.tokens import Issuer


def test_flow_waits_for_input_and_goes_on_in_another_process(
    flows: httpx.Client, flows_elsewhere: httpx.Client
) -> None:
    make_flow(flows, WAITING)
    waiting = post(flows, "Hello").json()
    assert waiting["state"] == "waiting"
    assert waiting["waitingFor"] == {"step": "approval", "prompt": "Send it?"}
    execution = waiting["executionId"]
    shown = flows_elsewhere.get(f"/api/flows/flow/executions/{execution}").json()
    assert shown["waitingFor"]["step"] == "approval"
    done = post(flows_elsewhere, "yes", executionId=execution).json()
    assert (done["state"], done["result"]) == ("completed", "Hello: yes")
    again = post(flows, "yes", executionId=execution)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "not_waiting")


def test_flow_that_waits_ends_its_stream_with_done(flows: httpx.Client) -> None:
    make_flow(flows, WAITING)
    last = stream(flows, "Hello")[-1].data
    assert (last["type"], last["finishReason"]) == ("done", "input_required")
    assert last["waitingFor"] == {"step": "approval", "prompt": "Send it?"}


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


def test_leg_that_fails_can_be_posted_again(flows: httpx.Client) -> None:
    steps = [WAITING[1], WAITING[2] | {"message": "steps.approval"}]
    make_flow(flows, steps)
    execution = post(flows, None).json()["executionId"]
    bad = post(flows, "/echo failAfter=0 tools=0\nx", executionId=execution)
    assert bad.json()["error"]["step"] == "sent"
    assert post(flows, "good", executionId=execution).json()["result"] == "good"


def test_input_for_another_step_is_refused(flows: httpx.Client) -> None:
    make_flow(flows, WAITING)
    execution = post(flows, "Hello").json()["executionId"]
    assert post(flows, "yes", executionId=execution, step="draft").status_code == 409
    assert post(flows, "yes", executionId=execution, step="approval").status_code == 200


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
    member = issuer.user(organization, "other", "member")
    assert flows.get(shown, headers=member).status_code == 200
    assert error_of(flows.post(path, json=given, headers=member)) == (403, "missing_scope")
    assert flows.post(path, json=given, headers=mine).json()["state"] == "completed"


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
