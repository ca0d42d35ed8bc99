/** Resolvers of the mutations: signing in and out, renewal, and the user's hold on his sessions. */
import { requireSession, type CurfewContext } from "../context.ts";
import { refusalMessage, unauthenticated } from "../errors.ts";
import type { MutationResolvers } from "../generated.ts";
import type { Issued } from "../../session/sessions.ts";
import type { User } from "../../users/directory.ts";

export const Mutation: MutationResolvers = {
  register: async (_parent, { email, password }, context) => {
    const registration = await context.accounts.register(email, password, context.clock());
    switch (registration.outcome) {
      case "registered":
        return signedIn(await start(registration.user, context));
      case "invalid":
        return invalidInput(registration.fields);
      case "busy":
        return tooManyAttempts();
    }
  },

  login: async (_parent, { email, password }, context) => {
    const authentication = await context.accounts.authenticate(email, password);
    switch (authentication.outcome) {
      case "accepted":
        return signedIn(await start(authentication.user, context));
      case "refused":
        return invalidCredentials("The e-mail address or the password is wrong.");
      case "busy":
        return tooManyAttempts();
    }
  },

  renew: async (_parent, { renewalToken }, { sessions, caller }) => {
    const renewal = await sessions.renew(renewalToken);
    if (renewal.outcome === "renewed") return signedIn(renewal);
    const { reason } = renewal;
    caller.noteRefusal(reason, renewal.claims);
    return { __typename: "RenewalRefused", reason, message: refusalMessage(reason) };
  },

  logout: async (_parent, { token }, { sessions, caller }) => {
    const own = caller.authentication.claims;
    const claims = token == null ? own : sessions.identify(token);
    if (claims === undefined) return { endedSessions: 0 };
    // The answer to him who ends his own session still goes out on the socket that this closes.
    if (claims.fingerprint === own?.fingerprint) caller.holdForReply?.();
    return { endedSessions: await sessions.end(claims.fingerprint, "LOGOUT") };
  },

  endSession: async (_parent, { id }, context) => {
    const { userId, fingerprint } = requireSession(context);
    if (id === fingerprint) context.caller.holdForReply?.();
    return { endedSessions: await context.sessions.endOwn(userId, id, "ENDED_BY_USER") };
  },

  endOtherSessions: async (_parent, _args, context) => {
    const { userId, fingerprint } = requireSession(context);
    return {
      endedSessions: await context.sessions.endOthers(userId, fingerprint, "ENDED_BY_USER"),
    };
  },

  changePassword: async (_parent, { currentPassword, newPassword }, context) => {
    const { userId, fingerprint } = requireSession(context);
    const { accounts, sessions, caller } = context;
    const change = await accounts.changePassword(userId, currentPassword, newPassword);
    switch (change.outcome) {
      case "changed": {
        const endedSessions = await sessions.endOthers(userId, fingerprint, "PASSWORD_CHANGED");
        const { claims } = caller.authentication;
        if (claims === undefined) throw unauthenticated("ENDED");
        const renewal = await sessions.rotate(claims);
        if (renewal.outcome === "refused") throw unauthenticated(renewal.reason);
        return { __typename: "PasswordChanged", endedSessions, tokens: renewal };
      }
      case "refused":
        return invalidCredentials("The current password is wrong.");
      case "invalid":
        return invalidInput(change.fields);
      case "busy":
        return tooManyAttempts();
    }
  },
};

function start(user: User, { sessions, caller }: CurfewContext): Promise<Issued> {
  return sessions.start(user.id, caller.device);
}

function signedIn(issued: Issued) {
  return { __typename: "SignedIn", tokens: issued, viewer: issued.session } as const;
}

function invalidCredentials(message: string) {
  return { __typename: "InvalidCredentials", message } as const;
}

function invalidInput(fields: readonly { readonly field: string; readonly message: string }[]) {
  const message = "Some of the input is not right; `fields` says what.";
  return { __typename: "InvalidInput", message, fields } as const;
}

/** The passwords that wait to be checked are as many as the server allows. */
function tooManyAttempts() {
  const message = "Too many people are signing in; try again shortly.";
  return { __typename: "TooManyAttempts", message, retryAfterSeconds: 1 } as const;
}
