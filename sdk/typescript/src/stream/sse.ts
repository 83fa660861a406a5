import { type EventSourceMessage, createParser } from "eventsource-parser";
import { MillraceError } from "../errors.js";

/** Characters of one event; the server's own limit is 1.5 MB. */
const LONGEST_EVENT = 4 * 1024 * 1024;

/** Return a function that turns bytes, however they are cut, into messages. It throws MillraceError at a too large one. */
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
