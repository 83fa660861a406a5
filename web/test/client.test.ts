import { afterEach, expect, test, vi } from "vitest";
import type { Auth } from "../src/api/auth";
import { Api } from "../src/api/client";

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

/** The requests that `act` makes, by method and address. */
async function requestsOf(act: (api: Api) => Promise<unknown>, bases: Record<string, string> = BASES) {
  const sent: { url: string; init: RequestInit }[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    sent.push({ url, init });
    return new Response("{}");
  });
  await act(new Api(AUTH, bases));
  return sent;
}

const { signal } = new AbortController();

test.each<[string, (api: Api) => Promise<unknown>]>([
  ["https://api.example/api/agents?limit=100", (api) => api.listAgents()],
  ["https://talk.example/api/runs?state=failed", (api) => api.get("/api/runs", { state: "failed" })],
  ["https://api.example/api/runs-of-old", (api) => api.get("/api/runs-of-old")],
  ["https://talk.example/api/conversations/c1", (api) => api.getConversation("c1")],
  ["https://talk.example/api/conversations?limit=30&q=a+b", (api) => api.listConversations(null, "a b")],
  ["https://talk.example/api/conversations/c1?restorable=true", (api) => api.deleteConversation("c1")],
  ["https://talk.example/api/conversations/c1/branch", (api) => api.selectBranch("c1", "m1")],
  ["https://talk.example/api/approvals?conversationId=c1", (api) => api.listApprovals("c1")],
  ["https://talk.example/api/runs/r%2F1/answers", (api) => api.answerCall("r/1", { callId: "c", decision: "approve" })],
  ["https://voice.example/api/voice/voices", (api) => api.listVoices()],
  ["https://voice.example/api/voice/tts/stream", (api) => api.speakText("Hi.", { speed: 1 }, signal)],
  [
    "https://voice.example/api/voice/conversations/r%2F1/stream",
    (api) => api.speakRun("r/1", { speed: 1, voice: "nova" }, signal),
  ],
])("%s goes to its function", async (url, act) => {
  expect((await requestsOf(act)).map((request) => request.url)).toEqual([url]);
});

test("without addresses of functions everything goes to the page's own", async () => {
  const [request] = await requestsOf((api) => api.listVoices(), {});
  expect(request?.url).toBe("/api/voice/voices");
});

test("speech is asked for as samples, in the user's manner, and can be aborted", async () => {
  const [request] = await requestsOf((api) => api.speakText("Hi.", { speed: 1.5, voice: "nova" }, signal));
  expect(JSON.parse(String(request?.init.body))).toEqual({ text: "Hi.", format: "pcm", speed: 1.5, voice: "nova" });
  expect(request?.init.signal).toBe(signal);
});
