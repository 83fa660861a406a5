"""Images and files sent to models: the bytes of three providers, limits, and notes in their place."""

import base64
from typing import Any

import orjson
import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from millrace.agent.accepts import ALL, IMAGES, NOTHING, MediaRules, accepted, accepts_of, check_accepted
from millrace.agent.attachments import Attachments
from millrace.agent.context.sizes import tokens_of
from millrace.agent.estimate import prompt_tokens
from millrace.agent.model import Message, ModelRequest
from millrace.agent.providers.anthropic import AnthropicProvider, messages_request
from millrace.agent.providers.bedrock import converse_request
from millrace.agent.providers.chat_request import chat_request
from millrace.agent.providers.chat_servers import DIALECTS
from millrace.domain.agents import Agent
from millrace.domain.conversations import StoredMessage
from millrace.errors import InvalidRequest, ProviderError, TooLarge

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
PDF = b"%PDF-1.4\n%%EOF\n"
IMAGE = {"image": {"fileId": "file_png", "mediaType": "image/png", "name": "cat.png", "size": len(PNG)}}
REPORT = {
    "file": {"fileId": "file_pdf", "mediaType": "application/pdf", "name": "Q3: r\u00e9port.pdf", "size": 15}
}
NOTES = {"file": {"fileId": "file_txt", "mediaType": "text/csv", "name": "a.csv", "size": 8}}
URL = {"image": {"url": "https://example.com/dog.png"}}
BYTES = {"file_png": PNG, "file_pdf": PDF, "file_txt": b"a,b\n1,2\n", "https://example.com/dog.png": PNG}


async def load(about: dict[str, Any]) -> bytes | None:
    return BYTES.get(about.get("fileId") or about.get("url") or "")


def turn(*blocks: dict[str, Any]) -> Message:
    return {"role": "user", "content": list(blocks)}


def history(*messages: Message) -> list[Message]:
    out: list[Message] = []
    for message in messages:
        out += [message, {"role": "assistant", "content": [{"text": "ok"}]}]
    return out[:-1]


async def asked(*messages: Message, rules: MediaRules | None = None, taken: Any = ALL) -> ModelRequest:
    rules = rules or MediaRules()
    found = await Attachments(taken, rules, load).resolved(history(*messages))
    return ModelRequest("anthropic.claude-sonnet-5", "", found)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_anthropic_gets_images_and_documents() -> None:
    rules = AnthropicProvider.media
    request = await asked(turn({"text": "Look"}, IMAGE, REPORT, NOTES, URL), rules=rules)
    [message] = messages_request(request)["messages"]
    message["content"][-1].pop("cache_control")
    assert message["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": b64(PNG)}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)},
            "title": "Q3: r\u00e9port.pdf",
        },
        {"type": "text", "text": "[file: a.csv]\na,b\n1,2\n"},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/dog.png"}},
    ]


async def test_bedrock_gets_bytes_that_its_own_model_of_the_api_takes() -> None:
    request = await asked(turn(IMAGE, REPORT, URL), turn(REPORT))
    body = converse_request(request)
    first, _, last = body["messages"]
    assert first["content"][0] == {"image": {"format": "png", "source": {"bytes": b64(PNG)}}}
    documents = [one["document"] for one in first["content"] + last["content"] if "document" in one]
    assert [one["name"] for one in documents] == ["Q3 r port 1", "Q3 r port 2"]
    # A turn with a document must have a text; the bytes at a URL are fetched, as Converse cannot.
    for message in (first, last):
        assert any("text" in block for block in message["content"])
    assert sum("image" in block for block in first["content"]) == 2
    model = Session().get_service_model("bedrock-runtime").operation_model("ConverseStream")
    parameters = {"modelId": "m"} | body
    assert model.input_shape is not None
    report = ParamValidator().validate(parameters, model.input_shape)
    assert not report.has_errors(), report.generate_report()


async def test_chat_servers_get_data_urls_and_files() -> None:
    rules = MediaRules(urls=frozenset({"image"}))
    request = await asked(turn({"text": "Look"}, IMAGE, REPORT, URL), rules=rules)
    [message] = chat_request(request, DIALECTS["openai"], "s")["messages"]
    assert message["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(PNG)}"}},
        {
            "type": "file",
            "file": {
                "filename": "Q3: r\u00e9port.pdf",
                "file_data": f"data:application/pdf;base64,{b64(PDF)}",
            },
        },
        {"type": "image_url", "image_url": {"url": "https://example.com/dog.png"}},
    ]


async def test_text_alone_stays_a_string_for_chat_servers() -> None:
    request = await asked(turn({"text": "Look"}), turn(IMAGE))
    first, _, last = chat_request(request, DIALECTS["generic"], "s")["messages"]
    assert first["content"] == "Look"
    assert last["content"][0]["type"] == "image_url"


@pytest.mark.parametrize("block", [IMAGE, REPORT, URL])
async def test_model_without_them_gets_a_note_of_what_was_said_before(block: dict[str, Any]) -> None:
    request = await asked(turn(block), turn({"text": "And?"}), taken=NOTHING)
    for body in (
        messages_request(request),
        converse_request(request),
        chat_request(request, DIALECTS["generic"], "s"),
    ):
        text = orjson.dumps(body).decode()
        assert "left out: this model does not take it" in text
        assert "base64" not in text
        assert "bytes" not in text


async def test_unreadable_attachment_becomes_a_note() -> None:
    gone = {"image": {"fileId": "file_gone", "name": "gone.png"}}
    lying = {"image": {"fileId": "file_pdf", "mediaType": "image/png", "name": "lying.png"}}
    request = await asked(turn(gone, lying))
    texts = [block["text"] for block in request.messages[0]["content"]]
    assert texts == [
        "[image: gone.png] (it cannot be read any more)",
        "[image: lying.png] (left out: its bytes are of another type)",
    ]


async def test_latest_images_come_first_where_there_is_not_room_for_all() -> None:
    messages = [turn({"image": IMAGE["image"] | {"name": f"{n}.png"}}) for n in range(5)]
    request = await asked(*messages, rules=MediaRules(images=2))
    kept = [
        block["image"]["name"] for one in request.messages for block in one["content"] if "image" in block
    ]
    assert kept == ["3.png", "4.png"]
    small = await asked(*messages, rules=MediaRules(bytes=len(PNG)))
    assert sum("image" in block for one in small.messages for block in one["content"]) == 1


async def test_each_file_is_read_once_in_a_run() -> None:
    reads: list[str] = []

    async def counted(about: dict[str, Any]) -> bytes | None:
        reads.append(about["fileId"])
        return await load(about)

    attachments = Attachments(ALL, MediaRules(), counted)
    for _ in range(3):
        await attachments.resolved(history(turn(IMAGE), turn(IMAGE, REPORT)))
    assert sorted(reads) == ["file_pdf", "file_png"]


async def test_attachments_without_room_are_not_read_or_kept() -> None:
    reads: list[str] = []

    async def counted(about: dict[str, Any]) -> bytes | None:
        reads.append(about.get("fileId") or about["url"])
        return PNG

    images = [turn({"image": IMAGE["image"] | {"fileId": f"file_{n}"}}) for n in range(40)]
    large = {"image": IMAGE["image"] | {"fileId": "file_large", "size": 10_000_000}}
    urls = [{"image": {"url": f"https://example.com/{n}.png"}} for n in range(3)]
    attachments = Attachments(ALL, MediaRules(images=4, bytes=3 * len(PNG)), counted)
    for _ in range(2):
        found = await attachments.resolved(history(*images, turn(large, *urls, IMAGE, IMAGE)))
        assert found[-1]["content"][3]["image"]["url"] == "https://example.com/2.png"
    assert reads == ["file_png", "https://example.com/2.png"]
    attachments = Attachments(ALL, MediaRules(bytes=len(PNG) - 1), counted)
    for _ in range(2):
        await attachments.resolved(history(turn(urls[0])))
    assert reads[2:] == ["https://example.com/0.png"]
    assert not attachments._read


async def test_refusal_of_an_old_image_leads_to_notes_and_of_a_new_one_to_an_error() -> None:
    refusal = ProviderError("This model does not support image input.", http_status=400)
    attachments = Attachments(ALL, MediaRules(), load)
    new = ModelRequest("m", "", await attachments.resolved(history(turn(IMAGE))))
    assert not attachments.shrink(refusal, new)
    old = ModelRequest("m", "", await attachments.resolved(history(turn(IMAGE), turn({"text": "And?"}))))
    assert not attachments.shrink(ProviderError("Overloaded", http_status=529), old)
    assert attachments.shrink(refusal, old)
    again = await attachments.resolved(history(turn(IMAGE), turn({"text": "And?"})))
    assert all("text" in block for one in again for block in one["content"])


async def test_estimates_count_images_and_not_their_base64() -> None:
    large = PNG + b"\0" * 1_000_000
    about = {"image": IMAGE["image"] | {"size": len(large), "data": b64(large)}}
    request = ModelRequest("m", "", [turn({"text": "Look"}, about)])
    assert 1_600 <= prompt_tokens(request) <= 1_700
    stored = StoredMessage("m", "user", [{"text": "Look"}, IMAGE], "")
    assert 1_600 <= tokens_of(stored) <= 1_800


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("anthropic:claude-sonnet-5", ALL),
        ("bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0", ALL),
        ("bedrock:us.amazon.nova-lite-v1:0", ALL),
        ("bedrock:amazon.nova-micro-v1:0", NOTHING),
        ("openai:gpt-4o", ALL),
        ("openai:gpt-5-mini", ALL),
        ("openai:gpt-4", NOTHING),
        ("openai:gpt-3.5-turbo", NOTHING),
        ("openai:o1-mini", NOTHING),
        ("deepseek:deepseek-chat", NOTHING),
        ("ollama:llava:13b", IMAGES),
        ("ollama:qwen2.5vl:7b", IMAGES),
        ("ollama:gemma3:12b", IMAGES),
        ("ollama:llama3.2-vision", None),
        ("ollama:my-own", None),
        ("demo:", NOTHING),
    ],
)
def test_models_are_known_by_their_names(model: str, expected: Any) -> None:
    if expected is None:
        assert accepts_of(model) != ALL
    else:
        assert accepts_of(model) == expected


def test_agent_says_better_than_the_table() -> None:
    agent = Agent(id="a", name="A", model="demo:", accepts=["image"])
    assert accepted(agent, "demo:", MediaRules()) == IMAGES
    plain = Agent(id="a", name="A")
    assert accepted(plain, "ollama:my-own", MediaRules(pdf=False)) == IMAGES


def test_message_is_checked_before_the_run_and_the_model_is_named() -> None:
    with pytest.raises(InvalidRequest, match="demo: does not accept images") as refused:
        check_accepted([IMAGE], NOTHING, MediaRules(), "demo:")
    assert refused.value.code == "attachment_not_accepted"
    with pytest.raises(InvalidRequest, match="does not accept application/pdf files"):
        check_accepted([REPORT], IMAGES, MediaRules(), "ollama:llava")
    check_accepted([NOTES], NOTHING, MediaRules(), "demo:")
    with pytest.raises(TooLarge, match="at most 10 bytes"):
        check_accepted([IMAGE], ALL, MediaRules(image_bytes=10), "m")
    with pytest.raises(InvalidRequest, match="at most 2"):
        check_accepted([IMAGE] * 3, ALL, MediaRules(images=2), "m")
