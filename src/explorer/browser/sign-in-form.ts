/** The form to sign in, or to create an account and sign in. */
import type { SyntheticEvent } from "react";
import type { Session } from "../../client/index.ts";
import { h, useEffect, useId, useRef, useState } from "./graphiql.ts";

type Mode = "login" | "register";
type FieldName = "email" | "password";

interface Problems {
  /** A problem of the whole form. */
  readonly message?: string;
  readonly email?: string;
  readonly password?: string;
}

const labels = {
  login: { tab: "Sign in", submit: "Sign in", busy: "Signing in…" },
  register: { tab: "New account", submit: "Create account", busy: "Creating the account…" },
} as const;

export function SignInForm({ session }: { readonly session: Session }) {
  const [mode, setMode] = useState<Mode>("login");
  const [isBusy, setBusy] = useState(false);
  const [problems, setProblems] = useState<Problems>({});
  const form = useRef<HTMLFormElement>(null);

  // Focuses the first field with a problem.
  useEffect(() => {
    form.current?.querySelector<HTMLInputElement>("[aria-invalid=true]")?.focus();
  }, [problems]);

  async function submit(event: SyntheticEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (isBusy) return;
    const data = new FormData(event.currentTarget);
    const given = { email: textOf(data, "email"), password: textOf(data, "password") };
    const missing = missingIn(given);
    if (missing !== undefined) return setProblems(missing);
    setProblems({});
    setBusy(true);
    setProblems(await problemsOf(session[mode](given)));
    setBusy(false);
  }

  function choose(next: Mode): void {
    setMode(next);
    setProblems({});
  }

  return h(
    "form",
    {
      ref: form,
      className: "curfew-form",
      noValidate: true,
      onSubmit: (event) => void submit(event),
    },
    h(
      "div",
      {
        className: "graphiql-button-group",
        role: "group",
        "aria-label": "Sign in or create an account",
      },
      (["login", "register"] as const).map((each) =>
        h(
          "button",
          {
            key: each,
            type: "button",
            className: `graphiql-button${each === mode ? " active" : ""}`,
            "aria-pressed": each === mode,
            onClick: () => choose(each),
          },
          labels[each].tab,
        ),
      ),
    ),
    h(FieldView, { field: "email", label: "E-mail", autoComplete: "email", problems }),
    h(FieldView, {
      field: "password",
      label: "Password",
      autoComplete: mode === "login" ? "current-password" : "new-password",
      problems,
    }),
    h(
      "div",
      { role: "alert" },
      problems.message !== undefined && h("p", { className: "curfew-problem" }, problems.message),
    ),
    h(
      "button",
      { type: "submit", className: "graphiql-button curfew-primary", "aria-disabled": isBusy },
      isBusy ? labels[mode].busy : labels[mode].submit,
    ),
  );
}

interface FieldProps {
  readonly field: FieldName;
  readonly label: string;
  readonly autoComplete: string;
  readonly problems: Problems;
}

function FieldView({ field, label, autoComplete, problems }: FieldProps) {
  const id = useId();
  const problem = problems[field];
  const described = problem === undefined ? {} : { "aria-describedby": `${id}-problem` };
  return h(
    "div",
    { className: "curfew-field" },
    h("label", { htmlFor: id }, label),
    h("input", {
      id,
      name: field,
      type: field,
      autoComplete,
      autoCapitalize: "none",
      spellCheck: false,
      required: true,
      "aria-invalid": problem !== undefined,
      ...described,
    }),
    problem !== undefined && h("p", { id: `${id}-problem`, className: "curfew-problem" }, problem),
  );
}

function textOf(data: FormData, field: FieldName): string {
  const value = data.get(field);
  return typeof value === "string" ? value : "";
}

function missingIn({ email, password }: Record<FieldName, string>): Problems | undefined {
  if (email !== "" && password !== "") return undefined;
  return {
    ...(email === "" && { email: "Enter an e-mail address." }),
    ...(password === "" && { password: "Enter a password." }),
  };
}

/** Resolves with an empty object if the user is signed in. */
async function problemsOf(attempt: ReturnType<Session[Mode]>): Promise<Problems> {
  try {
    const result = await attempt;
    switch (result.__typename) {
      case "SignedIn":
        return {};
      case "InvalidInput":
        return Object.fromEntries(result.fields.map(({ field, message }) => [field, message]));
      case "InvalidCredentials":
      case "TooManyAttempts":
        return { message: result.message };
    }
  } catch {
    return { message: "The server did not respond. Try again in a moment." };
  }
}
