/** What `GET /config.json` says about this deployment. */
export interface Config {
  readonly auth: { readonly issuer: string; readonly clientId: string; readonly userPoolEndpoint: string };
  /** Local stacks only: signs in by itself. */
  readonly devUser: Credentials | null;
  /** Base URL of each function; empty or absent means this page's own origin. */
  readonly apiBase: Readonly<Record<string, string>>;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Throws an Error that says what is wrong with the file. */
export async function loadConfig(): Promise<Config> {
  const response = await fetch("/config.json", { cache: "no-cache" });
  if (!response.ok) throw new Error(`/config.json answered with status ${response.status}.`);
  const config = (await response.json()) as Partial<Config> | null;
  if (!config?.auth?.userPoolEndpoint || !config.auth.clientId) {
    throw new Error("/config.json does not name auth.userPoolEndpoint and auth.clientId.");
  }
  return { auth: config.auth, devUser: config.devUser ?? null, apiBase: config.apiBase ?? {} };
}
