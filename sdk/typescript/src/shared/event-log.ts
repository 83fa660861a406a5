import { numberOf, runIdOf } from "../events.js";
import type { Received } from "../stream/follow.js";

/** The number of events that a page keeps for pages that join later. */
const MOST_EVENTS = 20_000;

/** The events of a stream that were received after a position (null for its beginning). */
export class EventLog<Event> {
  #received: Received<Event>[] = [];
  lastId: string | null;

  constructor(private start: string | null) {
    this.lastId = start;
  }

  /** Adds an event. Returns false if it was received before. */
  add(received: Received<Event>): boolean {
    const { id } = received;
    if (id !== null && reaches(this.lastId, id)) return false;
    this.lastId = id ?? this.lastId;
    this.#received.push(received);
    if (this.#received.length > MOST_EVENTS) this.#forget(MOST_EVENTS / 2);
    return true;
  }

  /** Returns everything after an event; null if some of it is unknown. */
  after(seen: string | null): readonly Received<Event>[] | null {
    if (this.start !== null && (seen === null || !reaches(seen, this.start))) return null;
    const last = this.#received.findLastIndex(({ id }) => id !== null && reaches(seen, id));
    return this.#received.slice(last + 1);
  }

  #forget(count: number): void {
    const forgotten = this.#received.splice(0, count);
    this.start = forgotten.findLast(({ id }) => id !== null)?.id ?? this.start;
  }
}

/** Whether a reader that has seen `seen` has also seen `id` of the same run. */
function reaches(seen: string | null, id: string): boolean {
  return seen !== null && runIdOf(seen) === runIdOf(id) && numberOf(seen) >= numberOf(id);
}
