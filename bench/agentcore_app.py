"""The server of bedrock-agentcore around the openai package, as its documents show."""

import os
from collections.abc import AsyncIterator
from typing import Any

from bedrock_agentcore import BedrockAgentCoreApp
from openai import AsyncOpenAI

client = AsyncOpenAI(base_url=os.environ["MODEL_URL"], api_key="k")
app = BedrockAgentCoreApp()


@app.entrypoint
async def answer(payload: dict[str, Any]) -> AsyncIterator[dict[str, str]]:
    stream = await client.chat.completions.create(
        model=os.environ["MODEL"],
        messages=[{"role": "user", "content": payload["content"]}],
        stream=True,
    )
    async for chunk in stream:
        if chunk.choices and (text := chunk.choices[0].delta.content):
            yield {"token": text}


if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]), host="127.0.0.1", log_level="warning")
