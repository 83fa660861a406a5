import type { EventSourceMessage } from "eventsource-parser";
import { expect, test } from "vitest";
import { MillraceError } from "../src/index.js";
import { sseParser } from "../src/stream/sse.js";
import { encode } from "./bytes.js";

function parse(bytes: Uint8Array, cuts: readonly number[] = []): EventSourceMessage[] {
  const push = sseParser();
  const edges = [0, ...cuts, bytes.length];
  return edges.slice(1).flatMap((end, index) => push(bytes.subarray(edges[index], end)));
}

const STREAM =
  "\uFEFF: a comment\n" +
  'id: 1\ndata: {"type":"token","token":"Grüße 🌊"}\n\n' +
  "event: named\r\nid: 2\r\ndata: two\r\ndata:lines\r\n\r\n" +
  "id:3\rdata\rdata:  spaced\r\r" +
  "retry: 10\nunknown: field\nid: no\0good\ndata: x\n\n" +
  "event: without data\n\n" +
  "data: never closed";

const EXPECTED: EventSourceMessage[] = [
  { id: "1", data: '{"type":"token","token":"Grüße 🌊"}' },
  { event: "named", id: "2", data: "two\nlines" },
  { id: "3", data: "\n spaced" },
  { data: "x" },
];

test("every field, line end and comment is read as the standard has it", () => {
  expect(parse(encode(STREAM))).toEqual(EXPECTED);
});

test("the result is the same for every way to cut the bytes in two or three", () => {
  const bytes = encode(STREAM);
  for (let first = 0; first <= bytes.length; first += 1) {
    expect(parse(bytes, [first])).toEqual(EXPECTED);
    for (let second = first; second <= bytes.length; second += 7) {
      expect(parse(bytes, [first, second])).toEqual(EXPECTED);
    }
  }
});

test("bytes may come one at a time, with empty chunks between", () => {
  const bytes = encode(STREAM);
  const cuts = Array.from({ length: bytes.length * 2 }, (_, index) => Math.floor(index / 2));
  expect(parse(bytes, cuts)).toEqual(EXPECTED);
});

test("an event is dispatched as soon as its empty line is there, also where lines end with CR LF", () => {
  const push = sseParser();
  expect(push(encode("data: a\r\n\r"))).toHaveLength(1);
  expect(push(encode("\ndata: b\r\n\r\n"))).toEqual([{ data: "b" }]);
});

const TOO_LONG = { line: `data: ${"x".repeat(200)}`, lines: "data: 12345678901234567890\n".repeat(9) };

test.each(Object.entries(TOO_LONG))("an event over the limit in one %s is refused", (_, text) => {
  expect(() => sseParser(100)(encode(text))).toThrow(MillraceError);
});
