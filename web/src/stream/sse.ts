/** One dispatched Server-Sent Event. `id` is the event's own: null when it has none and cannot be resumed from. */
export interface SseMessage {
  readonly event: string;
  readonly data: string;
  readonly id: string | null;
}

export class SseLimitError extends Error {
  override name = "SseLimitError";
}

const LINE_END = /\r\n|\n|\r/g;

/**
 * Incremental parser of `text/event-stream` (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * The result does not depend on how the bytes are cut: a chunk may end inside a character, a line end or a field.
 * An event that is not closed by an empty line is never dispatched.
 */
export class SseParser {
  readonly #decoder = new TextDecoder();
  readonly #maxLength: number;
  #pending: string[] = [];
  #pendingLength = 0;
  #afterCarriageReturn = false;
  #event = "";
  #data: string[] = [];
  #dataLength = 0;
  #id: string | null = null;

  /** `maxLength`: characters that one line, or the data of one event, may have. */
  constructor(maxLength = 4 * 1024 * 1024) {
    this.#maxLength = maxLength;
  }

  /** The events that `bytes` completes. Throws SseLimitError when an event is larger than `maxLength`. */
  push(bytes: Uint8Array): SseMessage[] {
    const messages: SseMessage[] = [];
    for (const line of this.#lines(this.#decoder.decode(bytes, { stream: true }))) {
      const message = this.#take(line);
      if (message) messages.push(message);
    }
    return messages;
  }

  *#lines(chunk: string): Generator<string> {
    const text = this.#afterCarriageReturn && chunk.startsWith("\n") ? chunk.slice(1) : chunk;
    if (chunk) this.#afterCarriageReturn = chunk.endsWith("\r");
    let start = 0;
    for (const match of text.matchAll(LINE_END)) {
      yield this.#completed(text.slice(start, match.index));
      start = match.index + match[0].length;
    }
    this.#keep(text.slice(start));
  }

  #completed(end: string): string {
    this.#keep(end);
    const line = this.#pending.join("");
    this.#pending = [];
    this.#pendingLength = 0;
    return line;
  }

  #keep(part: string): void {
    this.#pendingLength += part.length;
    this.#refuseOver(this.#pendingLength);
    if (part) this.#pending.push(part);
  }

  #take(line: string): SseMessage | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const raw = colon < 0 ? "" : line.slice(colon + 1);
    this.#set(field, raw.startsWith(" ") ? raw.slice(1) : raw);
    return null;
  }

  #set(field: string, value: string): void {
    if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "data") {
      this.#dataLength += value.length + 1;
      this.#refuseOver(this.#dataLength);
      this.#data.push(value);
    }
  }

  #dispatch(): SseMessage | null {
    const message = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
    const isEmpty = this.#data.length === 0;
    this.#event = "";
    this.#id = null;
    this.#data = [];
    this.#dataLength = 0;
    return isEmpty ? null : message;
  }

  #refuseOver(length: number): void {
    if (length > this.#maxLength) throw new SseLimitError(`An event is larger than ${this.#maxLength} characters.`);
  }
}
