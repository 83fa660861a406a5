"""Streams of the running stack, cut at every event: the client reaches the same state with one run."""

import json

from tests.sdk import constants, run_module
from tests.stack import RunningStack

CODE = """
import { Millrace, RunReducer, textOf } from "@millrace/client";

/** Ends every wait at once. */
const wake = { addEventListener: (_, end) => end(), removeEventListener: () => undefined };

/** A fetch whose first connection breaks after a number of events. */
function cutting(count) {
  let left = count;
  return async (url, init) => {
    const response = await fetch(url, init);
    if (!response.headers.get("Content-Type")?.includes("event-stream") || left < 0) return response;
    const cut = new TransformStream({
      transform(chunk, controller) {
        const frames = new TextDecoder().decode(chunk).split("\\n\\n").slice(0, -1);
        for (const frame of frames) {
          if (frame.includes("data:") && (left -= 1) < 0) return controller.error(new TypeError("cut"));
          controller.enqueue(new TextEncoder().encode(`${frame}\\n\\n`));
        }
      },
    });
    const { status, headers } = response;
    return new Response(response.body.pipeThrough(cut), { status, headers });
  };
}

async function ask(cut) {
  const posts = [];
  const send = cutting(cut);
  const counted = (url, init) => (init.method === "POST" && posts.push(url), send(url, init));
  const client = new Millrace({ baseUrl, token, fetch: counted });
  const conversationId = `cut-${cut}`;
  const message = { conversationId, agentId: "echo", content: "/echo tools=1\\none two three" };
  const stream = await client.conversations.sendMessageStream(message, { wake });
  const run = new RunReducer();
  for await (const event of stream) run.add(event, stream.eventId);
  const runs = new Set();
  for await (const { runId } of client.conversations.listMessages(conversationId)) runs.add(runId);
  const { status, parts, usage } = run.state;
  const kinds = parts.map((part) => part.type);
  return { posts: posts.length, runs: runs.size, status, kinds, text: textOf(parts), total: usage.total };
}

const whole = await ask(1000);
const cut = await Promise.all([0, 1, 2, 4, 6, 8].map(ask));
console.log(JSON.stringify({ whole, cut }));
"""


async def test_stream_that_is_cut_at_any_event_ends_in_the_same_state_by_one_run(stack: RunningStack) -> None:
    known = constants(baseUrl=stack.url, token=stack.token("sdk-cuts"))
    answers = json.loads(await run_module(known + CODE))
    whole = answers["whole"]
    assert whole["posts"] == whole["runs"] == 1
    assert "one two three" in whole["text"]
    assert "tool" in whole["kinds"]
    assert answers["cut"] == [whole] * 6
