"""Branches of a conversation: what the model receives, whatever was edited, regenerated and selected, and
whatever died in between."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from millrace.domain.branches import BranchPoint
from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.summaries import Summary
from millrace.errors import Conflict, InvalidRequest, MillraceError, NotFound
from millrace.services.runs import branches
from millrace.services.runs.branches import select_branch
from millrace.services.runs.history import read_history
from millrace.services.runs.model_history import model_history
from millrace.settings import Settings
from millrace.stores import conversations
from millrace.stores.connect import Stores
from millrace.stores.conversations import ConversationSnapshot
from millrace.stores.dynamo import check_that
from millrace.stores.lease_record import lease_key
from tests.aws import Aws
from tests.effort import effort, soak
from tests.services.mortal import Blow, Failure, Killed, Mortal
from tests.services.scripted import Talk, calls, says, text_of


@pytest.fixture
async def talk(aws_environment: Aws) -> AsyncIterator[Talk]:
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    stores = Stores.connect(settings)
    yield Talk(settings, stores)
    await asyncio.to_thread(stores.aws.close)


async def ask(talk: Talk, question: str, answer: str, **more: BranchPoint) -> str:
    """Ask and get an answer; the id of the answer."""
    talk.models.turns.append(says(answer))
    return str((await talk.say(question, **more))[-1].event["messageId"])


def sent(talk: Talk) -> list[str]:
    """The texts that the model was sent with its last call."""
    texts = []
    for message in talk.models.requests[-1].messages:
        texts += [block["text"] for block in message["content"] if "text" in block]
    return texts


async def viewed(talk: Talk, branch: str = "", page: int = 100) -> list[dict[str, object]]:
    """The history as a viewer sees it."""
    found, after = await read_history(talk.stores, talk.slot, 0, page, "full", branch)
    while after is not None:
        more, after = await read_history(talk.stores, talk.slot, after, page, "full", branch)
        found += more
    return found


def texts(messages: list[dict[str, object]]) -> list[str]:
    return ["".join(b.get("text", "") for b in one["content"]) for one in messages]  # type: ignore[attr-defined]


async def test_edited_question_begins_a_branch_beside_the_old_one(talk: Talk) -> None:
    first = await ask(talk, "one", "1")
    old = await ask(talk, "two", "2")
    await ask(talk, "two, edited", "2b", branch=BranchPoint(first))
    assert sent(talk) == ["one", "1", "two, edited"]
    await ask(talk, "three", "3")
    assert sent(talk) == ["one", "1", "two, edited", "2b", "three"]
    active = await viewed(talk)
    assert texts(active) == ["one", "1", "two, edited", "2b", "three", "3"]
    assert [one["parentId"] for one in active] == [None, *(one["id"] for one in active[:-1])]
    assert texts(await viewed(talk, old)) == ["one", "1", "two", "2"]
    edited, before = active[2], (await viewed(talk, old))[2]
    assert edited["siblings"] == before["siblings"] == [before["id"], edited["id"]]
    assert not any("siblings" in one for one in [*active[:2], *active[3:]])


async def test_first_question_can_be_edited(talk: Talk) -> None:
    old = await ask(talk, "one", "1")
    await ask(talk, "uno", "1b", branch=BranchPoint())
    assert sent(talk) == ["uno"]
    active = await viewed(talk)
    assert texts(active) == ["uno", "1b"]
    assert active[0]["parentId"] is None
    assert len(active[0]["siblings"]) == 2  # type: ignore[arg-type]
    assert texts(await viewed(talk, old)) == ["one", "1"]


async def test_regenerated_answer_stands_beside_the_first_one(talk: Talk) -> None:
    await ask(talk, "one", "1")
    talk.models.turns.append(calls("tool"))
    old = await ask(talk, "two", "2")
    await ask(talk, "three", "3")
    new = await ask(talk, "", "2b", branch=BranchPoint(old, again=True))
    assert sent(talk) == ["one", "1", "two"], "without the old answer and its tools"
    active = await viewed(talk)
    assert texts(active) == ["one", "1", "two", "2b"]
    assert active[3]["id"] == new
    old_branch = await viewed(talk, old)
    assert texts(old_branch) == ["one", "1", "two", "", "", "2", "three", "3"]
    assert old_branch[3]["siblings"] == active[3]["siblings"] == [old_branch[3]["id"], new]
    third = await ask(talk, "", "2c", branch=BranchPoint(again=True))
    assert sent(talk) == ["one", "1", "two"], "without an id it is the latest answer"
    assert (await viewed(talk))[3]["siblings"] == [old_branch[3]["id"], new, third]


async def test_chosen_branch_goes_on_where_it_ended(talk: Talk) -> None:
    first = await ask(talk, "one", "1")
    old = await ask(talk, "two", "2")
    new = await ask(talk, "two, edited", "2b", branch=BranchPoint(first))
    asked = (await viewed(talk, old))[2]
    assert await select_branch(talk.stores, talk.slot, str(asked["id"])) == old
    assert texts(await viewed(talk)) == ["one", "1", "two", "2"]
    await ask(talk, "three", "3")
    assert sent(talk) == ["one", "1", "two", "2", "three"]
    assert texts(await viewed(talk)) == ["one", "1", "two", "2", "three", "3"]
    assert await select_branch(talk.stores, talk.slot, new) == new
    assert await select_branch(talk.stores, talk.slot, new) == new
    await ask(talk, "four", "4")
    assert sent(talk) == ["one", "1", "two, edited", "2b", "four"]


async def test_branch_that_is_chosen_while_a_message_begins_is_the_one_that_it_goes_on(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await ask(talk, "one", "1")
    old = await ask(talk, "two", "2")
    await ask(talk, "two, edited", "2b", branch=BranchPoint(first))
    read, choices = talk.stores.conversations.open, [old]

    async def choose_meanwhile(slot: Slot) -> ConversationSnapshot:
        snapshot = await read(slot)
        if choices:
            await select_branch(talk.stores, slot, choices.pop())
        return snapshot

    monkeypatch.setattr(talk.stores.conversations, "open", choose_meanwhile)
    await ask(talk, "three", "3")
    assert sent(talk) == ["one", "1", "two", "2", "three"]


async def test_message_goes_on_behind_a_run(talk: Talk) -> None:
    talk.models.turns += [says("1"), says("2")]
    first = await talk.start("one")
    await first.over()
    await ask(talk, "two", "2")
    await ask(talk, "other", "3", branch=BranchPoint(run_id=first.run.id))
    assert sent(talk) == ["one", "1", "other"]


async def test_places_that_are_none_are_refused_before_anything_is_stored(talk: Talk) -> None:
    with pytest.raises(NotFound):
        await talk.start("", branch=BranchPoint(again=True))
    with pytest.raises(NotFound):
        await talk.start("hi", branch=BranchPoint("msg_unknown"))
    talk.models.turns.append(calls("tool"))
    await ask(talk, "one", "1")
    within = [one for one in await talk.messages() if any("toolUse" in block for block in one.content)]
    with pytest.raises(InvalidRequest, match="between a tool call and its result"):
        await talk.start("hi", branch=BranchPoint(within[0].id))
    with pytest.raises(InvalidRequest):
        await talk.start("", branch=BranchPoint(again=True), if_busy="inject")
    with pytest.raises(NotFound):
        await select_branch(talk.stores, talk.slot, "msg_unknown")
    assert len(await talk.messages()) == 4


async def test_branches_have_a_limit(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branches, "MOST_BRANCHES", 2)
    first = await ask(talk, "one", "1")
    for _ in range(3):
        await ask(talk, "two", "2", branch=BranchPoint(first))
    with pytest.raises(Conflict, match="more than 2 branches"):
        await talk.start("two", branch=BranchPoint(first))
    await ask(talk, "three", "3")


async def test_branch_cannot_be_chosen_while_the_agent_answers(talk: Talk) -> None:
    first = await ask(talk, "one", "1")
    refused = asyncio.Event()

    async def wait() -> None:
        await refused.wait()

    talk.models.turns.append([wait, *says("2")])
    session = await talk.start("two")
    with pytest.raises(Conflict) as busy:
        await select_branch(talk.stores, talk.slot, first)
    assert busy.value.code == "run_active"
    refused.set()
    await session.over()


async def test_lost_run_of_an_edited_question_goes_on_in_its_branch(talk: Talk) -> None:
    """Another process finds the branch of the run, not all that was said."""
    first = await ask(talk, "one", "1")
    await ask(talk, "two", "2")
    session = await talk.start("two, edited", branch=BranchPoint(first))
    snapshot = await talk.stores.conversations.open(talk.slot)
    found = [text_of(one) for one in await model_history(talk.stores, talk.slot, snapshot)]
    assert found[:3] == ["one", "1", "two, edited"]
    await session.over()


async def test_each_branch_keeps_its_summary(talk: Talk) -> None:
    first = await ask(talk, "one", "1")
    second = await ask(talk, "two", "2")
    await keep_summary(talk, "of the first branch", second)
    other = await ask(talk, "other", "3", branch=BranchPoint(first))
    assert sent(talk) == ["one", "1", "other"], "the summary tells of the other branch"
    await keep_summary(talk, "of the second branch", other, branched=True)
    await ask(talk, "four", "4")
    assert sent(talk) == [
        "[Summary of what was said since then; the messages themselves are left out]\nof the second branch",
        "3",
        "four",
    ]
    await select_branch(talk.stores, talk.slot, second)
    await ask(talk, "five", "5")
    assert sent(talk)[0].endswith("of the first branch")
    assert sent(talk)[1:] == ["2", "five"]


async def keep_summary(talk: Talk, text: str, first_kept: str, *, branched: bool = False) -> None:
    exists = check_that(talk.stores.conversations.table, lease_key(talk.slot), "attribute_exists(pk)")
    await talk.stores.summaries.keep(exists, talk.slot, Summary(text, first_kept), branched=branched)


class Reader:
    """The messages by the ones that they follow, and the end of the active branch."""

    def __init__(self) -> None:
        self.parents: dict[str, str] = {}
        self.head = ""

    def line(self, id: str) -> list[str]:
        found: list[str] = []
        while id:
            found.append(id)
            id = self.parents[id]
        return found[::-1]


@soak
@pytest.mark.parametrize("seed", range(effort(4, 200)))
async def test_random_trees_survive_crashes(
    aws_environment: Aws, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Each message is on one branch, the model is sent that branch, and a crash at any write of a beginning
    leaves the tree as it was, or with the message."""
    # The snapshot reaches back to a few messages only, so that what branches need is read beside it.
    monkeypatch.setattr(conversations, "HISTORY_MESSAGES", 5)
    chance = random.Random(seed)
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    aws = Mortal(settings.region, [])
    stores = Stores.connect(settings, aws)
    talk = Talk(settings, stores)
    try:
        await _grow(talk, aws, chance)
    finally:
        await asyncio.to_thread(aws.close)


async def _grow(talk: Talk, aws: Mortal, chance: random.Random) -> None:
    reader = Reader()
    await _say(talk, reader, BranchPoint())
    await _say(talk, reader, BranchPoint())
    for _ in range(effort(12, 20)):
        await _one_step(talk, aws, reader, chance)
        assert ids(await viewed(talk, page=3)) == reader.line(reader.head)
        for one in chance.sample(sorted(reader.parents), 2):
            branch = ids(await viewed(talk, one))
            assert branch == reader.line(branch[-1])
            assert one in branch


async def _one_step(talk: Talk, aws: Mortal, reader: Reader, chance: random.Random) -> None:
    answers = [one for one in reader.parents if one.startswith("msg") and one in reader.parents.values()]
    place = chance.choice(["", reader.head, *answers])
    what = chance.choice(["say", "edit", "again", "choose", "crash"])
    if what == "choose" and place:
        reader.head = await select_branch(talk.stores, talk.slot, place)
    elif what == "say":
        await _say(talk, reader, None)
    elif what == "again" and place:
        await _say(talk, reader, BranchPoint(place, again=True))
    elif what == "crash":
        await _crash(talk, aws, reader, BranchPoint(place), chance)
    else:
        await _say(talk, reader, BranchPoint(place))


async def _say(talk: Talk, reader: Reader, point: BranchPoint | None) -> None:
    question = "" if point and point.again else f"q{len(reader.parents)}"
    before = {one.id for one in await talk.messages()}
    session = await talk.start(question, branch=point)
    await session.over()
    _learn(reader, await talk.messages(), before, _place(reader, await talk.messages(), point))
    new = reader.line(reader.head)
    expected = [text for text in _texts_of(await talk.messages(), new) if text]
    assert [text for text in sent(talk) if text] == expected[:-1]


async def _crash(talk: Talk, aws: Mortal, reader: Reader, point: BranchPoint, chance: random.Random) -> None:
    before = {one.id for one in await talk.messages()}
    failures: list[Failure] = ["kill before", "fault before", "fault after"]
    aws.blows.append([Blow(1, chance.choice(failures))])
    aws.next_process()
    try:
        session = await talk.start(f"q{len(reader.parents)}", branch=point)
        await session.over()
    except (Killed, MillraceError):
        pass
    aws.next_process()
    added = [one for one in await talk.messages() if one.id not in before]
    assert len(added) in (0, 2)
    if added:
        _learn(reader, await talk.messages(), before, point.message_id)


def _place(reader: Reader, messages: list[StoredMessage], point: BranchPoint | None) -> str:
    if point is None:
        return reader.head
    if not point.again:
        return point.message_id
    roles = {one.id: one.role for one in messages}
    return next(one for one in reversed(reader.line(point.message_id)) if roles[one] == "user")


def _learn(reader: Reader, messages: list[StoredMessage], before: set[str], place: str) -> None:
    for one in messages:
        if one.id not in before:
            reader.parents[one.id] = place
            place = reader.head = one.id


def _texts_of(messages: list[StoredMessage], line: list[str]) -> list[str]:
    by_id = {one.id: text_of(one) for one in messages}
    return [by_id[id] for id in line]


def ids(messages: list[dict[str, object]]) -> list[str]:
    return [str(one["id"]) for one in messages]
