const FULL_SCALE = 32_768;
/** Sound waits until this much is there, at the beginning and after every gap. */
const HEAD_START_S = 0.1;
/** A change between sound and silence takes this long, so that it does not click. */
const RAMP_S = 0.01;

/**
 * The samples between the network and the loudspeaker, first in, first out: the core of the audio worklet.
 *
 * It fades out before it runs dry, and goes on only when enough has come again. Chunks are kept as they came, two
 * bytes a sample, so that minutes of speech that is ahead cost little; how many there may be is the sender's affair.
 */
export class Playback {
  #chunks: Int16Array[] = [];
  /** How much of the first chunk is played. */
  #position = 0;
  #gain = 0;
  #state: "gathering" | "playing" | "stopping" = "gathering";
  #isComplete = false;
  #waiting = 0;
  #played = 0;
  #peak = 0;

  readonly #headStart: number;
  readonly #ramp: number;

  /** `rate` in Hz. */
  constructor(rate: number) {
    this.#headStart = Math.ceil(rate * HEAD_START_S);
    this.#ramp = Math.ceil(rate * RAMP_S);
  }

  /** Samples that were played, in all. */
  get played(): number {
    return this.#played;
  }

  /** Everything was played, or playing was stopped and is silent. */
  get isOver(): boolean {
    const isDry = this.#waiting === 0;
    return this.#state === "stopping" ? isDry : isDry && this.#isComplete;
  }

  /** The loudest sample that was played, 0 to 1. */
  get peak(): number {
    return this.#peak;
  }

  push(samples: Int16Array): void {
    if (this.#state === "stopping" || samples.length === 0) return;
    this.#chunks.push(samples);
    this.#waiting += samples.length;
  }

  /** No more will come: what is there is played, however little. */
  complete(): void {
    this.#isComplete = true;
  }

  /** Silence within 10 ms of sound; all that waits is dropped. */
  stop(): void {
    this.#state = "stopping";
    if (this.#gain === 0) this.#drop();
  }

  /** Fills `output` with the next samples, -1 to 1, or silence. */
  render(output: Float32Array): void {
    if (this.#state === "gathering" && this.#hasEnough()) this.#state = "playing";
    let index = 0;
    if (this.#state !== "gathering") {
      while (index < output.length && this.#waiting > 0) output[index++] = this.#next();
    }
    output.fill(0, index);
    if (this.#state === "playing" && this.#waiting === 0) this.#state = "gathering";
  }

  #hasEnough(): boolean {
    return this.#waiting >= this.#headStart || (this.#isComplete && this.#waiting > 0);
  }

  #next(): number {
    const sample = (this.#take() / FULL_SCALE) * this.#nextGain();
    this.#peak = Math.max(this.#peak, Math.abs(sample));
    if (this.#state === "stopping" && this.#gain === 0) this.#drop();
    return sample;
  }

  /** Up while there is sound ahead, down towards its end. */
  #nextGain(): number {
    const step = 1 / this.#ramp;
    const change = this.#state === "stopping" ? -step : step;
    this.#gain = Math.max(0, Math.min(this.#gain + change, 1, this.#waiting * step));
    return this.#gain;
  }

  #take(): number {
    const chunk = this.#chunks[0] as Int16Array;
    const sample = chunk[this.#position++] as number;
    if (this.#position === chunk.length) {
      this.#chunks.shift();
      this.#position = 0;
    }
    this.#waiting -= 1;
    this.#played += 1;
    return sample;
  }

  #drop(): void {
    this.#chunks = [];
    this.#waiting = 0;
  }
}
