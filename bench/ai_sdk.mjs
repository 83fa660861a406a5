// The AI SDK's streamText behind Node's HTTP server, as its documents show.
import { createServer } from "node:http";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { convertToModelMessages, streamText } from "ai";

const provider = createOpenAICompatible({ name: "bench", baseURL: process.env.MODEL_URL, apiKey: "k" });

createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const { messages } = JSON.parse(Buffer.concat(parts).toString());
  const result = streamText({
    model: provider(process.env.MODEL),
    messages: await convertToModelMessages(messages),
  });
  result.pipeUIMessageStreamToResponse(response);
}).listen(Number(process.env.PORT), "127.0.0.1");
