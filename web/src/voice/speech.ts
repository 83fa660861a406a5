import { explain } from "../api/explain";
import type { Progress } from "./messages";
import { PcmReader } from "./pcm";
import { Player, type Utterance } from "./player";
import { Watchdog } from "./watchdog";

/** The longest wait for the headers, which is longer than a cold start. */
const OPEN_MS = 30_000;
/** The longest silence of the network. An agent may use a tool for minutes between two sentences. */
const SILENCE_MS = 300_000;

export interface SpeechState {
  /** `waiting`: requested, without sound yet. `blocked`: the browser waits for a click before it plays. */
  readonly phase: "silent" | "waiting" | "speaking" | "blocked";
  /** The id of the answer or run that is spoken. */
  readonly subject: string | null;
  readonly playedMs: number;
  /** The loudest sample that was played, 0 to 1. A speech that stays at 0 is silent. */
  readonly peak: number;
  /** How long the last stopped speech could still be heard. */
  readonly tailMs: number | null;
  /** A sentence for the user about why there is no sound. */
  readonly notice: string | null;
}

const SILENT: SpeechState = { phase: "silent", subject: null, playedMs: 0, peak: 0, tailMs: null, notice: null };

type Open = (signal: AbortSignal) => Promise<Response>;
/** Tells the server that nobody listens to this stream anymore, which a function URL does not notice. */
type StopStream = (streamId: string) => void;

/** Speaks one text at a time, as its sound arrives. */
export class Speech {
  #state = SILENT;
  #current = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #player = new Player({ onAudible: (isAudible) => this.#block(!isAudible) });

  constructor(private readonly stopStream: StopStream) {}

  readonly getState = (): SpeechState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** To be called while the user clicks or types: browsers allow sound only then. Never throws. */
  readonly unlock = (): void => {
    try {
      this.#player.unlock();
      if (this.#state.phase === "silent") this.#player.rest();
    } catch (error) {
      this.#set({ notice: explain(error) });
    }
  };

  /** Speaks the response of `open` instead of the current speech. Never throws: the state has the error. */
  async speak(subject: string, open: Open): Promise<void> {
    this.stop();
    const current = new AbortController();
    this.#current = current;
    this.#set({ ...SILENT, phase: "waiting", subject });
    this.unlock();
    const notice = await this.#play(open, current.signal).then(() => null, explain);
    if (!current.signal.aborted) this.#end(notice);
  }

  /** Stops the sound at once and aborts the request. */
  readonly stop = (): void => {
    if (this.#state.phase === "silent") return;
    this.#current.abort();
    this.#end(null);
  };

  readonly dismissNotice = (): void => this.#set({ notice: null });

  #end(notice: string | null): void {
    const { playedMs, peak } = this.#state;
    this.#set({ ...SILENT, notice, playedMs, peak });
    this.#player.rest();
  }

  async #play(open: Open, signal: AbortSignal): Promise<void> {
    const request = new AbortController();
    const whole = new AbortController();
    signal.addEventListener("abort", () => request.abort(signal.reason), { once: true });
    try {
      const response = await this.#request(open, request);
      const streamId = response.headers.get("X-Stream-Id");
      if (streamId) signal.addEventListener("abort", () => this.stopStream(streamId), { once: true, signal: whole.signal });
      const rate = Number(response.headers.get("X-Sample-Rate"));
      const onProgress = (progress: Progress, tailMs: number | null) => this.#note(progress, tailMs, rate, signal);
      const utterance = await this.#player.open(rate, onProgress, signal);
      await this.#pass(response, utterance, request, whole);
    } finally {
      request.abort();
    }
  }

  async #request(open: Open, request: AbortController): Promise<Response> {
    const watchdog = new Watchdog(OPEN_MS, () => request.abort(new Error("The voice service does not respond.")));
    return open(request.signal).finally(() => watchdog.stop());
  }

  /** Plays what has arrived even if the rest is cut off. `whole` is aborted when there is nothing left to stop. */
  async #pass(
    response: Response,
    utterance: Utterance,
    request: AbortController,
    whole: AbortController,
  ): Promise<void> {
    const isWhole = await this.#pump(response, utterance, request).then(
      () => true,
      () => false,
    );
    whole.abort();
    await utterance.finish();
    if (!isWhole) throw new Error("The speech ended too early.");
  }

  async #pump(response: Response, utterance: Utterance, request: AbortController): Promise<void> {
    const reader = response.body?.getReader();
    const pcm = new PcmReader();
    while (reader) {
      const watchdog = new Watchdog(SILENCE_MS, () => request.abort());
      const { done, value } = await reader.read().finally(() => watchdog.stop());
      if (done) return;
      await utterance.write(pcm.push(value));
    }
  }

  #note(progress: Progress, tailMs: number | null, rate: number, signal: AbortSignal): void {
    if (!signal.aborted) this.#show(progress, rate);
    if (progress.isOver) this.#set({ tailMs });
  }

  #show({ played, peak }: Progress, rate: number): void {
    const phase = this.#state.phase === "waiting" && played > 0 ? "speaking" : this.#state.phase;
    this.#set({ phase, playedMs: Math.round((played / rate) * 1000), peak });
  }

  #block(isBlocked: boolean): void {
    const { phase, playedMs } = this.#state;
    if (isBlocked && phase !== "silent") this.#set({ phase: "blocked" });
    if (!isBlocked && phase === "blocked") this.#set({ phase: playedMs > 0 ? "speaking" : "waiting" });
  }

  #set(change: Partial<SpeechState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}
