import { expect, test } from "vitest";
import { proseOf } from "../src/pages/chat/prose";

test.each([
  ["**Bold** and `code` in *one* [line](https://example.org/a?b=c).", "Bold and code in one line."],
  ["# Title\n\nText.", "Title\n\nText."],
  ["Before\n\n```py\nprint(1)\n```\n\nAfter", "Before\n\nAfter"],
  ["- one\n- two **three**\n  - four", "one.\ntwo three. four."],
  ["1. First!\n2. Second", "First!\nSecond."],
  ["> Said.\n>\n> More.", "Said.\nMore."],
  ["| a | b |\n|---|---|\n| 1 | 2 |", "a, b.\n1, 2."],
  ["one\\\ntwo", "one\ntwo"],
  ["![A weir](weir.png)", "A weir"],
  ["Less &lt; more &amp; more", "Less < more & more"],
  ["```\nall code\n```", ""],
])("%j is read as %j", (markdown, prose) => {
  expect(proseOf(markdown)).toBe(prose);
});
