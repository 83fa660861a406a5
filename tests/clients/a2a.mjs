// A2A's own client: `node a2a.mjs <address> <token> <binding>`. Prints what it has seen of each operation.
import { TaskNotFoundError } from "@a2a-js/sdk/errors";
import { ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory, RestTransportFactory } from "@a2a-js/sdk/client";

const [address, token, binding] = process.argv.slice(2);
const fetchImpl = (url, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${token}`);
  return fetch(url, { ...init, headers });
};
const transports = { JSONRPC: new JsonRpcTransportFactory({ fetchImpl }), "HTTP+JSON": new RestTransportFactory({ fetchImpl }) };
const factory = new ClientFactory({
  transports: [transports[binding]],
  cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
});
const client = await factory.createFromUrl(address);
const conformance = await factory.createFromUrl(address, "/a2a/conformance/.well-known/agent-card.json");

const message = (text, more = {}) => ({
  message: {
    messageId: crypto.randomUUID(),
    role: 1,
    parts: [{ content: { $case: "text", value: text }, metadata: undefined, filename: "", mediaType: "" }],
    contextId: "",
    taskId: "",
    extensions: [],
    referenceTaskIds: [],
    metadata: undefined,
    ...more,
  },
  configuration: undefined,
  metadata: undefined,
  tenant: "",
});
const textOf = (task) => task.artifacts.flatMap((one) => one.parts).map((part) => part.content.value).join("");
const read = async (stream) => {
  const kinds = [];
  let text = "";
  for await (const event of stream) {
    const { $case: kind, value } = event.payload;
    kinds.push(kind);
    if (kind === "task") text = textOf(value);
    if (kind === "artifactUpdate") text = (value.append ? text : "") + value.artifact.parts[0].content.value;
  }
  return { first: kinds[0], last: kinds.at(-1), text };
};
const begun = async (stream) => {
  for await (const { payload } of stream) if (payload.$case === "task") return payload.value.id;
};

const sent = await client.sendMessage(message("one two"));
const task = await client.getTask({ id: sent.id, tenant: "" });
const listed = await client.listTasks({ contextId: sent.contextId, tenant: "", pageToken: "", status: 0 });
const streamed = await read(client.sendMessageStream(message("three four")));
const slow = await begun(client.sendMessageStream(message("/echo think=0 tools=0 delayMs=20 tokens=30\nword")));
const resumed = await read(client.resubscribeTask({ id: slow, tenant: "" }));
const asking = await conformance.sendMessage(message("ask", { messageId: `tck-input-required-${crypto.randomUUID()}` }));
const canceled = await conformance.cancelTask({ id: asking.id, tenant: "", metadata: undefined });
const unknown = await client.getTask({ id: "run_unknown", tenant: "" }).catch((error) => error instanceof TaskNotFoundError);
console.log(
  JSON.stringify({
    sent: textOf(sent),
    got: textOf(task),
    listed: listed.tasks.map(({ id }) => id === sent.id),
    streamed,
    resumed,
    asked: asking.status.state,
    canceled: canceled.status.state,
    unknown,
  }),
);
