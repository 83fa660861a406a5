import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const SRC = join(import.meta.dirname, "..", "src");

/** The classes that selectors of a stylesheet begin with, outside of which a rule reaches nothing. */
function classesOf(file: string): Set<string> {
  const text = readFileSync(join(SRC, file), "utf8").replaceAll(/\/\*.*?\*\//gs, "");
  const selectors = [...text.matchAll(/([^{};]+)\{/g)].flatMap(([, selector]) => selector!.split(","));
  return new Set(selectors.flatMap((one) => one.trim().match(/^[a-z]*\.([\w-]+)/)?.[1] ?? []));
}

// A page's stylesheet stays when another page is opened: a class of both would look as the page visited last.
test("no class is styled by two pages, or by a page and what all pages share", () => {
  const owners = new Map<string, Set<string>>();
  for (const file of readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((one) => one.endsWith(".css"))) {
    const owner = file.startsWith("pages/") ? file.split("/", 2).join("/") : "all pages";
    for (const name of classesOf(file)) owners.set(name, (owners.get(name) ?? new Set()).add(owner));
  }
  const shared = [...owners].filter(([, pages]) => pages.size > 1).map(([name, pages]) => `${name}: ${[...pages].join(", ")}`);
  expect(shared).toEqual([]);
});
