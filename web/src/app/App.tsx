import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { type ReactNode, useEffect, useMemo, useState } from "react";
import { Auth } from "../api/auth";
import { Api, explain } from "../api/client";
import { type Config, loadConfig } from "../api/config";
import { tabStorage } from "../api/storage";
import { ApiError } from "@millrace/client";
import { SessionContext } from "./context";
import { router } from "./router";
import { SignIn } from "./SignIn";

export function App(): ReactNode {
  const [config, setConfig] = useState<Config | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    loadConfig().then(setConfig, (reason: unknown) => setError(explain(reason)));
  }, []);
  if (error) return <Broken message={error} />;
  return config && <SignedIn config={config} />;
}

function SignedIn({ config }: { config: Config }): ReactNode {
  /** Null until the user signs in or out here. */
  const [isSignedOut, setSignedOut] = useState<boolean | null>(null);
  const auth = useMemo(() => new Auth(config, tabStorage, () => setSignedOut(true)), [config]);
  const session = useMemo(() => ({ auth, api: new Api(auth, config.apiBase) }), [auth, config]);
  const queries = useMemo(newQueryClient, [session]);
  const needsForm = isSignedOut ?? (!auth.isSignedIn && !config.devUser);
  if (needsForm) return <SignIn auth={auth} onSignedIn={() => setSignedOut(false)} />;
  return (
    <SessionContext.Provider value={session}>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </SessionContext.Provider>
  );
}

/** Refusals are final; what is seen again is renewed. */
function newQueryClient(): QueryClient {
  const retry = (count: number, error: unknown) => count < 2 && !(error instanceof ApiError && !error.isTransient);
  return new QueryClient({ defaultOptions: { queries: { retry, staleTime: 2000 } } });
}

function Broken({ message }: { message: string }): ReactNode {
  return (
    <main className="sign-in">
      <div role="alert">
        <h1>Millrace cannot start</h1>
        <p>{message}</p>
        <button type="button" className="primary" onClick={() => location.reload()}>
          Try again
        </button>
      </div>
    </main>
  );
}
