// OpenAI's own client for JavaScript: `node openai_chat.mjs <url> <token> <scenario>`. Prints what it sees.
import OpenAI from "openai";

const [url, token, scenario] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: token, maxRetries: 0 });
const model = "agent:clerk";
const messages = [{ role: "user", content: "Hello" }];
const parameters = { type: "object", properties: { city: { type: "string" } } };

const scenarios = {
  async chat() {
    const models = (await client.models.list()).data.map(({ id }) => id);
    const whole = await client.chat.completions.create({ model, messages });
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    let streamed = "";
    for await (const chunk of stream) streamed += chunk.choices[0]?.delta?.content ?? "";
    return { models, whole: whole.choices[0].message.content, streamed };
  },
  async tools() {
    // The client's own loop: it runs the function and sends its result.
    const runner = client.chat.completions.runTools({
      model,
      messages,
      tools: [
        {
          type: "function",
          function: { name: "show_map", parameters, parse: JSON.parse, function: ({ city }) => `a map of ${city}` },
        },
      ],
    });
    return { content: await runner.finalContent() };
  },
  async responses() {
    const stream = client.responses.stream({ model, input: "Hello" });
    const numbers = [];
    for await (const event of stream) numbers.push(event.sequence_number);
    const final = await stream.finalResponse();
    const rest = await client.responses.retrieve(final.id, { stream: true, starting_after: numbers[2] });
    const again = [];
    for await (const event of rest) again.push(event.sequence_number);
    return { text: final.output_text, suffix: JSON.stringify(again) === JSON.stringify(numbers.slice(3)) };
  },
  async background() {
    const begun = await client.responses.create({ model, input: "Hello", background: true });
    let last = null;
    for await (const event of await client.responses.retrieve(begun.id, { stream: true })) last = event;
    const cancelled = await client.responses.cancel(begun.id);
    return { status: begun.status, last: last.type, text: last.response.output.at(-1).content[0].text, cancelled: cancelled.status };
  },
  async unknown() {
    try {
      await client.chat.completions.create({ model: "agent:nobody", messages });
    } catch (error) {
      return { kind: error.constructor.name, status: error.status, code: error.code };
    }
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
