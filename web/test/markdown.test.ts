import { expect, test } from "vitest";
import { groupByDay } from "../src/pages/chat/days";
import { unescapeEntities } from "../src/pages/chat/entities";
import { lex } from "../src/pages/chat/markdown";
import { proseOf } from "../src/pages/chat/prose";

/** The formulas of a text, those of blocks in brackets. */
function formulas(text: string): string[] {
  const found: string[] = [];
  const visit = (tokens: readonly { type: string; text?: string; isBlock?: boolean; tokens?: never[] }[]) => {
    for (const token of tokens) {
      if (token.type === "math") found.push(token.isBlock ? `[${token.text}]` : (token.text ?? ""));
      visit(token.tokens ?? []);
    }
  };
  visit(lex(text) as never[]);
  return found;
}

test.each([
  ["The area is \\(\\pi r^2\\).", ["\\pi r^2"]],
  ["\\[\nE = mc^2\n\\]\n\nSo.", ["[E = mc^2]"]],
  ["$$\na_1 * b_2\n$$", ["[a_1 * b_2]"]],
  ["With $x_1$ and $y$-axis.", ["x_1", "y"]],
  ["It costs $5 and $10.", []],
  ["`$x$` is code, \\$5 an amount.", []],
])("%s", (text, expected) => expect(formulas(text)).toEqual(expected));

test("entities are read, and what is none stays as it is", () => {
  expect(unescapeEntities("&copy; 2026 &amp; &#8364;&#x41; &nothing; AT&T; &#0;")).toBe("© 2026 & €A &nothing; AT&T; &#0;");
});

test("conversations are grouped by when they were used", () => {
  const known = { agentId: "a", title: "", createdBy: "u", metadata: {}, activeRunId: null, listed: true };
  const at = (updatedAt: string) => ({ ...known, id: updatedAt, createdAt: updatedAt, updatedAt });
  const now = new Date(2026, 2, 15, 9);
  const days = [0, 1, 6, 20, 80].map((ago) => at(new Date(2026, 2, 15 - ago, 8).toISOString()));
  expect(groupByDay(days, now).map(({ name, items }) => [name, items.length])).toEqual([
    ["Today", 1],
    ["Yesterday", 1],
    ["Previous 7 days", 1],
    ["Previous 30 days", 1],
    [new Date(2025, 11, 25).toLocaleDateString(undefined, { month: "long", year: "numeric" }), 1],
  ]);
});

/** Texts that browsers would show for ever, or not at all. */
const HOSTILE: readonly [string, string][] = [
  ["emphasis", "*_a".repeat(60_000)],
  ["quotes", `${"> ".repeat(4_000)}a`],
  ["lists", `${"- ".repeat(60_000)}a`],
  ["numbers", `${"1. ".repeat(1_000)}a`],
  ["indented lists", Array.from({ length: 150 }, (_, depth) => `${"  ".repeat(depth)}- a`).join("\n")],
  ["formulas", "$$a ".repeat(45_000)],
  ["addresses", `${"a.".repeat(90_000)}@`],
];

test.each(HOSTILE)("a text of endless %s is shown at once", (_, text) => {
  const begun = process.cpuUsage();
  expect(lex(text)).not.toHaveLength(0);
  expect(proseOf(text)).toContain("a");
  const { user, system } = process.cpuUsage(begun);
  expect((user + system) / 1e6).toBeLessThan(10); // The square of these lengths takes a minute and more.
});

test("lists and emphasis as people write them are read", () => {
  const list = Array.from({ length: 9 }, (_, depth) => `${"  ".repeat(depth)}- **a** _b_`).join("\n");
  expect(lex(`${list}\n\n${"An *emphasis* of __these__ words. ".repeat(250)}`).map(({ type }) => type)).toEqual([
    "list",
    "space",
    "paragraph",
  ]);
  expect(proseOf("> ".repeat(5) + "**deep**")).toBe("deep");
});
