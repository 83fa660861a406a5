/** What `GET /config.json` says about this deployment. */
export interface Config {
  readonly auth: AuthConfig;
  /** Local stacks only: signs in by itself. */
  readonly devUser: Credentials | null;
  /** Base URL of each route's function (`/api/runs`: ...), the longest that fits; without it, this page's own origin. */
  readonly apiBase: Readonly<Record<string, string>>;
}

export interface AuthConfig {
  /** Any OpenID Connect provider; its metadata are at `<issuer>/.well-known/openid-configuration`. */
  readonly issuer: string;
  readonly clientId: string;
  /** Where the metadata are, if they are elsewhere. */
  readonly metadataUrl?: string;
  /** Cognito's own protocol: for pools that have no sign-in page (no domain), which take passwords from ours. */
  readonly userPoolEndpoint?: string;
  /** `openid email profile` without it. */
  readonly scope?: string;
  /** The token that the API takes: the ID token without it, since Cognito's access tokens name no organization. */
  readonly bearer?: "id_token" | "access_token";
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Throws an Error that says what is wrong with the file. */
export async function loadConfig(): Promise<Config> {
  const response = await fetch("/config.json", { cache: "no-cache" });
  if (!response.ok) throw new Error(`/config.json answered with status ${response.status}.`);
  const config = (await response.json().catch(() => null)) as Partial<Config> | null;
  if (!config?.auth?.issuer || !config.auth.clientId) {
    throw new Error("/config.json does not name auth.issuer and auth.clientId.");
  }
  return { devUser: null, apiBase: {}, ...config, auth: config.auth };
}
