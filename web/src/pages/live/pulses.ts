import type { Pulse } from "./model";

type Draw = (pulse: Pulse, isForward: boolean) => void;

const MOST_AT_ONCE = 120;

/** Passes each pulse to the edge or node that draws it, bypassing React, because there are many each second. */
export class Pulses {
  readonly #drawers = new Map<string, Draw>();
  #moving = 0;

  /** `id` is an edge's `<source>><target>`, or a node's id. Returns a function that removes the listener. */
  add(id: string, draw: Draw): () => void {
    this.#drawers.set(id, draw);
    return () => {
      if (this.#drawers.get(id) === draw) this.#drawers.delete(id);
    };
  }

  send(pulse: Pulse): void {
    if (this.#moving >= MOST_AT_ONCE) return;
    if (pulse.to === null) return this.#drawers.get(pulse.from)?.(pulse, true);
    this.#drawers.get(`${pulse.from}>${pulse.to}`)?.(pulse, true);
    this.#drawers.get(`${pulse.to}>${pulse.from}`)?.(pulse, false);
  }

  /** Counts an animation while it runs. */
  run(animation: Animation, end: () => void): void {
    this.#moving += 1;
    const over = () => {
      this.#moving -= 1;
      end();
    };
    animation.finished.then(over, over);
  }
}
