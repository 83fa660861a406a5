import { describe, expect, test } from "vitest";
import { PcmReader } from "../src/voice/pcm";
import { Playback } from "../src/voice/playback";
import { readPreferences } from "../src/voice/preferences";

const RATE = 16_000;
const QUANTUM = 128;
const HEAD_START = RATE / 10;
const RAMP = RATE / 100;
const LOUD = 16_384;

function pcm(samples: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(samples.length * 2);
  samples.forEach((sample, index) => new DataView(bytes.buffer).setInt16(index * 2, sample, true));
  return bytes;
}

describe("bytes to samples", () => {
  const samples = [0, 1, -1, 32_767, -32_768, 258, -259];
  const bytes = pcm(samples);

  test.each([1, 2, 3, 4, 5, 13])("chunks of %i bytes give the same samples", (size) => {
    const reader = new PcmReader();
    const read: number[] = [];
    for (let at = 0; at < bytes.length; at += size) read.push(...reader.push(bytes.subarray(at, at + size)));
    expect(read).toEqual(samples);
  });

  test("empty chunks keep the half of a sample", () => {
    const reader = new PcmReader();
    const parts = [bytes.subarray(0, 3), bytes.subarray(3, 3), bytes.subarray(3)];
    expect(parts.flatMap((part) => [...reader.push(part)])).toEqual(samples);
  });

  test("a half at the very end is no sample", () => {
    expect([...new PcmReader().push(bytes.subarray(0, 3))]).toEqual([0]);
  });
});

/** `count` quanta of output, as the audio thread asks for them. */
function heard(playback: Playback, count: number): number[] {
  const quanta = Array.from({ length: count }, () => new Float32Array(QUANTUM).fill(7));
  quanta.forEach((quantum) => playback.render(quantum));
  return quanta.flatMap((quantum) => [...quantum]);
}

const loud = (length: number) => new Int16Array(length).fill(LOUD);
const largestStep = (samples: readonly number[]) =>
  samples.reduce((most, sample, index) => Math.max(most, Math.abs(sample - (samples[index - 1] ?? 0))), 0);
const STEP = 0.5 / RAMP + 1e-6;

describe("the samples between network and loudspeaker", () => {
  test("sound begins as soon as a tenth of a second is there", () => {
    const playback = new Playback(RATE);
    playback.push(loud(HEAD_START - 1));
    expect(heard(playback, 2).every((sample) => sample === 0)).toBe(true);
    playback.push(loud(1));
    expect(heard(playback, 1).at(-1)).toBeGreaterThan(0.3);
  });

  test("a speech shorter than that is played when it is complete", () => {
    const playback = new Playback(RATE);
    playback.push(loud(300));
    playback.complete();
    expect(playback.isOver).toBe(false);
    const sound = heard(playback, 3);
    expect(playback.played).toBe(300);
    expect(playback.isOver).toBe(true);
    expect(sound.slice(300).every((sample) => sample === 0)).toBe(true);
  });

  test("samples come out in order and once, over chunks of any size", () => {
    const playback = new Playback(RATE);
    const wave = Int16Array.from({ length: 20_000 }, (_, index) => (index % 1000) + 1);
    for (let at = 0, size = 1; at < wave.length; at += size, size = (size * 7) % 997 || 1) {
      playback.push(wave.slice(at, at + size));
    }
    playback.complete();
    const sound = heard(playback, 200).slice(RAMP, wave.length - RAMP);
    expect(sound).toEqual([...wave.slice(RAMP, -RAMP)].map((sample) => sample / 32_768));
  });

  test("a gap of the network fades out and in: no step is larger than a ramp's", () => {
    const playback = new Playback(RATE);
    playback.push(loud(3000));
    const first = heard(playback, 30);
    playback.push(loud(HEAD_START));
    playback.complete();
    const second = heard(playback, 20);
    expect(largestStep([...first, ...second])).toBeLessThanOrEqual(STEP);
    expect(Math.max(...first)).toBe(0.5);
    expect(Math.max(...second)).toBe(0.5);
    expect(playback.played).toBe(3000 + HEAD_START);
  });

  test("after a gap it gathers a tenth of a second again", () => {
    const playback = new Playback(RATE);
    playback.push(loud(HEAD_START));
    heard(playback, 20);
    playback.push(loud(HEAD_START - 1));
    expect(Math.max(...heard(playback, 20))).toBe(0);
  });

  test("a stop is silent after ten milliseconds, without a click, and for good", () => {
    const playback = new Playback(RATE);
    playback.push(loud(RATE));
    const before = heard(playback, 4).at(-1);
    playback.stop();
    const tail = heard(playback, 4);
    expect(Math.abs((tail[0] ?? 0) - (before ?? 0))).toBeLessThanOrEqual(STEP);
    expect(largestStep(tail) - (tail[0] ?? 0)).toBeLessThanOrEqual(0);
    expect(tail.findLastIndex((sample) => sample !== 0)).toBeLessThan(RAMP);
    expect(playback.isOver).toBe(true);
    playback.push(loud(RATE));
    expect(Math.max(...heard(playback, 10))).toBe(0);
  });

  test("a stop before the first sound is over at once", () => {
    const playback = new Playback(RATE);
    playback.push(loud(10));
    playback.stop();
    expect(playback.isOver).toBe(true);
    expect(playback.played).toBe(0);
  });

  test("a speech without sound is over when it is complete", () => {
    const playback = new Playback(RATE);
    expect(playback.isOver).toBe(false);
    playback.complete();
    expect(playback.isOver).toBe(true);
  });

  test("the peak is what was played, not what waits", () => {
    const playback = new Playback(RATE);
    playback.push(loud(HEAD_START));
    expect(playback.peak).toBe(0);
    heard(playback, 5);
    expect(playback.peak).toBe(0.5);
  });
});

test.each([
  ["nothing", null, { isAutomatic: false, voice: "", speed: 1 }],
  ["choices", '{"isAutomatic":true,"voice":"nova","speed":1.5}', { isAutomatic: true, voice: "nova", speed: 1.5 }],
  ["nonsense", '{"isAutomatic":"yes","voice":7,"speed":90}', { isAutomatic: false, voice: "", speed: 1 }],
  ["broken JSON", "{", { isAutomatic: false, voice: "", speed: 1 }],
  ["null", "null", { isAutomatic: false, voice: "", speed: 1 }],
])("stored preferences: %s", (_, stored, expected) => {
  expect(readPreferences({ getItem: () => stored } as unknown as Storage)).toEqual(expected);
});
