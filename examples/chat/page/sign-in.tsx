/** The form to sign in or create an account, and why the last session ended. */
import { RequestFailed, type EndReason, type SignedOutReason } from "curfew/client";
import { useState, type SubmitEvent } from "react";
import { session } from "./session.ts";

const untrusted = "The server no longer accepts this session. Please sign in again.";

const reused =
  "An old token of your session was used again. It may be stolen, so the server ended the session. Please sign in again.";

const notices: Readonly<Record<SignedOutReason | EndReason, string>> = {
  LOGOUT: "You have signed out, in all tabs.",
  ENDED: "Your session was ended, here or on another device.",
  EXPIRED: "Your session has expired. Please sign in again.",
  ENDED_BY_USER: "Your session was ended from another device.",
  PASSWORD_CHANGED: "The password was changed on another device. Please sign in with the new one.",
  SESSION_LIMIT: "You have signed in on more devices than are allowed.",
  ENDED_BY_OPERATOR: "An operator ended your session.",
  REUSED: reused,
  RENEWAL_REUSED: reused,
  USER_GONE: "Your account was locked or deleted.",
  SUPERSEDED: untrusted,
  MISSING: untrusted,
  MALFORMED: untrusted,
  BAD_SIGNATURE: untrusted,
  WRONG_KIND: untrusted,
};

export function SignIn({ reason }: { readonly reason: keyof typeof notices | undefined }) {
  const [problems, setProblems] = useState<readonly string[]>([]);
  const [isBusy, setBusy] = useState(false);

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = Object.fromEntries(new FormData(event.currentTarget));
    const credentials = form as { readonly email: string; readonly password: string };
    const button = event.nativeEvent.submitter as HTMLButtonElement | null;
    const signIn = button?.value === "register" ? session.register : session.login;
    setBusy(true);
    try {
      const result = await signIn(credentials);
      // The session's state reports `SignedIn`.
      if (result.__typename === "SignedIn") return;
      const fields = result.__typename === "InvalidInput" ? result.fields : [];
      setProblems(fields.length > 0 ? fields.map(({ message }) => message) : [result.message]);
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      setProblems(["The server cannot be reached. Please try again."]);
    } finally {
      setBusy(false);
    }
  }

  return (
    <main className="card">
      <h1>
        <img src="/icon.svg" alt="" width="32" height="32" /> Curfew chat
      </h1>
      {reason !== undefined && (
        <p className="notice" role="status">
          {notices[reason]}
        </p>
      )}
      <form className="fields" onSubmit={(event) => void submit(event)}>
        <label>
          E-mail
          <input name="email" type="email" autoComplete="username" required />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        {/* Always present, so that screen readers announce its changes. */}
        <div role="alert" className="problems">
          {problems.map((problem) => (
            <p key={problem}>{problem}</p>
          ))}
        </div>
        <div className="buttons">
          <button disabled={isBusy}>Sign in</button>
          <button disabled={isBusy} className="quiet" value="register">
            Create account
          </button>
        </div>
      </form>
    </main>
  );
}
