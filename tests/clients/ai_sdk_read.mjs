// Reads UI message streams (a file with a JSON list of them) as the AI SDK does: each chunk against the package's
// own schema, then all of them into a message.
import { readFileSync } from 'node:fs';

const [version, file] = process.argv.slice(2);
const ai = await import(version === '7' ? 'ai7' : 'ai6');
const fetched = body => async () => new Response(body, { headers: { 'content-type': 'text/event-stream' } });
const found = [];
for (const body of JSON.parse(readFileSync(file, 'utf8'))) {
  let message = null;
  let problem = null;
  try {
    const transport = new ai.DefaultChatTransport({ api: 'http://localhost/api/chat', fetch: fetched(body) });
    const stream = await transport.sendMessages({ chatId: 'c', messages: [], trigger: 'submit-message' });
    const failed = error => { if (error.message !== 'The model is down.') problem = String(error); };
    for await (const one of ai.readUIMessageStream({ stream, onError: failed })) message = one;
  } catch (error) {
    problem = String(error);
  }
  found.push({ message, problem });
}
console.log(JSON.stringify(found));
