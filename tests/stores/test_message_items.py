"""The head of a large message keeps part of its content."""

from millrace.stores.message_items import SHORT_BYTES, shortened


def test_thinking_stays_in_short_only_where_its_server_wants_plain_text() -> None:
    def thought(**data: object) -> dict[str, object]:
        return {"reasoningContent": {"reasoningText": {"text": "x" * 9000}}} | data

    signed = {"reasoningContent": {"reasoningText": {"text": "x", "signature": "s"}}}
    plain = thought(providerData={"api.deepseek.com": {"field": "reasoning_content"}})
    sealed = thought(providerData={"openrouter.ai": {"reasoning_details": [{}]}})
    kept = shortened([signed, sealed, plain, thought()])
    assert [block["providerData"] for block in kept] == [plain["providerData"]]
    text = kept[0]["reasoningContent"]["reasoningText"]["text"]
    assert text.startswith("x" * SHORT_BYTES)
    assert "9,000 bytes" in text
