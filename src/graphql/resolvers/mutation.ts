/** Resolvers of the mutations: registration, login, renewal, logout, ending sessions, password change. */
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
import { slowRequestTime } from "../execution/execute.ts";
import type { Actor } from "../../session/audit.ts";
import type { ConnectionLifecycle } from "../../connections/lifecycle.ts";
import type { Issued } from "../../session/sessions.ts";
import { StoreUnavailable } from "../../session/store.ts";
import type { Claims } from "../../session/token.ts";
import { isOutdated, outdatedReason } from "../../session/user-status.ts";
import type { Authentication, PasswordChange, Registration } from "../../users/accounts.ts";
import type { User } from "../../users/directory.ts";
import { normaliseEmail } from "../../users/email.ts";
import type { Verdict } from "../../users/throttling.ts";

/** Whether an outcome counts as an attempt: only if a password was hashed for it. */
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
        const issued = await startSession(registration.user, context);
        // As after a login: an operator may have locked the user before this session could be found.
        const status = await accounts.status(id);
        if (!status.disabled && !isOutdated(issued.session, status)) return signedIn(issued);
        const reason = status.disabled ? "USER_GONE" : outdatedReason(status);
        await context.sessions.end(issued.session.fingerprint, reason);
        throw unauthenticated(status.disabled ? "USER_GONE" : "ENDED");
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
        const issued = await startSession(authentication.user, context);
        // While the password was checked, a password change or a lock may have ended the user's sessions. This
        // session can be found from here on: either the change found and ended it, or this check sees the change.
        const recheck = await accounts.stillAccepts(authentication, password, address);
        if (recheck === "match") return signedIn(issued);
        const reason = recheck === "gone" ? "USER_GONE" : "PASSWORD_CHANGED";
        await sessions.end(issued.session.fingerprint, reason);
        if (recheck === "busy") {
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
    const isFresh = !caller.lifecycle.isRevoked && caller.age < slowRequestTime;
    const isCurrent = token == null && session !== null && isFresh;
    // The holder of a session's token acts as that session.
    const actor: Actor = { by: "session", fingerprint, device: caller.device };
    return endThenReply(fingerprint, context, () =>
      // A token that was accepted just now needs no second check. The password may have changed since an
      // earlier one was accepted; such a token ends nothing.
      isCurrent
        ? sessions.end(fingerprint, "LOGOUT", actor)
        : sessions.endByToken(claims, "LOGOUT", actor),
    );
  },

  endSession: async (_parent, { id }, context) => {
    const { userId } = requireSession(context);
    const actor = actorOf(context);
    return endThenReply(id, context, () =>
      context.sessions.endOwn(userId, id, "ENDED_BY_USER", actor),
    );
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
    // Fails before anything has changed if the store, which the change needs later, does not answer.
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
        return caller.endAfterReply(() =>
          reissueAndEndOthers({ userId, claims, securityVersion: change.securityVersion }, context),
        );
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
 * Reissues the tokens of the caller's session and ends the user's other sessions, after a password change.
 *
 * The caller's session comes first, in one atomic step: after a crash between the steps its old tokens are refused,
 * and the owner signs in with the new password. Neither step depends on the outcome of the other, or on whether the
 * caller's session or connection ended while the password was checked.
 */
async function reissueAndEndOthers(
  {
    userId,
    claims,
    securityVersion,
  }: {
    readonly userId: string;
    readonly claims: Claims;
    readonly securityVersion: number | undefined;
  },
  { sessions, caller }: CurfewContext,
) {
  const { fingerprint } = claims;
  const actor: Actor = { by: "session", fingerprint, device: caller.device };
  const endOthers = () => sessions.endOthers(userId, fingerprint, "PASSWORD_CHANGED", actor);
  const reissuing = sessions.reissue(claims, caller.device, securityVersion);
  const endingOthers = reissuing.then(endOthers, endOthers);
  const [reissued] = await Promise.allSettled([reissuing, endingOthers]);
  // Operations under the caller's old token do nothing more, and its socket reconnects with a new token.
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

/** Leaves a socket alone that closes anyway once its answers, this one and others, have gone out. */
function endOldToken(
  lifecycle: ConnectionLifecycle,
  closeReason: "SESSION_EXPIRED" | "SESSION_ENDED",
): void {
  const isFinishing = lifecycle.isRevoked && lifecycle.isReplying;
  if (closeReason === "SESSION_ENDED" || !isFinishing) lifecycle.end(closeReason);
}

/** Ends a session. If it is the caller's own, sends the mutation's result before closing the caller's connection. */
async function endThenReply(
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

/** The caller's session, as the actor of an end in the audit trail. */
function actorOf(context: CurfewContext): Actor {
  const { fingerprint } = requireSession(context);
  return { by: "session", fingerprint, device: context.caller.device };
}

function startSession(user: User, { sessions, caller }: CurfewContext): Promise<Issued> {
  return sessions.start(user.id, caller.device, user.securityVersion ?? 0);
}

function signedIn(issued: Issued) {
  return { __typename: "SignedIn", tokens: issued, viewer: issued.session } as const;
}
