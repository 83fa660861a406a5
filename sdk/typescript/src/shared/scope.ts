import { newId } from "../api/transport.js";
import type { Millrace } from "../client.js";

/** Claims that identify one token or sign-in. If a provider uses others, the user's pages share nothing. */
const PASSING = /^(iat|exp|nbf|jti|origin_jti|auth_time|event_id|nonce|sid|session_state|at_hash|c_hash|uti|aio|rh)$/;

/**
 * Returns a name for the client's user, to be used in the name of a `SharedStream`. Pages of one browser may be signed
 * in as different users, who must not see each other's events.
 */
export async function scopeOf(client: Millrace): Promise<string> {
  if (!globalThis.crypto.subtle) return newId(); // nothing can be shared outside of a secure context
  const token = (await client.token()) ?? "";
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(claimsOf(token) ?? token));
  return Array.from(new Uint8Array(bytes, 0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The claims of a JSON Web Token that identify its user; null for other tokens. */
function claimsOf(token: string): string | null {
  try {
    const payload = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const claims = JSON.parse(atob(payload)) as Record<string, unknown>;
    return JSON.stringify(Object.entries(claims).filter(([name]) => !PASSING.test(name)));
  } catch {
    return null;
  }
}
