import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as routes from "../src/api/routes.js";
import { Millrace } from "../src/index.js";

interface Operation {
  readonly requestBody?: { readonly content: Record<string, unknown> };
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
}
const DOCUMENT = JSON.parse(readFileSync(new URL("../../../docs/openapi.json", import.meta.url), "utf8")) as {
  readonly paths: Record<string, Record<string, Operation>>;
};
const NAMED = Object.values(routes).flatMap((group) => Object.values(group) as string[]);

test.each(NAMED)("%s sends what the document says", async (route) => {
  const [method = "", template = ""] = route.split(" ");
  const operation = DOCUMENT.paths[template]?.[method.toLowerCase()];
  expect(operation).toBeDefined();
  const asked: { url: URL; init: RequestInit }[] = [];
  const fetch = async (url: string | URL | Request, init: RequestInit = {}) => (asked.push({ url: new URL(String(url)), init }), Response.json({}));
  const client = new Millrace({ baseUrl: "http://localhost", fetch });
  const ids = [...template.matchAll(/\{/g)].map((_, index) => `id${index}`);
  const hasBody = operation?.requestBody?.content["application/json"] !== undefined;
  const call = client.call.bind(client) as unknown as (route: string, ...args: unknown[]) => Promise<unknown>;
  await call(route, ...ids, ...(hasBody ? [{ field: 1 }] : []), { extra: "x" });
  const { url, init } = asked[0]!;
  expect(init.body).toBe(hasBody ? '{"field":1}' : undefined);
  expect(url.pathname + url.search).toBe(`${template.replace(/\{\w+\}/g, () => ids.shift() ?? "")}?extra=x`);
  const takesKey = operation?.parameters?.some(({ name }) => name.toLowerCase() === "idempotency-key") ?? false;
  if (takesKey) expect(new Headers(init.headers).get("Idempotency-Key")).toBeTruthy();
});
