import { explain } from "../api/explain";
import type { Action } from "./reducer";
import type { ChatState } from "./state";

interface Port {
  stop(): Promise<unknown>;
  dispatch(action: Action): void;
  state(): ChatState;
}

/** The stop button: before its first event a run may not exist, and is stopped then. */
export class StopRequest {
  #isWanted = false;

  constructor(private readonly port: Port) {}

  /** The run ends within about a second; what was answered so far stays. */
  async stop(): Promise<void> {
    const { phase, runId } = this.port.state();
    if (phase !== "answering" && phase !== "waiting") return;
    this.port.dispatch({ type: "stopping" });
    if (runId) await this.#send();
    else this.#isWanted = true;
  }

  /** The run is there. */
  started(): void {
    if (this.#isWanted) void this.#send();
  }

  forget(): void {
    this.#isWanted = false;
  }

  async #send(): Promise<void> {
    this.#isWanted = false;
    try {
      await this.port.stop();
    } catch (error) {
      this.port.dispatch({ type: "stop_failed", notice: `The answer could not be stopped: ${explain(error)}` });
    }
  }
}
