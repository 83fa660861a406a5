import { afterEach, expect, test, vi } from "vitest";
import type { Millrace } from "@millrace/client";
import type { Auth } from "../src/api/auth";
import { clientFor } from "../src/api/client";

afterEach(() => void vi.unstubAllGlobals());

const TALK = "https://talk.example/";
const BASES = {
  "/api": "https://api.example/",
  "/api/conversations": TALK,
  "/api/approvals": TALK,
  "/api/runs": TALK,
  "/api/voice": "https://voice.example/",
};
const AUTH = { token: async () => "token" } as unknown as Auth;

/** The addresses that `act` asks. */
async function askedBy(act: (api: Millrace) => Promise<unknown>, apiBase: Record<string, string> = BASES): Promise<string[]> {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: string) => {
    asked.push(url);
    return new Response("{}");
  });
  await act(clientFor(AUTH, { apiBase }));
  return asked;
}

test.each<[string, (api: Millrace) => Promise<unknown>]>([
  ["https://api.example/api/agents?limit=100", (api) => api.agents.list({ limit: 100, cursor: null })],
  ["https://talk.example/api/runs?state=failed", (api) => api.runs.list({ state: "failed" })],
  ["https://api.example/api/agent-parts", (api) => api.call("GET /api/agent-parts")],
  ["https://talk.example/api/conversations/c1", (api) => api.conversations.get("c1")],
  ["https://talk.example/api/conversations?limit=30&q=a+b", (api) => api.conversations.list({ limit: 30, q: "a b" })],
  ["https://talk.example/api/approvals?conversationId=c1", (api) => api.approvals.list({ conversationId: "c1" })],
  ["https://talk.example/api/runs/r%2F1/answers", (api) => api.approvals.answer("r/1", { callId: "c", decision: "approve" })],
  ["https://voice.example/api/voice/voices", (api) => api.voice.listVoices()],
  ["https://voice.example/api/voice/tts/stream", (api) => api.voice.speak({ text: "Hi." })],
  ["https://voice.example/api/voice/conversations/r%2F1/stream", (api) => api.voice.speakRun("r/1")],
])("%s goes to its function", async (url, act) => {
  expect(await askedBy(act)).toEqual([url]);
});

test("without addresses of functions everything goes to the page's own", async () => {
  expect(await askedBy((api) => api.voice.listVoices(), {})).toEqual(["/api/voice/voices"]);
});
