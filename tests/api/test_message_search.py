"""Searching messages: what is found, by whom, and how much is read."""

from typing import Any

import httpx
import pytest

from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.services.runs.find_messages import MOST_READS, PAGES, find_by_text, snippet_of
from millrace.services.runs.platform import Platform
from millrace.stores.conversation_items import meta_key
from millrace.stores.conversations import ConversationStore
from millrace.stores.directory import Position
from millrace.stores.dynamo import check_that
from tests.api.talk import error_of, say

PATH = "/api/conversations"
AT = "2026-01-01T00:00:00.000Z"


def find(chat: httpx.Client, text: str, **query: Any) -> dict[str, Any]:
    answer = chat.get(PATH, params={"text": text} | query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_messages_are_found_by_their_words_the_latest_first(chat: httpx.Client) -> None:
    say(chat, "/echo tools=0\nThe wheel turns, while WATER runs.", "mill")
    say(chat, "/echo tools=1 think=2\nNo water here: a wheel only.", "mill")
    say(chat, "/echo tools=0\nSomething else.", "other")
    (found,) = find(chat, "water wheel")["items"]
    history = {one["id"]: one for one in chat.get(f"{PATH}/mill/messages").json()["items"]}
    assert found["id"] == "mill"
    assert found["title"] == chat.get(f"{PATH}/mill").json()["title"]
    assert len(found["matches"]) == 3
    times = [match["createdAt"] for match in found["matches"]]
    assert times == sorted(times, reverse=True)
    for match in found["matches"]:
        message = history[match["messageId"]]
        assert (match["role"], match["runId"]) == (message["role"], message["runId"])
        assert "wheel" in match["snippet"]
    assert find(chat, "nothing like it") == {"items": [], "nextCursor": None}
    assert [one["id"] for one in find(chat, "SOMETHING")["items"]] == ["other"]


def test_search_goes_through_pages_to_its_end(chat: httpx.Client) -> None:
    names = [f"c{number}" for number in range(5)]
    for name in names:
        say(chat, "/echo tools=0\nwheel", name)
    found: list[str] = []
    page = find(chat, "wheel", limit=2)
    while True:
        found += [one["id"] for one in page["items"]]
        assert len(page["items"]) <= 2
        if not page["nextCursor"]:
            break
        page = find(chat, "wheel", limit=2, cursor=page["nextCursor"])
    assert found == names[::-1]


@pytest.mark.parametrize(
    "query", [{"text": "x" * 201}, {"text": "a", "q": "b"}, {"text": "a", "cursor": "?"}]
)
def test_wrong_search_is_refused(chat: httpx.Client, query: dict[str, str]) -> None:
    status, code = error_of(chat.get(PATH, params=query))
    assert status in (400, 422)
    assert code in ("invalid_query", "invalid_cursor")


async def keep(platform: Platform, slot: Slot, texts: list[str], **fields: Any) -> Conversation:
    """A conversation with messages, the oldest first."""
    made = Conversation(slot.conversation_id, "echo", "", AT, AT, "owner", **fields)
    await platform.stores.conversations.create(slot, made)
    said = [
        StoredMessage(f"m{number}", "user", [{"text": text}], AT, "run_1")
        for number, text in enumerate(texts, 1)
    ]
    there = check_that(platform.stores.conversations.table, meta_key(slot), "attribute_exists(pk)")
    for start in range(0, len(said), 50):
        puts, parts = platform.stores.messages.puts(slot, start + 1, said[start : start + 50], "w")
        await platform.stores.messages.transact(there, puts, parts)
    return made


async def test_old_messages_are_found_and_unlisted_conversations_are_not(
    platform: Platform, organization: str
) -> None:
    stores = platform.stores
    kept = [
        await keep(platform, Slot(organization, "long"), ["the wheel", *["water"] * 300]),
        await keep(platform, Slot(organization, "trial"), ["wheel"], listed=False),
    ]

    async def page(limit: int, after: Position | None) -> tuple[list[Conversation], Position | None]:
        return kept, None

    found, more = await find_by_text(stores, organization, page, ["wheel"], 10, None)
    assert [(one.conversation.id, [match.message.id for match in one.matches]) for one in found] == [
        ("long", ["m1"])
    ]
    assert more is None


async def test_request_reads_a_bounded_number_of_conversations(
    platform: Platform, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are without a hit, and says where the next one goes on."""
    opened: list[str] = []
    open_ = ConversationStore.open

    async def counted(self: ConversationStore, slot: Slot) -> Any:
        opened.append(slot.conversation_id)
        return await open_(self, slot)

    monkeypatch.setattr(ConversationStore, "open", counted)

    async def page(limit: int, after: Position | None) -> tuple[list[Conversation], Position | None]:
        first = int(after[0]) if after else 0
        found = [Conversation(f"c{first + n}", "echo", "", AT, AT, "owner") for n in range(limit)]
        return found, (str(first + limit), AT)

    found, more = await find_by_text(platform.stores, organization, page, ["wheel"], 20, None)
    assert (found, more) == ([], (str(MOST_READS), AT))
    assert len(opened) == MOST_READS
    assert PAGES <= MOST_READS


@pytest.mark.parametrize(
    ("text", "words", "snippet"),
    [
        ("The wheel\n turns.", ["turns"], "The wheel turns."),
        ("x" * 100 + " Wheel", ["wheel"], "…" + "x" * 59 + " Wheel"),
        ("wheel " + "y" * 300, ["wheel"], "wheel " + "y" * 134 + "…"),
        ("a (b) c", ["(b)"], "a (b) c"),
        ("straße", ["strasse"], "straße"),
    ],
)
def test_snippet_shows_the_first_of_the_words(text: str, words: list[str], snippet: str) -> None:
    assert snippet_of(text, words) == snippet
