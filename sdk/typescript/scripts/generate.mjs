// Writes src/generated/openapi.ts: the types of docs/openapi.json that this client needs.
//
// node scripts/generate.mjs           update the file
// node scripts/generate.mjs --check   fail if it no longer matches the document
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const DOCUMENT = new URL("../../../docs/openapi.json", import.meta.url);
const TYPES = new URL("../src/generated/openapi.ts", import.meta.url);
const HEADER = "// Made from docs/openapi.json by `make openapi`. Do not edit.\n\n";
// Other protocols have their own clients.
const FOREIGN = /^\/(agui|v1|hooks|api\/chat)(\/|$)/;

/** Returns the document without errors (which have one shape) and without unused schemas. */
function reduce(document) {
  const paths = Object.entries(document.paths).filter(([path]) => !FOREIGN.test(path));
  const reduced = { ...document, paths: Object.fromEntries(paths.map(([path, item]) => [path, withoutErrors(item)])) };
  return { ...reduced, components: { schemas: usedSchemas(reduced) } };
}

function withoutErrors(item) {
  const operations = Object.entries(item).map(([method, operation]) => {
    if (!operation.responses) return [method, operation];
    const good = Object.entries(operation.responses).filter(([status]) => status.startsWith("2"));
    const responses = good.map(([status, { headers: _, ...response }]) => [status, response]);
    return [method, { ...operation, responses: Object.fromEntries(responses) }];
  });
  return Object.fromEntries(operations);
}

function usedSchemas({ paths, components }) {
  const used = new Set();
  const visit = (value) => {
    for (const [, name] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name)) continue;
      used.add(name);
      visit(components.schemas[name]);
    }
  };
  visit(paths);
  return Object.fromEntries([...used].sort().map((name) => [name, withoutCircle(name, components.schemas[name])]));
}

/** TypeScript does not allow a union with a member that is a list of the union itself. */
function withoutCircle(name, schema) {
  if (schema.properties) return schema;
  return JSON.parse(JSON.stringify(schema).replaceAll(`"items":{"$ref":"#/components/schemas/${name}"}`, '"items":{}'));
}

/** Removes titles, which repeat the names, and examples, which are for the documentation. */
function withoutTitles(name, value) {
  return (name === "title" && typeof value === "string") || name === "examples" ? undefined : value;
}

const document = JSON.parse(await readFile(DOCUMENT, "utf8"), withoutTitles);
const types = HEADER + astToString(await openapiTS(reduce(document), { defaultNonNullable: false }));
if (!process.argv.includes("--check")) await writeFile(TYPES, types);
else if ((await readFile(TYPES, "utf8").catch(() => "")) !== types) {
  console.error("sdk/typescript/src/generated/openapi.ts does not fit docs/openapi.json: run `make openapi`.");
  process.exit(1);
}
