// TanStack AI's chat client over a connection that is cut after each event in turn: `node ag_ui_tanstack.mjs <url>
// <token> <thread> <cuts>`. With `cuts` 0 nothing is cut. Prints the messages that it ends with, and how often it came back.
import { ChatClient, fetchServerSentEvents } from "@tanstack/ai-client";

const [url, token, threadId, cuts] = process.argv.slice(2);
let requests = 0;

// A connection that breaks after so many events.
function cut(response, after) {
  const decoder = new TextDecoder();
  let events = 0;
  const body = new ReadableStream({
    async start(controller) {
      let rest = "";
      for await (const bytes of response.body) {
        rest += decoder.decode(bytes, { stream: true });
        const frames = rest.split("\n\n");
        rest = frames.pop();
        for (const frame of frames) {
          controller.enqueue(new TextEncoder().encode(frame + "\n\n"));
          if (frame.includes("data:") && ++events === after) return controller.error(new Error("cut"));
        }
      }
      controller.close();
    },
  });
  return new Response(body, { status: response.status, headers: response.headers });
}

async function fetchClient(address, init) {
  requests += 1;
  const response = await fetch(address, init);
  return Number(cuts) && response.ok && response.body ? cut(response, Number(cuts)) : response;
}

const client = new ChatClient({
  threadId,
  connection: fetchServerSentEvents(url, {
    headers: { Authorization: `Bearer ${token}` },
    fetchClient,
    reconnect: { delayMs: 1, maxAttempts: 5 },
  }),
});
let failure = null;
await client.sendMessage("Hello").catch((error) => (failure = String(error)));
const parts = client.getMessages().map(({ role, parts }) => ({
  role,
  parts: parts.map(({ type, content, name, arguments: given, output }) => ({ type, content, name, given, output })),
}));
console.log(JSON.stringify({ parts, requests, failure, error: client.getError?.()?.message ?? null }));
