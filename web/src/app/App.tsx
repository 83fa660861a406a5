import type { Millrace } from "@millrace/client";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { type ReactNode, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { Auth, CALLBACK, POPUP_CALLBACK } from "../api/auth";
import { clientFor } from "../api/client";
import { explain } from "../api/explain";
import { loadConfig } from "../api/config";
import { SessionContext } from "./context";
import { router } from "./router";
import { SessionEnded, SignIn } from "./SignIn";

interface Started {
  readonly auth: Auth;
  readonly api: Millrace;
  /** The reason why signing in failed. */
  readonly problem: string | null;
}

// Once per page, because a code of the provider is valid for one request.
let starting: Promise<Started> | null = null;

export function App(): ReactNode {
  const [started, setStarted] = useState<Started | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    starting ??= start();
    starting.then(setStarted, (reason: unknown) => setError(explain(reason)));
  }, []);
  if (error) return <Broken message={error} />;
  return started && <Session {...started} />;
}

async function start(): Promise<Started> {
  const config = await loadConfig();
  const auth = new Auth(config);
  const api = clientFor(auth, config);
  const problem = await signIn(auth).then(
    () => null,
    (reason: unknown) => `Sign-in failed: ${explain(reason)}`,
  );
  return { auth, api, problem };
}

async function signIn(auth: Auth): Promise<void> {
  if (location.pathname === POPUP_CALLBACK) return auth.finishPopup();
  if (location.pathname !== CALLBACK) return auth.start();
  try {
    history.replaceState(null, "", await auth.finishSignIn());
  } catch (error) {
    history.replaceState(null, "", "/");
    throw error;
  }
}

function Session({ auth, api, problem }: Started): ReactNode {
  const state = useSyncExternalStore(auth.subscribe, auth.getState);
  const session = useMemo(() => ({ auth, api }), [auth, api]);
  const queries = useMemo(newQueryClient, [state === "out"]);
  if (state === "out") return <SignIn auth={auth} problem={problem} />;
  return (
    <SessionContext.Provider value={session}>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
        {state === "ended" && <SessionEnded auth={auth} />}
      </QueryClientProvider>
    </SessionContext.Provider>
  );
}

/** The client itself retries requests that may succeed. Data that becomes visible again is refreshed. */
function newQueryClient(): QueryClient {
  return new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 2000 } } });
}

function Broken({ message }: { message: string }): ReactNode {
  return (
    <main className="sign-in">
      <div role="alert">
        <h1>Millrace cannot start</h1>
        <p>{message}</p>
        <button type="button" className="button primary" onClick={() => location.reload()}>
          Try again
        </button>
      </div>
    </main>
  );
}
