/** Converts chunks of bytes, split anywhere, into samples: signed 16 bit, little endian, mono. */
export class PcmReader {
  #half: number | null = null;

  push(bytes: Uint8Array): Int16Array<ArrayBuffer> {
    const whole = this.#withHalf(bytes);
    const isOdd = whole.length % 2 === 1;
    this.#half = isOdd ? (whole.at(-1) ?? null) : null;
    const samples = new Int16Array(whole.length >> 1);
    const view = new DataView(whole.buffer, whole.byteOffset);
    for (let index = 0; index < samples.length; index += 1) samples[index] = view.getInt16(index * 2, true);
    return samples;
  }

  #withHalf(bytes: Uint8Array): Uint8Array {
    if (this.#half === null) return bytes;
    const whole = new Uint8Array(bytes.length + 1);
    whole[0] = this.#half;
    whole.set(bytes, 1);
    return whole;
  }
}
