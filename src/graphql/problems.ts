/** The expected failures of mutations, as the schema defines them: results, not errors. */
import type { TokenRefused } from "../session/outcomes.ts";
import type { FieldProblem } from "../users/accounts.ts";
import type { Throttled } from "../users/throttling.ts";
import { refusalMessage } from "./errors.ts";

/** The result of a failed login. */
export function wrongCredentials() {
  return invalidCredentials("The e-mail address or the password is wrong.");
}

export function invalidCredentials(message: string) {
  return { __typename: "InvalidCredentials", message } as const;
}

export function invalidInput(fields: readonly FieldProblem[]) {
  const message = fields.map((field) => field.message).join(" ");
  return { __typename: "InvalidInput", message, fields } as const;
}

export function emailTaken() {
  return invalidInput([{ field: "email", message: "This e-mail address is already registered." }]);
}

export function renewalRefused({ reason, endReason }: TokenRefused) {
  const message = refusalMessage(reason);
  return { __typename: "RenewalRefused", reason, endReason: endReason ?? null, message } as const;
}

export function tooManyAttempts({ retryAfterSeconds }: Pick<Throttled, "retryAfterSeconds">) {
  const time = retryAfterSeconds === 1 ? "a second" : `${retryAfterSeconds} seconds`;
  const message = `Too many attempts; try again in ${time}.`;
  return { __typename: "TooManyAttempts", message, retryAfterSeconds } as const;
}

/** The queue of password hashes is full. */
export function busy() {
  const message = "Too many people are signing in; try again shortly.";
  return { __typename: "TooManyAttempts", message, retryAfterSeconds: 1 } as const;
}
