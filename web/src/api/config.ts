/** The configuration of this deployment, from `GET /config.json`. */
export interface Config {
  readonly auth: AuthConfig;
  /** Only on local stacks: the user who is signed in automatically. */
  readonly devUser: Credentials | null;
  /** Base URL of each route's function (`/api/runs`: ...), the longest match counts; without one, this page's own origin. */
  readonly apiBase: Readonly<Record<string, string>>;
}

export interface AuthConfig {
  /** Any OpenID Connect provider, whose metadata are at `<issuer>/.well-known/openid-configuration`. */
  readonly issuer: string;
  readonly clientId: string;
  /** The address of the metadata, if it differs. */
  readonly metadataUrl?: string;
  /** The endpoint of Cognito's own protocol, for pools without a sign-in page (no domain). */
  readonly userPoolEndpoint?: string;
  /** `openid email profile` by default. */
  readonly scope?: string;
  /** The token for the API: by default the ID token, since Cognito's access tokens name no organization. */
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
