// Tools by MCP's own client: `node mcp_calls.mjs <url> <token> <answer>`. Prints what it lists and is answered.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const [url, token, action] = process.argv.slice(2);
const transport = new StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { Authorization: `Bearer ${token}` } },
});
const client = new Client({ name: "tests", version: "1" }, { capabilities: { elicitation: {} } });
const questions = [];
client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
  questions.push(params.message);
  return action === "accept" ? { action, content: {} } : { action };
});
await client.connect(transport);
const { tools } = await client.listTools();
const progress = [];
const call = (name, message) =>
  client.callTool({ name, arguments: { message } }, undefined, { onprogress: (one) => void progress.push(one.message) });
const answer = await call("ask_echo", "one two three");
const asked = await call("ask_clerk", "hi");
await client.close();
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), answer, asked, progress, questions }));
