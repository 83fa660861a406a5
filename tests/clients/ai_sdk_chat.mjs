// A chat of the AI SDK (`useChat` without React): takes steps (JSON), prints messages, requests and errors.
//
// Steps: send {text, files, body}, approve {approved, reason}, output {tool, output}, resume, reload (a new page
// that knows the user's messages), regenerate, stop. `cut` ends the body of the next answer after so many frames,
// as a lost connection does.
const [version, api, token, given] = process.argv.slice(2);
const ai = await import(version === '7' ? 'ai7' : 'ai6');
const requests = [];
const errors = [];
let cut = null;

async function* framesOf(body, most) {
  const reader = body.getReader();
  let left = '';
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    left += decoder.decode(value, { stream: true });
    for (let end = left.indexOf('\n\n'); end >= 0; end = left.indexOf('\n\n')) {
      if (most-- <= 0) return void reader.cancel();
      yield new TextEncoder().encode(left.slice(0, end + 2));
      left = left.slice(end + 2);
    }
  }
}

async function cuttingFetch(url, init) {
  const response = await fetch(url, init);
  const { headers, status } = response;
  requests.push({ url: String(url), status, runId: headers.get('x-workflow-run-id'), type: headers.get('content-type') });
  if (cut === null || !response.body) return response;
  const most = cut;
  cut = null;
  const frames = framesOf(response.body, most);
  const body = new ReadableStream({
    async pull(controller) {
      const { done, value } = await frames.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
  return new Response(body, { status, headers });
}

class Chat extends ai.AbstractChat {
  constructor(id, messages = []) {
    const state = {
      status: 'ready',
      error: undefined,
      messages,
      pushMessage(message) { this.messages = [...this.messages, message]; },
      popMessage() { this.messages = this.messages.slice(0, -1); },
      replaceMessage(index, message) { this.messages = this.messages.with(index, structuredClone(message)); },
      snapshot: structuredClone,
    };
    const headers = { authorization: `Bearer ${token}` };
    const suffix = version === '7' ? '?ai=7' : '';
    const transport = new ai.DefaultChatTransport({ api: `${api}/api/chat${suffix}`, headers, fetch: cuttingFetch });
    const sendAutomaticallyWhen = options =>
      ai.lastAssistantMessageIsCompleteWithApprovalResponses(options) ||
      ai.lastAssistantMessageIsCompleteWithToolCalls(options);
    super({ id, state, transport, sendAutomaticallyWhen, onError: error => errors.push(String(error.message)) });
  }
}

const { id, steps } = JSON.parse(given);
let chat = new Chat(id);
const idle = async () => {
  while (!['ready', 'error'].includes(chat.status)) await new Promise(resolve => setTimeout(resolve, 10));
};
const toolParts = () => chat.lastMessage.parts.filter(part => part.type.startsWith('tool-'));
const actions = {
  send: ({ text, files, body }) => chat.sendMessage({ text, files }, { body }),
  regenerate: ({ body }) => chat.regenerate({ messageId: chat.lastMessage.id, body }),
  resume: () => chat.resumeStream(),
  reload: () => { chat = new Chat(id, chat.messages.filter(message => message.role === 'user')); },
  stop: () => chat.stop(),
  async approve({ approved, reason }) {
    for (const part of toolParts().filter(part => part.state === 'approval-requested'))
      await chat.addToolApprovalResponse({ id: part.approval.id, approved, reason });
  },
  async output({ tool, output }) {
    const part = toolParts().find(part => part.type === `tool-${tool}` && part.state === 'input-available');
    await chat.addToolOutput({ tool, toolCallId: part.toolCallId, output });
  },
};
const shown = [];
for (const step of steps) {
  if (step.cut !== undefined) cut = step.cut;
  await actions[step.do](step);
  await idle();
  shown.push(structuredClone(chat.messages));
}
console.log(JSON.stringify({ messages: chat.messages, shown, requests, errors }));
