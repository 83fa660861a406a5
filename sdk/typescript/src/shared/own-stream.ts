import type { EventStream } from "../stream/event-stream.js";
import type { Received } from "../stream/follow.js";
import { type SharedOptions, SharedStream } from "./shared-stream.js";
import { Room } from "./slots.js";

/**
 * The events of a stream that this page has opened by sending a message. They are read from its own connection. If the
 * page is hidden and another one needs the connection, it continues on `shared`, after the last event.
 */
export async function* ownStream<Event>(
  own: EventStream<Event>,
  shared: SharedOptions<Event>,
): AsyncGenerator<Received<Event>, void, void> {
  const room = new Room();
  const signal = room.hold();
  const stop = () => own.abort();
  signal.addEventListener("abort", stop);
  try {
    yield* withIds(own);
    if (signal.aborted) yield* withIds(new SharedStream({ ...shared, after: own.lastEventId }));
  } finally {
    room.end();
  }
}

/** Each event with its id. */
export async function* withIds<Event>(
  stream: EventStream<Event> | SharedStream<Event>,
): AsyncGenerator<Received<Event>, void, void> {
  for await (const event of stream) yield { event, id: stream.eventId };
}
