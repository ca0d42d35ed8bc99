/** Resolvers of the object types, which map records of the domain to the schema. */
import type { CurfewContext, SessionView } from "../context.ts";
import { unauthenticated } from "../errors.ts";
import type { Session as SessionRecord } from "../../session/session.ts";
import type {
  SessionEventResolvers,
  SessionResolvers,
  TokenPairResolvers,
  ViewerResolvers,
} from "../generated.ts";

export const Viewer: ViewerResolvers = {
  user: async (session, _args, { users, sessions }) => {
    const user = await users.byId(session.userId);
    if (user === undefined) throw unauthenticated("USER_GONE");
    if (!(await sessions.outlasts(session, user))) throw unauthenticated("ENDED", true);
    return user;
  },
  session: (session) => ({ session, current: true }),
  sessions: async (current, _args, { sessions }) => {
    const all = await sessions.list(current.userId);
    const views = all.map((session) => viewOf(session, current));
    return [...views.filter((view) => view.current), ...views.filter((view) => !view.current)];
  },
};

export const Session: SessionResolvers = {
  id: ({ session }) => session.fingerprint,
  createdAt: ({ session }) => session.createdAt,
  renewedAt: ({ session }) => session.renewedAt,
  lastSeenAt: ({ session }) => session.lastSeenAt,
  expiresAt: ({ session }) => session.idleExpiresAt,
  userAgent: ({ session }) => session.userAgent,
  ipAddress: ({ session }) => session.ipAddress,
};

export const TokenPair: TokenPairResolvers = {
  accessToken: ({ tokens }) => tokens.accessToken,
  accessTokenExpiresAt: ({ session }) => session.accessExpiresAt,
  renewalToken: ({ tokens }) => tokens.renewalToken,
  renewalTokenExpiresAt: ({ session }) => session.idleExpiresAt,
};

export const SessionEvent: SessionEventResolvers = {
  session: ({ session }, _args, context: CurfewContext) => viewOf(session, context.session),
  endReason: (event) => (event.type === "ENDED" ? event.reason : null),
  ipAddress: (event) => (event.type === "REPLAYED" ? event.address : null),
};

function viewOf(session: SessionRecord, current: SessionRecord | null): SessionView {
  return { session, current: session.fingerprint === current?.fingerprint };
}
