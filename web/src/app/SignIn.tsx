import "./sign-in.css";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Auth } from "../api/auth";
import { explain } from "../api/client";
import { Icon } from "../ui/Icon";

export function SignIn({ auth, onSignedIn }: { auth: Auth; onSignedIn: () => void }): ReactNode {
  const [error, setError] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    setBusy(true);
    try {
      await auth.signIn({ username: String(fields.get("username")), password: String(fields.get("password")) });
      onSignedIn();
    } catch (reason) {
      setError(explain(reason));
      setBusy(false);
    }
  };
  return (
    <main className="sign-in">
      <form onSubmit={(event) => void submit(event)}>
        <Icon name="waves" />
        <h1>Millrace</h1>
        <label>
          User name
          <input name="username" autoComplete="username" required autoFocus />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        {error && <p role="alert">{error}</p>}
        <button type="submit" className="primary" disabled={isBusy}>
          Sign in
        </button>
      </form>
    </main>
  );
}
