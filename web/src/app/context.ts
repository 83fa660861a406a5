import { createContext, useContext } from "react";
import type { Api } from "../api/client";
import type { Auth } from "../api/auth";

export interface Session {
  readonly api: Api;
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
export function useApi(): Api {
  return useSession().api;
}
