import type { EventStream } from "../stream/event-stream.js";
import type { Received } from "../stream/follow.js";
import type { SharedStream } from "./shared-stream.js";
import { Room } from "./slots.js";

/**
 * The events of a stream that this page has opened by itself, by sending a message: read at once, from its own
 * connection. When the page is hidden and another one needs the connection, `share` goes on after the last event.
 */
export async function* ownStream<Event>(
  own: EventStream<Event>,
  share: (after: string | null) => SharedStream<Event>,
): AsyncGenerator<Received<Event>, void, void> {
  const room = new Room();
  const signal = room.hold();
  const stop = () => own.abort();
  signal.addEventListener("abort", stop);
  try {
    for await (const event of own) yield { event, id: own.eventId };
    if (!signal.aborted) return;
    const shared = share(own.lastEventId);
    for await (const event of shared) yield { event, id: shared.eventId };
  } finally {
    room.end();
  }
}
