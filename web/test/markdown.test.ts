import { expect, test } from "vitest";
import { groupByDay } from "../src/pages/chat/days";
import { unescapeEntities } from "../src/pages/chat/entities";
import { lex } from "../src/pages/chat/markdown";

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
