import { createContext, useContext, useMemo } from "react";
import { type Administration, type Millrace, administration } from "@millrace/client";
import type { Auth } from "../api/auth";

export interface Session {
  readonly api: Millrace;
  readonly auth: Auth;
}

export const SessionContext = createContext<Session | null>(null);

/** The signed-in session. Throws outside of the shell, which is a mistake in this page. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("useSession is used outside of the shell.");
  return session;
}

/** The HTTP API as the signed-in user. */
export function useApi(): Millrace {
  return useSession().api;
}

/** The routes of operators and administrators, as the signed-in user. */
export function useAdministration(): Administration {
  const api = useApi();
  return useMemo(() => administration(api), [api]);
}
