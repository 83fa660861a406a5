const ENCODER = new TextEncoder();

export function encode(text: string): Uint8Array {
  return ENCODER.encode(text);
}

/** One event of the run `r1` as the server writes it. */
export function sse(id: number | null, event: object): string {
  return `${id === null ? "" : `id: r1.${id}\n`}data: ${JSON.stringify(event)}\n\n`;
}

/** A response whose body the test writes, ends or breaks, in real bytes. */
export class StreamedResponse {
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  isCancelled = false;
  readonly response = new Response(
    new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => void (this.isCancelled = true),
    }),
    { headers: { "Content-Type": "text/event-stream; charset=utf-8" } },
  );

  write(...parts: (string | Uint8Array)[]): this {
    for (const part of parts) this.#controller.enqueue(typeof part === "string" ? encode(part) : part);
    return this;
  }

  end(): this {
    this.#controller.close();
    return this;
  }

  break(): this {
    this.#controller.error(new TypeError("network error"));
    return this;
  }
}
