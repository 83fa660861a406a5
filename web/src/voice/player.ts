import type { Command, Progress } from "./messages";
import workletUrl from "./worklet.ts?worker&url";

/** The server creates speech faster than it is heard. Whatever is further ahead waits in the network. */
const LONGEST_AHEAD_S = 20 * 60;
const RATES = { least: 8000, most: 96_000 };
const USUAL_RATE = 22_050;
/** A context needs a moment to start. After that, it is the browser that blocks the sound. */
const START_MS = 500;
/** The last sound is still passing through the hardware, and the next speech may follow soon. */
const REST_AFTER_MS = 1000;

/** `tailMs`: how long the speech could still be heard after it was stopped; null if it was not. */
type OnProgress = (progress: Progress, tailMs: number | null) => void;

export interface PlayerOptions {
  /** Whether the browser plays sound, rather than waiting for the user to interact with the page. */
  readonly onAudible: (isAudible: boolean) => void;
}

/** The output: one audio context with the rate of the speech, so that the browser resamples. */
export class Player {
  #context: AudioContext | null = null;
  #ready: Promise<void> = Promise.resolve();
  #rate = USUAL_RATE;
  #starting: ReturnType<typeof setTimeout> | undefined;
  #resting: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: PlayerOptions) {}

  /** To be called while the user clicks or types: browsers allow sound only then. */
  unlock(): void {
    clearTimeout(this.#resting);
    const context = this.#contextAt(this.#rate);
    // Rejected only if the context was closed in the meantime. While the page may not play yet, it stays pending.
    context.resume().catch(() => undefined);
  }

  /** Nothing more will be played, so the audio hardware may sleep until the next `unlock`. */
  rest(): void {
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => void this.#context?.suspend().catch(() => undefined), REST_AFTER_MS);
  }

  /** Starts a new speech; the previous one must have ended. Throws an Error if the browser cannot play. */
  async open(rate: number, onProgress: OnProgress, signal: AbortSignal): Promise<Utterance> {
    if (!(rate >= RATES.least && rate <= RATES.most)) throw new Error(`Speech at ${rate} Hz cannot be played.`);
    this.#rate = rate;
    const context = this.#contextAt(rate);
    this.unlock();
    await this.#ready;
    signal.throwIfAborted();
    this.#notify();
    return new Utterance(context, onProgress, signal);
  }

  #contextAt(rate: number): AudioContext {
    if (this.#context?.sampleRate === rate) return this.#context;
    void this.#context?.close();
    if (!globalThis.AudioWorkletNode) throw new Error("This browser cannot play speech (or not without HTTPS).");
    const context = new AudioContext({ sampleRate: rate });
    context.onstatechange = () => this.#notify();
    this.#context = context;
    this.#ready = context.audioWorklet.addModule(workletUrl);
    this.#ready.catch(() => this.#forget(context));
    return context;
  }

  /** The next speech tries again. A context that was replaced in the meantime is not a failure. */
  #forget(context: AudioContext): void {
    if (this.#context === context) this.#context = null;
  }

  #notify(): void {
    clearTimeout(this.#starting);
    const isRunning = () => this.#context?.state === "running";
    if (isRunning()) this.options.onAudible(true);
    else this.#starting = setTimeout(() => this.options.onAudible(isRunning()), START_MS);
  }
}

/** A speech in the worklet. Aborting `signal` silences it within 10 ms of sound. */
export class Utterance {
  readonly #node: AudioWorkletNode;
  readonly #over: Promise<void>;
  #sent = 0;
  #played = 0;
  #stoppedAt: number | null = null;
  #wake: () => void = () => undefined;

  constructor(
    private readonly context: AudioContext,
    private readonly onProgress: OnProgress,
    signal: AbortSignal,
  ) {
    this.#node = new AudioWorkletNode(context, "speech", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.connect(context.destination);
    this.#over = new Promise((resolve) => {
      this.#node.port.onmessage = ({ data }: MessageEvent<Progress>) => {
        this.#note(data);
        if (data.isOver) resolve();
      };
      signal.addEventListener("abort", () => (this.#stop(), resolve()), { once: true });
    });
  }

  /** Resolves when more may be sent. The sender waits when it is twenty minutes ahead. */
  async write(samples: Int16Array<ArrayBuffer>): Promise<void> {
    this.#sent += samples.length;
    this.#post({ type: "samples", samples }, [samples.buffer]);
    while (this.#stoppedAt === null && this.#sent - this.#played > LONGEST_AHEAD_S * this.context.sampleRate) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Resolves when everything was heard. */
  async finish(): Promise<void> {
    this.#post({ type: "complete" });
    await this.#over;
  }

  #stop(): void {
    this.#stoppedAt = this.context.currentTime;
    this.#post({ type: "stop" });
    this.#wake();
  }

  #note(progress: Progress): void {
    this.#played = progress.played;
    this.#wake();
    const tail = this.#stoppedAt === null ? null : Math.max(0, progress.lastSound - this.#stoppedAt) * 1000;
    this.onProgress(progress, tail);
    if (!progress.isOver) return;
    this.#node.port.close();
    this.#node.disconnect();
  }

  #post(command: Command, transfer: Transferable[] = []): void {
    this.#node.port.postMessage(command, transfer);
  }
}
