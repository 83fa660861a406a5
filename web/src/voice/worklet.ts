import type { Command, Progress } from "./messages";
import { Playback } from "./playback";

/** Globals of the audio thread that TypeScript's library does not describe. */
declare const sampleRate: number;
declare const currentTime: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

const REPORT_EVERY_S = 0.05;

/** Plays what its node sends, and reports its progress about twenty times per second of sound. */
class SpeechProcessor extends AudioWorkletProcessor {
  readonly #playback = new Playback(sampleRate);
  #reportedAt = 0;
  #reported = 0;
  #lastSound = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<Command>) => this.#run(data);
  }

  /** Returns whether the node is still needed. */
  process(_: unknown, [[output]]: [[Float32Array]]): boolean {
    const before = this.#playback.played;
    this.#playback.render(output);
    if (this.#playback.played > before) this.#lastSound = currentTime + output.length / sampleRate;
    const { isOver, played } = this.#playback;
    const isDue = played > this.#reported && currentTime - this.#reportedAt >= REPORT_EVERY_S;
    if (isOver || isDue) this.#report(isOver);
    return !isOver;
  }

  #run(command: Command): void {
    if (command.type === "samples") this.#playback.push(command.samples);
    else this.#playback[command.type]();
  }

  #report(isOver: boolean): void {
    this.#reportedAt = currentTime;
    const { played, peak } = this.#playback;
    this.#reported = played;
    const progress: Progress = { played, peak, lastSound: this.#lastSound, isOver };
    this.port.postMessage(progress);
  }
}

registerProcessor("speech", SpeechProcessor);
