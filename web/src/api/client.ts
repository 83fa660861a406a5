import { Millrace } from "@millrace/client";
import type { Auth } from "./auth";
import type { Config } from "./config";

/** The HTTP API as whoever is signed in. */
export function clientFor(auth: Auth, { apiBase }: Pick<Config, "apiBase">): Millrace {
  return new Millrace({ token: auth, baseUrl: (path) => baseOf(apiBase, path) });
}

/** The address of the function that answers a path: the longest route that fits. Empty for the page's own origin. */
function baseOf(apiBase: Config["apiBase"], path: string): string {
  const route = Object.keys(apiBase)
    .filter((one) => path === one || path.startsWith(`${one}/`) || path.startsWith(`${one}?`))
    .reduce((longest, one) => (one.length > longest.length ? one : longest), "");
  return apiBase[route] ?? "";
}
