import { Millrace } from "@millrace/client";
import type { Auth } from "./auth";
import type { Config } from "./config";

/** The HTTP API as the signed-in user. */
export function clientFor(auth: Auth, { apiBase }: Pick<Config, "apiBase">): Millrace {
  return new Millrace({ token: auth, baseUrl: (path) => baseOf(apiBase, path) });
}

/** Returns the address of the function for a path, by the longest matching route. Empty for the page's own origin. */
function baseOf(apiBase: Config["apiBase"], path: string): string {
  const route = Object.keys(apiBase)
    .filter((one) => path === one || path.startsWith(`${one}/`) || path.startsWith(`${one}?`))
    .reduce((longest, one) => (one.length > longest.length ? one : longest), "");
  return apiBase[route] ?? "";
}
