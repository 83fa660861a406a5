"""AG-UI over HTTP: runs under their client's ids, joined and resumed, with answers, tools and history."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from millrace.settings import Settings
from tests.api.faces import Face, facing, script
from tests.api.talk import error_of
from tests.clients import run_client, run_example
from tests.services.asking import Till, call, till
from tests.services.scripted import says
from tests.sse import Sent, read_events
from tests.tokens import Issuer

__all__ = ["till"]

REFUND = {"name": "refund", "policy": "ask"}


@pytest.fixture
def face(settings: Settings, issuer: Issuer, organization: str) -> Iterator[Face]:
    with facing(settings, issuer, organization) as made:
        made.hire(tools=[REFUND, "ask_user"])
        yield made


@pytest.fixture
def chat(face: Face) -> Iterator[httpx.Client]:
    with face.client() as client:
        yield client


def user(content: Any = "Hello", id: str = "u1") -> dict[str, Any]:
    return {"id": id, "role": "user", "content": content}


def body(run_id: str = "r1", **more: Any) -> dict[str, Any]:
    return {"threadId": "t1", "runId": run_id, "messages": [user()], "tools": [], "context": []} | more


def run(chat: httpx.Client, run_id: str = "r1", /, *, seen: str = "", **more: Any) -> list[Sent]:
    headers = {"last-event-id": seen} if seen else {}
    with chat.stream("POST", "/agui/clerk", json=body(run_id, **more), headers=headers) as response:
        assert response.status_code in (200, 204), response.read()
        return list(read_events(response.iter_lines()))


def join(chat: httpx.Client, query: str, **headers: str) -> list[Sent]:
    with chat.stream("GET", f"/agui?{query}", headers=headers) as response:
        assert response.status_code in (200, 204), response.read()
        return list(read_events(response.iter_lines()))


def kinds(sent: list[Sent]) -> list[str]:
    return [one.data["type"] for one in sent]


def text(sent: list[Sent]) -> str:
    return "".join(one.data["delta"] for one in sent if one.data["type"] == "TEXT_MESSAGE_CONTENT")


def test_run_has_its_clients_ids_and_every_event_has_an_id(face: Face, chat: httpx.Client) -> None:
    script(face, says("Hi", " there"))
    sent = run(chat)
    assert sent[0].data == {"type": "RUN_STARTED", "threadId": "t1", "runId": "r1", "protocolVersion": "1.0"}
    assert text(sent) == "Hi there"
    assert sent[-1].data["outcome"] == {"type": "success"}
    assert len({one.id for one in sent}) == len(sent)
    assert chat.get("/api/conversations/t1/messages").json()["items"][0]["content"] == [{"text": "Hello"}]


def test_same_run_id_joins_the_run_from_anywhere_and_never_runs_twice(face: Face, chat: httpx.Client) -> None:
    script(face, says("a", "b", "c"))
    whole = run(chat)
    assert run(chat) == whole
    for n, one in enumerate(whole[:-1], 1):
        assert one.id
        assert run(chat, seen=one.id) == whole[n:]
    assert run(chat, seen=whole[-1].id or "") == []
    assert join(chat, "runId=r1&offset=-1") == whole
    assert join(chat, "runId=r1", **{"last-event-id": whole[2].id or ""}) == whole[3:]
    assert kinds(join(chat, f"runId={whole[0].run_id}")) == kinds(whole)
    assert len(face.models.requests) == 1


def test_two_that_send_the_same_run_at_once_get_the_same_one(face: Face, chat: httpx.Client) -> None:
    script(face, says("once"))
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: run(chat), range(2))
    assert first == second
    assert len(face.models.requests) == 1


def test_run_id_of_another_message_is_refused(face: Face, chat: httpx.Client) -> None:
    script(face, says("a"))
    run(chat)
    assert error_of(chat.post("/agui/clerk", json=body(messages=[user("Other")]))) == (
        422,
        "idempotency_key_reused",
    )
    assert error_of(chat.post("/agui/clerk", json=body(threadId="t2"))) == (409, "run_id_used")


def test_runs_of_others_cannot_be_joined(face: Face, chat: httpx.Client, issuer: Issuer) -> None:
    script(face, says("secret"))
    sent = run(chat)
    for headers in (issuer.headers("org-other"), issuer.user(face.organization, "eve", "customer")):
        with httpx.Client(base_url=face.url, headers=headers) as other:
            for query in ("runId=r1", f"runId={sent[0].id}"):
                assert error_of(other.get(f"/agui?{query}")) == (404, "run_not_found")
            assert error_of(other.get("/agui?threadId=t1")) == (404, "conversation_not_found")
            resumed = other.post("/agui/clerk", json=body(), headers={"last-event-id": sent[0].id or ""})
            assert error_of(resumed) == (404, "run_not_found")


def test_approval_is_an_interrupt_and_resume_goes_on_as_the_next_run(
    face: Face, chat: httpx.Client, till: Till
) -> None:
    script(face, [call("refund", order="7", amount=80)], says("Paid."))
    first = run(chat)
    [interrupt] = first[-1].data["outcome"]["interrupts"]
    assert interrupt["reason"] == "approval_required"
    assert interrupt["metadata"]["millrace"]["arguments"] == {"order": "7", "amount": 80}
    assert till.paid == []
    resume = [{"interruptId": interrupt["id"], "status": "resolved", "payload": {"approved": True}}]
    second = run(chat, "r2", resume=resume)
    assert (second[0].data["type"], second[0].data["runId"]) == ("RUN_STARTED", "r2")
    assert text(second) == "Paid."
    assert till.paid == [("7", 80)]
    assert run(chat, "r2", resume=resume) == second  # a repetition
    assert join(chat, "runId=r2&offset=-1") == second
    assert join(chat, "runId=r1&offset=-1") == first
    assert run(chat, "r1", seen=first[-1].id or "") == []
    assert till.paid == [("7", 80)]


@pytest.mark.parametrize(
    ("entry", "paid"),
    [
        ({"status": "cancelled"}, []),
        ({"status": "resolved", "payload": False}, []),
        (
            {
                "status": "resolved",
                "payload": {"approved": True, "editedArguments": {"order": "7", "amount": 5}},
            },
            [("7", 5)],
        ),
        ({"status": "resolved", "payload": {"decision": "approve"}}, [("7", 80)]),
    ],
    ids=["cancelled", "false", "edited", "our own words"],
)
def test_answers_to_an_approval(
    face: Face, chat: httpx.Client, till: Till, entry: dict[str, Any], paid: list[Any]
) -> None:
    script(face, [call("refund", order="7", amount=80)], says("ok"))
    [interrupt] = run(chat)[-1].data["outcome"]["interrupts"]
    assert text(run(chat, "r2", resume=[{"interruptId": interrupt["id"], **entry}])) == "ok"
    assert till.paid == paid


def test_question_is_answered_by_its_payload(face: Face, chat: httpx.Client) -> None:
    script(face, [call("ask_user", question="Which?", options=["a", "b"])], says("b it is"))
    [interrupt] = run(chat)[-1].data["outcome"]["interrupts"]
    assert interrupt["message"] == "Which?"
    wrong = [{"interruptId": interrupt["id"], "status": "resolved", "payload": "c"}]
    assert error_of(chat.post("/agui/clerk", json=body("r2", resume=wrong))) == (422, "invalid_answer")
    right = [{"interruptId": interrupt["id"], "status": "resolved", "payload": "b"}]
    assert text(run(chat, "r3", resume=right)) == "b it is"


def test_answers_that_are_not_all_end_with_the_interrupts_that_are_left(
    face: Face, chat: httpx.Client
) -> None:
    script(face, [call("refund", order="1", amount=1), call("refund", order="2", amount=2)], says("ok"))
    one, two = run(chat)[-1].data["outcome"]["interrupts"]
    approve = {"status": "resolved", "payload": True}
    partly = run(chat, "r2", resume=[{"interruptId": one["id"], **approve}])
    assert [left["id"] for left in partly[-1].data["outcome"]["interrupts"]] == [two["id"]]
    assert text(run(chat, "r3", resume=[{"interruptId": two["id"], **approve}])) == "ok"


def test_interrupts_that_are_left_show_no_more_than_the_agent_does(face: Face, chat: httpx.Client) -> None:
    face.hire("discreet", tools=[REFUND], visibility="answer")
    script(face, [call("refund", order="1", amount=1), call("refund", order="2", amount=2)], says("ok"))
    props = {"agentId": "discreet"}
    shown = []
    resume: list[dict[str, Any]] = []
    for run_id in ("r1", "r2"):
        sent = body(run_id, forwardedProps=props, resume=resume)
        with chat.stream("POST", "/agui", json=sent) as response:
            shown.append(list(read_events(response.iter_lines()))[-1].data["outcome"]["interrupts"])
        resume = [{"interruptId": shown[0][0]["id"], "status": "resolved", "payload": True}]
    assert shown[1][0]["metadata"] == shown[0][1]["metadata"]
    assert "refund" not in str(shown)


def test_answer_where_nothing_waits_is_not_found(face: Face, chat: httpx.Client) -> None:
    script(face, says("a"))
    run(chat)
    resume = [{"interruptId": "c", "status": "resolved", "payload": True}]
    assert error_of(chat.post("/agui/clerk", json=body("r2", resume=resume))) == (404, "call_not_found")


def test_tool_of_the_client_runs_there_and_its_result_goes_on(face: Face, chat: httpx.Client) -> None:
    tools = [{"name": "show_map", "description": "Shows a map.", "parameters": {"type": "object"}}]
    script(face, [call("show_map", city="Rome")], says("There."))
    first = run(chat, tools=tools)
    [pending] = first[-1].data["outcome"]["pendingToolCallIds"]
    asked = {
        "id": pending,
        "type": "function",
        "function": {"name": "show_map", "arguments": '{"city":"Rome"}'},
    }
    history = [
        user(),
        {"id": "a1", "role": "assistant", "toolCalls": [asked]},
        {"id": "x1", "role": "tool", "toolCallId": pending, "content": "shown"},
    ]
    second = run(chat, "r2", tools=tools, messages=history)
    assert text(second) == "There."
    assert run(chat, "r2", tools=tools, messages=history) == second
    results = [block["toolResult"] for block in face.models.requests[-1].messages[-1]["content"]]
    assert results[0]["content"] == [{"text": "shown"}]


def test_context_state_and_system_messages_are_instructions_of_the_run(
    face: Face, chat: httpx.Client
) -> None:
    script(face, says("ok"))
    system = {"id": "s", "role": "system", "content": "Speak Latin."}
    context = [{"description": "The page", "value": "cart"}]
    run(chat, messages=[system, user()], context=context, state={"items": 2})
    heard = face.models.requests[0].system
    assert "Speak Latin." in heard
    assert "The page:\ncart" in heard
    assert '{"items":2}' in heard


def test_history_of_a_new_thread_is_taken_over_and_a_known_one_is_ours(
    face: Face, chat: httpx.Client
) -> None:
    script(face, says("Blue."), says("Yes."))
    history = [user("My color is blue."), {"id": "a", "role": "assistant", "content": "Noted."}]
    run(chat, messages=[*history, user("Which?", "u2")])
    run(chat, "r2", messages=[*history, user("Sure?", "u3")])
    said = [block["text"] for turn in face.models.requests[-1].messages for block in turn["content"]]
    assert said == ["My color is blue.", "Noted.", "Which?", "Blue.", "Sure?"]


def test_run_goes_on_behind_the_run_that_it_names(face: Face, chat: httpx.Client) -> None:
    script(face, says("One."), says("Two."), says("Three."))
    run(chat, "r1")
    run(chat, "r2", messages=[user("Second", "u2")])
    run(chat, "r3", messages=[user("Third", "u3")], parentRunId="r1")
    sent = [block["text"] for turn in face.models.requests[-1].messages for block in turn["content"]]
    assert sent == ["Hello", "One.", "Third"]


def test_thread_opens_with_its_messages_and_what_runs(face: Face, chat: httpx.Client) -> None:
    script(face, says("One."), [call("refund", order="7", amount=80)])
    run(chat)
    idle = join(chat, "threadId=t1")
    assert kinds(idle) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    assert [one["content"] for one in idle[1].data["messages"]] == ["Hello", "One."]
    run(chat, "r2", messages=[user("Refund 7.", "u2")])
    opened = join(chat, "threadId=t1")
    assert kinds(opened)[:2] == ["RUN_STARTED", "MESSAGES_SNAPSHOT"]
    assert [one["content"] for one in opened[1].data["messages"]] == ["Hello", "One.", "Refund 7."]
    assert opened[-1].data["outcome"]["type"] == "interrupt"


def test_live_message_is_accepted_beside_the_run(face: Face, chat: httpx.Client) -> None:
    script(face, [call("ask_user", question="Which?")], says("Fine."))
    run(chat)
    busy = body("r2", messages=[user("Never mind.", "u2")])
    assert error_of(chat.post("/agui/clerk", json=busy)) == (409, "run_waiting")
    sent = run(chat, "r3", messages=busy["messages"], forwardedProps={"ifBusy": "inject"})
    assert kinds(sent) == ["RUN_STARTED", "CUSTOM", "RUN_FINISHED"]
    assert sent[1].data["name"] == "millrace.accepted"


def test_default_agent_answers_where_none_is_named(face: Face, chat: httpx.Client) -> None:
    script(face, says("I am it."))
    with chat.stream("POST", "/agui", json=body()) as response:
        assert text(list(read_events(response.iter_lines()))) == "I am it."
    found = chat.get("/api/conversations/t1").json()
    assert found["agentId"] == "demo"
    chosen = body("r2", threadId="t2", forwardedProps={"agentId": "clerk"})
    chat.post("/agui", json=chosen).raise_for_status()
    assert chat.get("/api/conversations/t2").json()["agentId"] == "clerk"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"threadId": ""}, (422, "invalid_request")),
        ({"threadId": "a b"}, (422, "invalid_id")),
        ({"runId": ""}, (422, "invalid_request")),
        ({"messages": []}, (422, "empty_message")),
        ({"messages": [{"id": "a", "role": "assistant", "content": "Hi"}]}, (422, "empty_message")),
        ({"messages": [{"id": "a", "role": "user", "content": 7}]}, (422, "invalid_request")),
        ({"tools": [{"name": "a b"}]}, (422, "invalid_request")),
        ({"tools": [{"name": "refund"}]}, (422, "invalid_tool")),
    ],
)
def test_wrong_input_is_refused_before_anything_is_stored(
    chat: httpx.Client, change: dict[str, Any], expected: tuple[int, str]
) -> None:
    response = chat.post("/agui/clerk", json=body() | change)
    assert error_of(response) == expected, json.dumps(response.json())
    assert chat.get("/api/conversations").json()["items"] == []


def test_images_are_parts_of_the_message(face: Face, chat: httpx.Client) -> None:
    script(face, says("A cat."))
    source = {"type": "url", "value": "https://example.com/cat.png", "mimeType": "image/png"}
    run(chat, messages=[user([{"type": "text", "text": "What?"}, {"type": "image", "source": source}])])
    [asked] = [
        one for one in chat.get("/api/conversations/t1/messages").json()["items"] if one["role"] == "user"
    ]
    assert asked["content"][0] == {"text": "What?"}
    assert asked["content"][1]["image"]["url"] == "https://example.com/cat.png"


# --- its own clients -----------------------------------------------------------------------------------


async def agent(face: Face, scenario: str, path: str = "/agui/clerk") -> Any:
    return await run_client("ag_ui_chat.mjs", face.url + path, token_of(face), scenario)


def token_of(face: Face) -> str:
    return face.headers["authorization"].removeprefix("Bearer ")


async def test_http_agent_talks(face: Face) -> None:
    script(face, says("Hi", " there"), says("Yes?"))
    said = await agent(face, "talk")
    assert [(one["role"], one["content"]) for one in said["messages"]] == [
        ("user", "Hello"),
        ("assistant", "Hi there"),
        ("user", "Again"),
        ("assistant", "Yes?"),
    ]
    assert said["seen"].count("RUN_FINISHED") == 2


async def test_http_agent_approves_what_a_run_waits_for(face: Face, till: Till) -> None:
    script(face, [call("refund", order="7", amount=80)], says("Paid."))
    said = await agent(face, "approve")
    assert [one["reason"] for one in said["asked"]] == ["approval_required"]
    assert said["messages"][-1]["content"] == "Paid."
    assert till.paid == [("7", 80)]


async def test_http_agent_runs_its_own_tool(face: Face) -> None:
    script(face, [call("show_map")], says("There it is."))
    said = await agent(face, "tool")
    assert [one["role"] for one in said["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert said["messages"][-1]["content"] == "There it is."


async def test_http_agent_connects_to_a_thread(face: Face, chat: httpx.Client) -> None:
    script(face, says("One."), [call("refund", order="7", amount=80)])
    run(chat)
    run(chat, "r2", messages=[user("Refund 7.", "u2")])
    said = await agent(face, "connect")
    assert [one["content"] for one in said["messages"][:3]] == ["Hello", "One.", "Refund 7."]
    assert said["interrupts"] == 1


async def test_http_agent_hears_of_an_unknown_agent(face: Face) -> None:
    heard = await agent(face, "unknown", "/agui/nobody")
    assert (heard["status"], heard["payload"]["error"]["code"]) == (404, "agent_not_found")


async def tanstack(face: Face, thread: str, cuts: int) -> Any:
    url = f"{face.url}/agui/searcher"
    return await run_client("ag_ui_tanstack.mjs", url, token_of(face), thread, str(cuts))


async def test_tanstack_client_ends_with_the_same_messages_wherever_it_is_cut(face: Face) -> None:
    face.hire("searcher", tools=["calculator"])

    def turns() -> list[Any]:
        return [[call("calculator", expression="6*7")], says("It", " is", " 42.")]

    script(face, *turns())
    whole = await tanstack(face, "whole", 0)
    assert whole["parts"][-1]["parts"][-1]["content"] == "It is 42."
    for cuts in (1, 2, 5):
        script(face, *turns())
        cut = await tanstack(face, f"cut{cuts}", cuts)
        assert cut["parts"] == whole["parts"]
        assert cut["requests"] > 1


async def test_example_of_the_documentation_runs(face: Face) -> None:
    script(face, says("42"))
    assert await run_example("ag-ui.md", MILLRACE_URL=face.url, TOKEN=token_of(face)) == "42"
