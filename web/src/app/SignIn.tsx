import "./sign-in.css";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Auth } from "../api/auth";
import { explain } from "../api/explain";
import { SignInChallenge, isOver } from "../api/cognito";
import type { Credentials } from "../api/config";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import { Icon } from "../ui/Icon";

/** The page for users who are not signed in. */
export function SignIn({ auth, problem }: { auth: Auth; problem: string | null }): ReactNode {
  const { error, isBusy, challenge, attempt } = useAttempt(problem);
  return (
    <main className="sign-in">
      <div>
        <Icon name="waves" />
        <h1>Millrace</h1>
        {error && <p role="alert">{error}</p>}
        {auth.needsPassword ? (
          <PoolForm auth={auth} isBusy={isBusy} challenge={challenge} attempt={attempt} />
        ) : (
          <button type="button" className="button primary" disabled={isBusy} onClick={() => attempt(() => auth.signIn())}>
            Sign in
          </button>
        )}
        {auth.hasDevUser && (
          <button type="button" className="button" disabled={isBusy} onClick={() => attempt(() => auth.signInDevUser())}>
            Sign in as the dev user
          </button>
        )}
      </div>
    </main>
  );
}

/** Shown above the page when the session has ended. Nothing on the page is lost, and pending requests continue. */
export function SessionEnded({ auth }: { auth: Auth }): ReactNode {
  const { error, isBusy, challenge, attempt } = useAttempt(null);
  return (
    <Dialog
      title="Your session has ended"
      description="Sign in again to continue. What you have typed is still here, and pending requests will be sent."
      isOpen
      onClose={() => undefined}
      footer={
        <>
          <button type="button" className="button" onClick={() => void auth.signOut()}>
            Sign out
          </button>
          {!auth.needsPassword && (
            <button
              type="button"
              className="button primary"
              disabled={isBusy}
              onClick={() => attempt(() => auth.signInByPopup())}
            >
              Sign in again
            </button>
          )}
        </>
      }
    >
      {error && <p role="alert">{error}</p>}
      {auth.needsPassword && (
        <PoolForm auth={auth} isBusy={isBusy} challenge={challenge} attempt={attempt} />
      )}
    </Dialog>
  );
}

type Attempt = (action: () => Promise<void>) => void;

/** Asks for the password, and then for anything else that the pool requires. */
function PoolForm(props: { auth: Auth; isBusy: boolean; challenge: SignInChallenge | null; attempt: Attempt }): ReactNode {
  const { auth, isBusy, challenge, attempt } = props;
  if (!challenge) return <PasswordForm isBusy={isBusy} onSubmit={(given) => attempt(() => auth.signInByPassword(given))} />;
  const answer = (value: string) => attempt(() => auth.answerChallenge(challenge, value));
  return <ChallengeForm key={challenge.session} isBusy={isBusy} isPassword={challenge.wants === "password"} onSubmit={answer} />;
}

function ChallengeForm(props: { isBusy: boolean; isPassword: boolean; onSubmit: (value: string) => void }): ReactNode {
  const { isBusy, isPassword, onSubmit } = props;
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onSubmit(String(new FormData(event.currentTarget).get("value")));
  };
  return (
    <form onSubmit={submit}>
      <p>{isPassword ? "Choose your own password to continue." : "Enter the code from your message or authenticator app."}</p>
      <Field label={isPassword ? "New password" : "Code"}>
        {(ids) => (
          <input
            {...ids}
            name="value"
            type={isPassword ? "password" : "text"}
            inputMode={isPassword ? "text" : "numeric"}
            autoComplete={isPassword ? "new-password" : "one-time-code"}
            required
            autoFocus
          />
        )}
      </Field>
      <button type="submit" className="button primary" disabled={isBusy}>
        Continue
      </button>
    </form>
  );
}

function PasswordForm(props: { isBusy: boolean; onSubmit: (credentials: Credentials) => void }): ReactNode {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    props.onSubmit({ username: String(fields.get("username")), password: String(fields.get("password")) });
  };
  return (
    <form onSubmit={submit}>
      <Field label="User name">{(ids) => <input {...ids} name="username" autoComplete="username" required autoFocus />}</Field>
      <Field label="Password">
        {(ids) => <input {...ids} name="password" type="password" autoComplete="current-password" required />}
      </Field>
      <button type="submit" className="button primary" disabled={props.isBusy}>
        Sign in
      </button>
    </form>
  );
}

function useAttempt(first: string | null) {
  const [error, setError] = useState(first);
  const [isBusy, setBusy] = useState(false);
  const [challenge, setChallenge] = useState<SignInChallenge | null>(null);
  const onFailure = (reason: unknown) => {
    if (reason instanceof SignInChallenge) return setChallenge(reason);
    // The session of a challenge is valid for a few minutes. After that, the password is asked for again.
    if (isOver(reason)) setChallenge(null);
    setError(`Sign-in failed: ${explain(reason)}`);
  };
  const attempt: Attempt = (action) => {
    setBusy(true);
    setError(null);
    action()
      .catch(onFailure)
      .finally(() => setBusy(false));
  };
  return { error, isBusy, challenge, attempt };
}
