/** Resolvers of the mutations: signing in and out, renewal, and the user's hold on his sessions. */
import { auditCredentials } from "../audit-credentials.ts";
import { requireSession, type CurfewContext } from "../context.ts";
import { passwordChangedSessionsRemain, unauthenticated } from "../errors.ts";
import type { MutationResolvers } from "../generated.ts";
import {
  busy,
  emailTaken,
  invalidCredentials,
  invalidInput,
  renewalRefused,
  tooManyAttempts,
  wrongCredentials,
} from "../problems.ts";
import { slowRequest } from "../execution/execute.ts";
import type { Actor } from "../../session/audit.ts";
import type { ConnectionLifecycle } from "../../connections/lifecycle.ts";
import type { Issued } from "../../session/sessions.ts";
import { StoreUnavailable } from "../../session/store.ts";
import type { Claims } from "../../session/token.ts";
import type { Authentication, PasswordChange, Registration } from "../../users/accounts.ts";
import type { User } from "../../users/directory.ts";
import { normaliseEmail } from "../../users/email.ts";
import type { Verdict } from "../../users/throttling.ts";

/** Which outcomes count as attempts: those for which a password was hashed. */
const verdicts = {
  register: { registered: "succeeded", taken: "failed", invalid: "untried", busy: "untried" },
  login: { accepted: "succeeded", refused: "failed", busy: "untried" },
  changePassword: { changed: "succeeded", refused: "failed", invalid: "untried", busy: "untried" },
} as const satisfies {
  readonly register: Record<Registration["outcome"], Verdict>;
  readonly login: Record<Authentication["outcome"], Verdict>;
  readonly changePassword: Record<PasswordChange["outcome"], Verdict>;
};

export const Mutation: MutationResolvers = {
  register: async (_parent, { email, password }, context) => {
    const { accounts, throttle, clock, caller } = context;
    const registration = await throttle.register({
      address: caller.device.ipAddress,
      make: () => accounts.register(email, password, clock(), caller.device.ipAddress),
      judge: ({ outcome }) => verdicts.register[outcome],
    });
    auditCredentials("registration", registration, context);
    switch (registration.outcome) {
      case "registered": {
        const { id } = registration.user;
        const issued = await start(registration.user, context);
        // As after a login: an operator is quick to lock, and no session that he did not see may stay.
        if (!(await accounts.isUserDisabled(id))) return signedIn(issued);
        await context.sessions.end(issued.session.fingerprint, "USER_GONE");
        throw unauthenticated("USER_GONE");
      }
      case "taken":
        return emailTaken();
      case "invalid":
        return invalidInput(registration.fields);
      case "busy":
        return busy();
      case "throttled":
        return tooManyAttempts(registration);
    }
  },

  login: async (_parent, { email, password }, context) => {
    const { accounts, sessions, throttle, caller } = context;
    const address = caller.device.ipAddress;
    const authentication = await throttle.guess({
      account: normaliseEmail(email),
      address,
      make: () => accounts.authenticate(email, password, address),
      judge: ({ outcome }) => verdicts.login[outcome],
    });
    auditCredentials("login", authentication, context);
    switch (authentication.outcome) {
      case "accepted": {
        const issued = await start(authentication.user, context);
        // The password may have been changed, or the user locked, and the sessions ended, while it was
        // checked: now that this session can be found, either that found it, or this finds that.
        const standing = await accounts.stillAccepts(authentication, password, address);
        if (standing === "match") return signedIn(issued);
        const reason = standing === "gone" ? "USER_GONE" : "PASSWORD_CHANGED";
        await sessions.end(issued.session.fingerprint, reason);
        if (standing === "busy") {
          auditCredentials("login", { outcome: "busy" }, context);
          return busy();
        }
        const userId = authentication.user.id;
        auditCredentials("login", { outcome: "refused", cause: "OVERTAKEN", userId }, context);
        return wrongCredentials();
      }
      case "refused":
        return wrongCredentials();
      case "busy":
        return busy();
      case "throttled":
        return tooManyAttempts(authentication);
    }
  },

  renew: async (_parent, { renewalToken }, { sessions, throttle, caller }) => {
    const renewal = await sessions.renew(renewalToken, caller.device);
    if (renewal.outcome === "renewed") {
      caller.renewed(renewal.session);
      return signedIn(renewal);
    }
    const throttled = await throttle.renewalRefused(caller.device.ipAddress);
    if (throttled !== undefined) return tooManyAttempts(throttled);
    return renewalRefused(renewal.reason);
  },

  logout: async (_parent, { token }, context) => {
    const { sessions, caller, session } = context;
    const claims = token == null ? caller.authentication.claims : sessions.identify(token);
    if (claims === undefined) return { endedSessions: 0 };
    const { fingerprint } = claims;
    const isFresh = !caller.lifecycle.isRevoked && caller.age < slowRequest;
    const isCurrent = token == null && session !== null && isFresh;
    // Whoever holds a token of it is the session itself.
    const actor: Actor = { by: "session", fingerprint, device: caller.device };
    return ending(fingerprint, context, () =>
      // A token that was accepted just now need not be looked at again. Since one that was accepted earlier
      // the password may have been changed: then it ends nothing.
      isCurrent
        ? sessions.end(fingerprint, "LOGOUT", actor)
        : sessions.endByToken(claims, "LOGOUT", actor),
    );
  },

  endSession: async (_parent, { id }, context) => {
    const { userId } = requireSession(context);
    const actor = actorOf(context);
    return ending(id, context, () => context.sessions.endOwn(userId, id, "ENDED_BY_USER", actor));
  },

  endOtherSessions: async (_parent, _args, context) => {
    const { userId, fingerprint } = requireSession(context);
    const { sessions } = context;
    const actor = actorOf(context);
    return {
      endedSessions: await sessions.endOthers(userId, fingerprint, "ENDED_BY_USER", actor),
    };
  },

  changePassword: async (_parent, { currentPassword, newPassword }, context) => {
    const { userId, fingerprint } = requireSession(context);
    const { accounts, sessions, throttle, caller } = context;
    const { claims } = caller.authentication;
    if (claims === undefined) throw unauthenticated("ENDED");
    const address = caller.device.ipAddress;
    // What the change will need, asked for before it: where it is not to be had, nothing has changed.
    await sessions.list(userId);
    const change = await throttle.guess({
      account: fingerprint,
      address,
      make: () => accounts.changePassword(userId, currentPassword, newPassword, address),
      judge: ({ outcome }) => verdicts.changePassword[outcome],
    });
    auditCredentials("passwordChange", change, context);
    switch (change.outcome) {
      case "changed":
        return caller.beforeItsEnd(() => startOver({ userId, claims }, context));
      case "refused":
        return invalidCredentials("The current password is wrong.");
      case "invalid":
        return invalidInput(change.fields);
      case "busy":
        return busy();
      case "throttled":
        return tooManyAttempts(change);
    }
  },
};

/**
 * After a changed password: starts the caller's session over and ends the user's other sessions.
 *
 * The caller's session comes first, in one step: a crash in between leaves its old tokens refused, and the
 * owner signs in with the new password. Neither step depends on the other's outcome, nor on what
 * became of the caller's session or connection while the password was checked.
 */
async function startOver(
  { userId, claims }: { readonly userId: string; readonly claims: Claims },
  { sessions, caller }: CurfewContext,
) {
  const { fingerprint } = claims;
  const actor: Actor = { by: "session", fingerprint, device: caller.device };
  const endOthers = () => sessions.endOthers(userId, fingerprint, "PASSWORD_CHANGED", actor);
  const reissuing = sessions.reissue(claims, caller.device);
  const endingOthers = reissuing.then(endOthers, endOthers);
  const [reissued] = await Promise.allSettled([reissuing, endingOthers]);
  // Whatever came with the caller's old token does nothing more, and its socket comes back with a new one.
  if (reissued.status === "fulfilled")
    endOldToken(
      caller.lifecycle,
      reissued.value.outcome === "renewed" ? "SESSION_EXPIRED" : "SESSION_ENDED",
    );
  try {
    const [renewal, endedSessions] = await Promise.all([reissuing, endingOthers]);
    if (renewal.outcome === "refused") throw unauthenticated(renewal.reason);
    return { __typename: "PasswordChanged", endedSessions, tokens: renewal } as const;
  } catch (error) {
    throw error instanceof StoreUnavailable ? passwordChangedSessionsRemain() : error;
  }
}

/** A socket that closes already once its answers have gone out, this one and others, is left to that. */
function endOldToken(
  lifecycle: ConnectionLifecycle,
  closeReason: "SESSION_EXPIRED" | "SESSION_ENDED",
): void {
  const isFinishing = lifecycle.isRevoked && lifecycle.isAnswering;
  if (closeReason === "SESSION_ENDED" || !isFinishing) lifecycle.end(closeReason);
}

/** He who ends his own session is still told so, on the socket that this closes; then he is signed out. */
async function ending(
  fingerprint: string,
  { caller }: CurfewContext,
  end: () => Promise<number>,
): Promise<{ endedSessions: number }> {
  if (fingerprint !== caller.authentication.claims?.fingerprint)
    return { endedSessions: await end() };
  caller.replyBeforeClose();
  const endedSessions = await end();
  caller.lifecycle.end("SESSION_ENDED");
  return { endedSessions };
}

/** The session of the request, which does something to another one, or to itself. */
function actorOf(context: CurfewContext): Actor {
  const { fingerprint } = requireSession(context);
  return { by: "session", fingerprint, device: context.caller.device };
}

function start(user: User, { sessions, caller }: CurfewContext): Promise<Issued> {
  return sessions.start(user.id, caller.device);
}

function signedIn(issued: Issued) {
  return { __typename: "SignedIn", tokens: issued, viewer: issued.session } as const;
}
