import { type EventSourceMessage, createParser } from "eventsource-parser";
import { MillraceError } from "../errors.js";

/** The maximum number of characters of an event; the server's own limit is 1.5 MB. */
const LONGEST_EVENT = 4 * 1024 * 1024;

/** Returns a function that parses messages from bytes, however they are split. Throws MillraceError for a too large one. */
export function sseParser(longest = LONGEST_EVENT): (bytes: Uint8Array) => EventSourceMessage[] {
  const messages: EventSourceMessage[] = [];
  const decoder = new TextDecoder();
  const parser = createParser({
    maxBufferSize: longest,
    onEvent: (message) => void messages.push(message),
    onError: ({ type }) => {
      if (type === "max-buffer-size-exceeded") throw new MillraceError("An event of the stream is too large to be read.");
    },
  });
  return (bytes) => {
    parser.feed(decoder.decode(bytes, { stream: true }));
    return messages.splice(0);
  };
}
