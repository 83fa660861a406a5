import { type Action, reduce } from "./reducer";
import { type ChatState, EMPTY_CHAT } from "./state";

/** The state of a conversation on the screen, and its listeners. */
export class ChatStore {
  #state: ChatState = EMPTY_CHAT;
  readonly #listeners = new Set<() => void>();

  readonly getState = (): ChatState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly dispatch = (action: Action): void => {
    const next = reduce(this.#state, action);
    if (next === this.#state) return;
    this.#state = next;
    for (const listener of this.#listeners) listener();
  };

  /** Resolves as soon as `holds` is true for the state. */
  when(holds: (state: ChatState) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!holds(this.#state)) return;
        this.#listeners.delete(check);
        resolve();
      };
      this.#listeners.add(check);
      check();
    });
  }
}
