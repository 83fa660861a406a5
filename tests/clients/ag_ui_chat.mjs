// A conversation by AG-UI's own client: `node ag_ui_chat.mjs <url> <token> <scenario>`. Prints what it ends with.
import { HttpAgent, runHttpRequest, transformHttpEventStream } from "@ag-ui/client";

const [url, token, scenario] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };

// The stock client cannot join a thread (`connect` throws): these lines are all that it takes.
class MillraceAgent extends HttpAgent {
  connect(input) {
    const query = new URLSearchParams({ threadId: input.threadId });
    return transformHttpEventStream(runHttpRequest(() => this.fetch(`${this.url}?${query}`, { headers: this.headers })));
  }
}

const agent = new MillraceAgent({ url, headers, threadId: "t1" });
const seen = [];
agent.subscribe({ onEvent: ({ event }) => void seen.push(event.type) });
const say = (content) => agent.addMessage({ id: crypto.randomUUID(), role: "user", content });
const shown = () => agent.messages.map(({ role, content, toolCalls }) => ({ role, content, calls: toolCalls?.length }));

const scenarios = {
  async talk() {
    say("Hello");
    await agent.runAgent();
    say("Again");
    await agent.runAgent();
    return { messages: shown(), seen };
  },
  async approve() {
    say("Refund 7.");
    await agent.runAgent();
    const asked = structuredClone(agent.pendingInterrupts);
    const resume = asked.map(({ id }) => ({ interruptId: id, status: "resolved", payload: { approved: true } }));
    await agent.runAgent({ resume });
    return { asked, messages: shown() };
  },
  async tool() {
    const tools = [{ name: "show_map", description: "Shows a map.", parameters: { type: "object", properties: {} } }];
    say("Where is Rome?");
    await agent.runAgent({ tools });
    const call = agent.messages.at(-1).toolCalls[0];
    agent.addMessage({ id: crypto.randomUUID(), role: "tool", toolCallId: call.id, content: "shown" });
    await agent.runAgent({ tools });
    return { messages: shown() };
  },
  async connect() {
    await agent.connectAgent();
    return { messages: shown(), interrupts: agent.pendingInterrupts.length };
  },
  async unknown() {
    say("Hello");
    try {
      await agent.runAgent();
    } catch (error) {
      return { status: error.status, payload: error.payload };
    }
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
