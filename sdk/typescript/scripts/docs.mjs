// Copies the documentation that users of the client need into the package, for people and coding agents (llms.txt).
import { cp, mkdir, readFile, rm } from "node:fs/promises";

const PACKAGE = new URL("../", import.meta.url);
const PAGES = new URL("../../../docs/", import.meta.url);

const guide = await readFile(new URL("llms.txt", PACKAGE), "utf8");
const names = [...guide.matchAll(/\]\(docs\/([\w.-]+)\)/g)].map(([, name]) => name);
await rm(new URL("docs/", PACKAGE), { recursive: true, force: true });
await mkdir(new URL("docs/", PACKAGE));
for (const name of names) await cp(new URL(name, PAGES), new URL(`docs/${name}`, PACKAGE));
await cp(new URL("../../../LICENSE", import.meta.url), new URL("LICENSE", PACKAGE));
