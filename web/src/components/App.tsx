import { type ReactNode, useEffect, useMemo, useState } from "react";
import { FilesContext } from "./Attachments";
import { Auth } from "../api/auth";
import { Api, explain } from "../api/client";
import { type Config, loadConfig } from "../api/config";
import { SignIn } from "./SignIn";
import { Workspace } from "./Workspace";

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
  const auth = useMemo(() => new Auth(config, sessionStorage, () => setSignedOut(true)), [config]);
  const api = useMemo(() => new Api(auth, config.apiBase), [auth, config]);
  const needsForm = isSignedOut ?? (!auth.isSignedIn && !config.devUser);
  return needsForm ? <SignIn auth={auth} onSignedIn={() => setSignedOut(false)} /> : (
    <FilesContext.Provider value={api}>
      <Workspace api={api} />
    </FilesContext.Provider>
  );
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
