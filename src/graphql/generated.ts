import type { GraphQLResolveInfo, GraphQLScalarType, GraphQLScalarTypeConfig } from "graphql";
import type { SessionView, CurfewContext } from "./context.ts";
import type { SessionEvent as SessionHappening } from "../session/watch.ts";
import type { Issued } from "../session/sessions.ts";
import type { User as UserRecord } from "../users/directory.ts";
import type { Session as ViewerSession } from "../session/session.ts";
export type Maybe<T> = T | null;
export type InputMaybe<T> = T | null;
export type Omit<T, K extends keyof T> = Pick<T, Exclude<keyof T, K>>;
export type RequireFields<T, K extends keyof T> = Omit<T, K> & { [P in K]-?: NonNullable<T[P]> };
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string };
  String: { input: string; output: string };
  Boolean: { input: boolean; output: boolean };
  Int: { input: number; output: number };
  Float: { input: number; output: number };
  /** A point in time, ISO 8601 in UTC with milliseconds. */
  DateTime: { input: number; output: number };
};

export type ChangePasswordResult =
  InvalidCredentials | InvalidInput | PasswordChanged | TooManyAttempts;

/** The reason why a session ended. */
export type EndReason =
  /** An operator ended this session, or all sessions of the user. */
  | "ENDED_BY_OPERATOR"
  /** The user ended it with `endSession` or `endOtherSessions`. */
  | "ENDED_BY_USER"
  /** The session was not renewed in time, or reached its maximum age. */
  | "EXPIRED"
  /** The client logged out, or passed a token of the session to `logout`. */
  | "LOGOUT"
  /** The password was changed in another session. */
  | "PASSWORD_CHANGED"
  /** A renewal token was used again after its grace period. The token may be stolen. */
  | "RENEWAL_REUSED"
  /** The user signed in more often than the session limit allows. The oldest sessions end. */
  | "SESSION_LIMIT"
  /** The user was deleted or locked. */
  | "USER_GONE";

export type EndSessionsResult = {
  readonly __typename?: "EndSessionsResult";
  readonly endedSessions: Scalars["Int"]["output"];
};

export type FieldProblem = {
  readonly __typename?: "FieldProblem";
  readonly field: Scalars["String"]["output"];
  readonly message: Scalars["String"]["output"];
};

/** The e-mail address or the password is wrong. The result does not say which. */
export type InvalidCredentials = Problem & {
  readonly __typename?: "InvalidCredentials";
  readonly message: Scalars["String"]["output"];
};

export type InvalidInput = Problem & {
  readonly __typename?: "InvalidInput";
  readonly fields: ReadonlyArray<FieldProblem>;
  readonly message: Scalars["String"]["output"];
};

export type LoginResult = InvalidCredentials | SignedIn | TooManyAttempts;

export type LogoutResult = {
  readonly __typename?: "LogoutResult";
  /** The number of sessions that this call ended: 0 or 1. */
  readonly endedSessions: Scalars["Int"]["output"];
};

export type Mutation = {
  readonly __typename?: "Mutation";
  /**
   * Changes the password, ends all other sessions and reissues the tokens of this one. Tokens from before the
   * change are refused. Connections that were opened with such a token close, and must reconnect with a new one.
   */
  readonly changePassword: ChangePasswordResult;
  /** Ends all of the caller's sessions except this one. */
  readonly endOtherSessions: EndSessionsResult;
  /** Ends one of the caller's sessions, on any device. */
  readonly endSession: EndSessionsResult;
  /** Starts a session. */
  readonly login: LoginResult;
  /**
   * Ends the session of `token`, or of the request if `token` is absent. Accepts access and renewal tokens of
   * any generation, also expired ones. A token from before a password change ends nothing. Succeeds if the
   * session has already ended.
   */
  readonly logout: LogoutResult;
  /** Registers a user and starts a session. */
  readonly register: RegisterResult;
  /**
   * Exchanges a renewal token (a refresh token) for the next token pair. During a short grace period the
   * same renewal token returns the same pair again, so a client may retry after a lost response, and several
   * tabs may renew at once. A later reuse ends the session.
   */
  readonly renew: RenewResult;
};

export type MutationChangePasswordArgs = {
  currentPassword: Scalars["String"]["input"];
  newPassword: Scalars["String"]["input"];
};

export type MutationEndSessionArgs = {
  id: Scalars["ID"]["input"];
};

export type MutationLoginArgs = {
  email: Scalars["String"]["input"];
  password: Scalars["String"]["input"];
};

export type MutationLogoutArgs = {
  token: InputMaybe<Scalars["String"]["input"]>;
};

export type MutationRegisterArgs = {
  email: Scalars["String"]["input"];
  password: Scalars["String"]["input"];
};

export type MutationRenewArgs = {
  renewalToken: Scalars["String"]["input"];
};

export type PasswordChanged = {
  readonly __typename?: "PasswordChanged";
  /** The number of other sessions that ended. */
  readonly endedSessions: Scalars["Int"]["output"];
  /** The new tokens of the caller's session. */
  readonly tokens: TokenPair;
};

/** An expected failure: a result, not an error. */
export type Problem = {
  readonly message: Scalars["String"]["output"];
};

export type Query = {
  readonly __typename?: "Query";
  /** The signed-in user; null if the caller is signed out. */
  readonly viewer: Maybe<Viewer>;
};

/** The reason why a token was refused. */
export type RefusalReason =
  /** No key of this server signed the token. */
  | "BAD_SIGNATURE"
  /** The session has ended. */
  | "ENDED"
  | "EXPIRED"
  /** The text is not a token of a Curfew server. */
  | "MALFORMED"
  /** The request has no token. */
  | "MISSING"
  /** The renewal token was reused, so the session was ended as a precaution. */
  | "REUSED"
  /** The session was renewed, or the password was changed. Only the newer token is valid. */
  | "SUPERSEDED"
  /** The user was deleted or locked. */
  | "USER_GONE"
  /** A renewal token instead of an access token, or the reverse. */
  | "WRONG_KIND";

export type RegisterResult = InvalidInput | SignedIn | TooManyAttempts;

export type RenewResult = RenewalRefused | SignedIn | TooManyAttempts;

export type RenewalRefused = Problem & {
  readonly __typename?: "RenewalRefused";
  /**
   * Why the session ended. Set only for a renewal token of that session, and for a limited time after the end;
   * null if the session has not ended, or if the reason is not known.
   */
  readonly endReason: Maybe<EndReason>;
  readonly message: Scalars["String"]["output"];
  readonly reason: RefusalReason;
};

/** One login on one device. */
export type Session = {
  readonly __typename?: "Session";
  readonly createdAt: Scalars["DateTime"]["output"];
  /** Whether this is the caller's session. */
  readonly current: Scalars["Boolean"]["output"];
  /** When the session ends unless it is renewed. */
  readonly expiresAt: Scalars["DateTime"]["output"];
  /** Public, and constant across renewals. */
  readonly id: Scalars["ID"]["output"];
  readonly ipAddress: Maybe<Scalars["String"]["output"]>;
  /** Accurate to one minute. */
  readonly lastSeenAt: Scalars["DateTime"]["output"];
  readonly renewedAt: Scalars["DateTime"]["output"];
  readonly userAgent: Maybe<Scalars["String"]["output"]>;
};

export type SessionEvent = {
  readonly __typename?: "SessionEvent";
  readonly at: Scalars["DateTime"]["output"];
  /** Set if the type is ENDED. */
  readonly endReason: Maybe<EndReason>;
  /** The client address of a replay. Set if the type is REPLAYED and the address is known. */
  readonly ipAddress: Maybe<Scalars["String"]["output"]>;
  readonly session: Session;
  readonly type: SessionEventType;
};

export type SessionEventType =
  | "ENDED"
  | "RENEWED"
  /**
   * A used renewal token was replayed within the grace period, from a network that is new to the session. Either a
   * client changed its network and lost a response, or the token was stolen. Reported once between two renewals.
   */
  | "REPLAYED"
  | "STARTED";

export type SignedIn = {
  readonly __typename?: "SignedIn";
  readonly tokens: TokenPair;
  readonly viewer: Viewer;
};

export type Subscription = {
  readonly __typename?: "Subscription";
  /** The starts, renewals and ends of the caller's sessions, on any device. */
  readonly sessionEvents: SessionEvent;
};

export type TokenPair = {
  readonly __typename?: "TokenPair";
  /** The token for `Authorization: Bearer …` and for the payload of `connection_init`. */
  readonly accessToken: Scalars["String"]["output"];
  readonly accessTokenExpiresAt: Scalars["DateTime"]["output"];
  /** The token for `renew` only: a refresh token. */
  readonly renewalToken: Scalars["String"]["output"];
  readonly renewalTokenExpiresAt: Scalars["DateTime"]["output"];
};

/**
 * The rate limit of failed attempts for this account or address was reached, so the attempt was not made.
 * A renewal returns this only if its token was refused: a valid renewal token is never rate-limited, and
 * neither is one of a session that has ended.
 */
export type TooManyAttempts = Problem & {
  readonly __typename?: "TooManyAttempts";
  readonly message: Scalars["String"]["output"];
  /** Seconds to wait before retrying. */
  readonly retryAfterSeconds: Scalars["Int"]["output"];
};

export type User = {
  readonly __typename?: "User";
  readonly createdAt: Scalars["DateTime"]["output"];
  readonly email: Scalars["String"]["output"];
  readonly id: Scalars["ID"]["output"];
};

/** The signed-in user, with private fields. */
export type Viewer = {
  readonly __typename?: "Viewer";
  readonly session: Session;
  /** The user's live sessions, the caller's session first. */
  readonly sessions: ReadonlyArray<Session>;
  readonly user: User;
};

export type ResolverTypeWrapper<T> = Promise<T> | T;

export type ResolverWithResolve<TResult, TParent, TContext, TArgs> = {
  resolve: ResolverFn<TResult, TParent, TContext, TArgs>;
};
export type Resolver<
  TResult,
  TParent = Record<PropertyKey, never>,
  TContext = Record<PropertyKey, never>,
  TArgs = Record<PropertyKey, never>,
> =
  | ResolverFn<TResult, TParent, TContext, TArgs>
  | ResolverWithResolve<TResult, TParent, TContext, TArgs>;

export type ResolverFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo,
) => Promise<TResult> | TResult;

export type SubscriptionSubscribeFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo,
) => AsyncIterable<TResult> | Promise<AsyncIterable<TResult>>;

export type SubscriptionResolveFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo,
) => TResult | Promise<TResult>;

export interface SubscriptionSubscriberObject<
  TResult,
  TKey extends string,
  TParent,
  TContext,
  TArgs,
> {
  subscribe: SubscriptionSubscribeFn<{ [key in TKey]: TResult }, TParent, TContext, TArgs>;
  resolve?: SubscriptionResolveFn<TResult, { [key in TKey]: TResult }, TContext, TArgs>;
}

export interface SubscriptionResolverObject<TResult, TParent, TContext, TArgs> {
  subscribe: SubscriptionSubscribeFn<any, TParent, TContext, TArgs>;
  resolve: SubscriptionResolveFn<TResult, any, TContext, TArgs>;
}

export type SubscriptionObject<TResult, TKey extends string, TParent, TContext, TArgs> =
  | SubscriptionSubscriberObject<TResult, TKey, TParent, TContext, TArgs>
  | SubscriptionResolverObject<TResult, TParent, TContext, TArgs>;

export type SubscriptionResolver<
  TResult,
  TKey extends string,
  TParent = Record<PropertyKey, never>,
  TContext = Record<PropertyKey, never>,
  TArgs = Record<PropertyKey, never>,
> =
  | ((...args: any[]) => SubscriptionObject<TResult, TKey, TParent, TContext, TArgs>)
  | SubscriptionObject<TResult, TKey, TParent, TContext, TArgs>;

export type TypeResolveFn<
  TTypes,
  TParent = Record<PropertyKey, never>,
  TContext = Record<PropertyKey, never>,
> = (
  parent: TParent,
  context: TContext,
  info: GraphQLResolveInfo,
) => Maybe<TTypes> | Promise<Maybe<TTypes>>;

export type IsTypeOfResolverFn<
  T = Record<PropertyKey, never>,
  TContext = Record<PropertyKey, never>,
> = (obj: T, context: TContext, info: GraphQLResolveInfo) => boolean | Promise<boolean>;

export type NextResolverFn<T> = () => Promise<T>;

export type DirectiveResolverFn<
  TResult = Record<PropertyKey, never>,
  TParent = Record<PropertyKey, never>,
  TContext = Record<PropertyKey, never>,
  TArgs = Record<PropertyKey, never>,
> = (
  next: NextResolverFn<TResult>,
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo,
) => TResult | Promise<TResult>;

/** Mapping of union types */
export type ResolversUnionTypes<_RefType extends Record<string, unknown>> = {
  ChangePasswordResult:
    | (InvalidCredentials & { __typename: "InvalidCredentials" })
    | (InvalidInput & { __typename: "InvalidInput" })
    | (Omit<PasswordChanged, "tokens"> & { tokens: _RefType["TokenPair"] } & {
        __typename: "PasswordChanged";
      })
    | (TooManyAttempts & { __typename: "TooManyAttempts" });
  LoginResult:
    | (InvalidCredentials & { __typename: "InvalidCredentials" })
    | (Omit<SignedIn, "tokens" | "viewer"> & {
        tokens: _RefType["TokenPair"];
        viewer: _RefType["Viewer"];
      } & { __typename: "SignedIn" })
    | (TooManyAttempts & { __typename: "TooManyAttempts" });
  RegisterResult:
    | (InvalidInput & { __typename: "InvalidInput" })
    | (Omit<SignedIn, "tokens" | "viewer"> & {
        tokens: _RefType["TokenPair"];
        viewer: _RefType["Viewer"];
      } & { __typename: "SignedIn" })
    | (TooManyAttempts & { __typename: "TooManyAttempts" });
  RenewResult:
    | (RenewalRefused & { __typename: "RenewalRefused" })
    | (Omit<SignedIn, "tokens" | "viewer"> & {
        tokens: _RefType["TokenPair"];
        viewer: _RefType["Viewer"];
      } & { __typename: "SignedIn" })
    | (TooManyAttempts & { __typename: "TooManyAttempts" });
};

/** Mapping of interface types */
export type ResolversInterfaceTypes<_RefType extends Record<string, unknown>> = {
  Problem: InvalidCredentials | InvalidInput | RenewalRefused | TooManyAttempts;
};

/** Mapping between all available schema types and the resolvers types */
export type ResolversTypes = {
  Boolean: ResolverTypeWrapper<Scalars["Boolean"]["output"]>;
  ChangePasswordResult: ResolverTypeWrapper<
    ResolversUnionTypes<ResolversTypes>["ChangePasswordResult"]
  >;
  DateTime: ResolverTypeWrapper<Scalars["DateTime"]["output"]>;
  EndReason: EndReason;
  EndSessionsResult: ResolverTypeWrapper<EndSessionsResult>;
  FieldProblem: ResolverTypeWrapper<FieldProblem>;
  ID: ResolverTypeWrapper<Scalars["ID"]["output"]>;
  Int: ResolverTypeWrapper<Scalars["Int"]["output"]>;
  InvalidCredentials: ResolverTypeWrapper<InvalidCredentials>;
  InvalidInput: ResolverTypeWrapper<InvalidInput>;
  LoginResult: ResolverTypeWrapper<ResolversUnionTypes<ResolversTypes>["LoginResult"]>;
  LogoutResult: ResolverTypeWrapper<LogoutResult>;
  Mutation: ResolverTypeWrapper<Record<PropertyKey, never>>;
  PasswordChanged: ResolverTypeWrapper<
    Omit<PasswordChanged, "tokens"> & { tokens: ResolversTypes["TokenPair"] }
  >;
  Problem: ResolverTypeWrapper<ResolversInterfaceTypes<ResolversTypes>["Problem"]>;
  Query: ResolverTypeWrapper<Record<PropertyKey, never>>;
  RefusalReason: RefusalReason;
  RegisterResult: ResolverTypeWrapper<ResolversUnionTypes<ResolversTypes>["RegisterResult"]>;
  RenewResult: ResolverTypeWrapper<ResolversUnionTypes<ResolversTypes>["RenewResult"]>;
  RenewalRefused: ResolverTypeWrapper<RenewalRefused>;
  Session: ResolverTypeWrapper<SessionView>;
  SessionEvent: ResolverTypeWrapper<SessionHappening>;
  SessionEventType: SessionEventType;
  SignedIn: ResolverTypeWrapper<
    Omit<SignedIn, "tokens" | "viewer"> & {
      tokens: ResolversTypes["TokenPair"];
      viewer: ResolversTypes["Viewer"];
    }
  >;
  String: ResolverTypeWrapper<Scalars["String"]["output"]>;
  Subscription: ResolverTypeWrapper<Record<PropertyKey, never>>;
  TokenPair: ResolverTypeWrapper<Issued>;
  TooManyAttempts: ResolverTypeWrapper<TooManyAttempts>;
  User: ResolverTypeWrapper<UserRecord>;
  Viewer: ResolverTypeWrapper<ViewerSession>;
};

/** Mapping between all available schema types and the resolvers parents */
export type ResolversParentTypes = {
  Boolean: Scalars["Boolean"]["output"];
  ChangePasswordResult: ResolversUnionTypes<ResolversParentTypes>["ChangePasswordResult"];
  DateTime: Scalars["DateTime"]["output"];
  EndSessionsResult: EndSessionsResult;
  FieldProblem: FieldProblem;
  ID: Scalars["ID"]["output"];
  Int: Scalars["Int"]["output"];
  InvalidCredentials: InvalidCredentials;
  InvalidInput: InvalidInput;
  LoginResult: ResolversUnionTypes<ResolversParentTypes>["LoginResult"];
  LogoutResult: LogoutResult;
  Mutation: Record<PropertyKey, never>;
  PasswordChanged: Omit<PasswordChanged, "tokens"> & { tokens: ResolversParentTypes["TokenPair"] };
  Problem: ResolversInterfaceTypes<ResolversParentTypes>["Problem"];
  Query: Record<PropertyKey, never>;
  RegisterResult: ResolversUnionTypes<ResolversParentTypes>["RegisterResult"];
  RenewResult: ResolversUnionTypes<ResolversParentTypes>["RenewResult"];
  RenewalRefused: RenewalRefused;
  Session: SessionView;
  SessionEvent: SessionHappening;
  SignedIn: Omit<SignedIn, "tokens" | "viewer"> & {
    tokens: ResolversParentTypes["TokenPair"];
    viewer: ResolversParentTypes["Viewer"];
  };
  String: Scalars["String"]["output"];
  Subscription: Record<PropertyKey, never>;
  TokenPair: Issued;
  TooManyAttempts: TooManyAttempts;
  User: UserRecord;
  Viewer: ViewerSession;
};

export type AuthenticatedDirectiveArgs = {};

export type AuthenticatedDirectiveResolver<
  Result,
  Parent,
  ContextType = CurfewContext,
  Args = AuthenticatedDirectiveArgs,
> = DirectiveResolverFn<Result, Parent, ContextType, Args>;

export type ChangePasswordResultResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["ChangePasswordResult"] =
    ResolversParentTypes["ChangePasswordResult"],
> = {
  __resolveType: TypeResolveFn<
    "InvalidCredentials" | "InvalidInput" | "PasswordChanged" | "TooManyAttempts",
    ParentType,
    ContextType
  >;
};

export interface DateTimeScalarConfig extends GraphQLScalarTypeConfig<
  ResolversTypes["DateTime"],
  any
> {
  name: "DateTime";
}

export type EndSessionsResultResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["EndSessionsResult"] =
    ResolversParentTypes["EndSessionsResult"],
> = {
  endedSessions?: Resolver<ResolversTypes["Int"], ParentType, ContextType>;
};

export type FieldProblemResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["FieldProblem"] = ResolversParentTypes["FieldProblem"],
> = {
  field?: Resolver<ResolversTypes["String"], ParentType, ContextType>;
  message?: Resolver<ResolversTypes["String"], ParentType, ContextType>;
};

export type InvalidCredentialsResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["InvalidCredentials"] =
    ResolversParentTypes["InvalidCredentials"],
> = {
  message?: Resolver<ResolversTypes["String"], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type InvalidInputResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["InvalidInput"] = ResolversParentTypes["InvalidInput"],
> = {
  fields?: Resolver<ReadonlyArray<ResolversTypes["FieldProblem"]>, ParentType, ContextType>;
  message?: Resolver<ResolversTypes["String"], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type LoginResultResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["LoginResult"] = ResolversParentTypes["LoginResult"],
> = {
  __resolveType: TypeResolveFn<
    "InvalidCredentials" | "SignedIn" | "TooManyAttempts",
    ParentType,
    ContextType
  >;
};

export type LogoutResultResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["LogoutResult"] = ResolversParentTypes["LogoutResult"],
> = {
  endedSessions?: Resolver<ResolversTypes["Int"], ParentType, ContextType>;
};

export type MutationResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["Mutation"] = ResolversParentTypes["Mutation"],
> = {
  changePassword?: Resolver<
    ResolversTypes["ChangePasswordResult"],
    ParentType,
    ContextType,
    RequireFields<MutationChangePasswordArgs, "currentPassword" | "newPassword">
  >;
  endOtherSessions?: Resolver<ResolversTypes["EndSessionsResult"], ParentType, ContextType>;
  endSession?: Resolver<
    ResolversTypes["EndSessionsResult"],
    ParentType,
    ContextType,
    RequireFields<MutationEndSessionArgs, "id">
  >;
  login?: Resolver<
    ResolversTypes["LoginResult"],
    ParentType,
    ContextType,
    RequireFields<MutationLoginArgs, "email" | "password">
  >;
  logout?: Resolver<
    ResolversTypes["LogoutResult"],
    ParentType,
    ContextType,
    Partial<MutationLogoutArgs>
  >;
  register?: Resolver<
    ResolversTypes["RegisterResult"],
    ParentType,
    ContextType,
    RequireFields<MutationRegisterArgs, "email" | "password">
  >;
  renew?: Resolver<
    ResolversTypes["RenewResult"],
    ParentType,
    ContextType,
    RequireFields<MutationRenewArgs, "renewalToken">
  >;
};

export type PasswordChangedResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["PasswordChanged"] =
    ResolversParentTypes["PasswordChanged"],
> = {
  endedSessions?: Resolver<ResolversTypes["Int"], ParentType, ContextType>;
  tokens?: Resolver<ResolversTypes["TokenPair"], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ProblemResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["Problem"] = ResolversParentTypes["Problem"],
> = {
  __resolveType: TypeResolveFn<
    "InvalidCredentials" | "InvalidInput" | "RenewalRefused" | "TooManyAttempts",
    ParentType,
    ContextType
  >;
};

export type QueryResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["Query"] = ResolversParentTypes["Query"],
> = {
  viewer?: Resolver<Maybe<ResolversTypes["Viewer"]>, ParentType, ContextType>;
};

export type RegisterResultResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["RegisterResult"] =
    ResolversParentTypes["RegisterResult"],
> = {
  __resolveType: TypeResolveFn<
    "InvalidInput" | "SignedIn" | "TooManyAttempts",
    ParentType,
    ContextType
  >;
};

export type RenewResultResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["RenewResult"] = ResolversParentTypes["RenewResult"],
> = {
  __resolveType: TypeResolveFn<
    "RenewalRefused" | "SignedIn" | "TooManyAttempts",
    ParentType,
    ContextType
  >;
};

export type RenewalRefusedResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["RenewalRefused"] =
    ResolversParentTypes["RenewalRefused"],
> = {
  endReason?: Resolver<Maybe<ResolversTypes["EndReason"]>, ParentType, ContextType>;
  message?: Resolver<ResolversTypes["String"], ParentType, ContextType>;
  reason?: Resolver<ResolversTypes["RefusalReason"], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type SessionResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["Session"] = ResolversParentTypes["Session"],
> = {
  createdAt?: Resolver<ResolversTypes["DateTime"], ParentType, ContextType>;
  current?: Resolver<ResolversTypes["Boolean"], ParentType, ContextType>;
  expiresAt?: Resolver<ResolversTypes["DateTime"], ParentType, ContextType>;
  id?: Resolver<ResolversTypes["ID"], ParentType, ContextType>;
  ipAddress?: Resolver<Maybe<ResolversTypes["String"]>, ParentType, ContextType>;
  lastSeenAt?: Resolver<ResolversTypes["DateTime"], ParentType, ContextType>;
  renewedAt?: Resolver<ResolversTypes["DateTime"], ParentType, ContextType>;
  userAgent?: Resolver<Maybe<ResolversTypes["String"]>, ParentType, ContextType>;
};

export type SessionEventResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["SessionEvent"] = ResolversParentTypes["SessionEvent"],
> = {
  at?: Resolver<ResolversTypes["DateTime"], ParentType, ContextType>;
  endReason?: Resolver<Maybe<ResolversTypes["EndReason"]>, ParentType, ContextType>;
  ipAddress?: Resolver<Maybe<ResolversTypes["String"]>, ParentType, ContextType>;
  session?: Resolver<ResolversTypes["Session"], ParentType, ContextType>;
  type?: Resolver<ResolversTypes["SessionEventType"], ParentType, ContextType>;
};

export type SignedInResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["SignedIn"] = ResolversParentTypes["SignedIn"],
> = {
  tokens?: Resolver<ResolversTypes["TokenPair"], ParentType, ContextType>;
  viewer?: Resolver<ResolversTypes["Viewer"], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type SubscriptionResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["Subscription"] = ResolversParentTypes["Subscription"],
> = {
  sessionEvents?: SubscriptionResolver<
    ResolversTypes["SessionEvent"],
    "sessionEvents",
    ParentType,
    ContextType
  >;
};

export type TokenPairResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["TokenPair"] = ResolversParentTypes["TokenPair"],
> = {
  accessToken?: Resolver<ResolversTypes["String"], ParentType, ContextType>;
  accessTokenExpiresAt?: Resolver<ResolversTypes["DateTime"], ParentType, ContextType>;
  renewalToken?: Resolver<ResolversTypes["String"], ParentType, ContextType>;
  renewalTokenExpiresAt?: Resolver<ResolversTypes["DateTime"], ParentType, ContextType>;
};

export type TooManyAttemptsResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["TooManyAttempts"] =
    ResolversParentTypes["TooManyAttempts"],
> = {
  message?: Resolver<ResolversTypes["String"], ParentType, ContextType>;
  retryAfterSeconds?: Resolver<ResolversTypes["Int"], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type UserResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["User"] = ResolversParentTypes["User"],
> = {
  createdAt?: Resolver<ResolversTypes["DateTime"], ParentType, ContextType>;
  email?: Resolver<ResolversTypes["String"], ParentType, ContextType>;
  id?: Resolver<ResolversTypes["ID"], ParentType, ContextType>;
};

export type ViewerResolvers<
  ContextType = CurfewContext,
  ParentType extends ResolversParentTypes["Viewer"] = ResolversParentTypes["Viewer"],
> = {
  session?: Resolver<ResolversTypes["Session"], ParentType, ContextType>;
  sessions?: Resolver<ReadonlyArray<ResolversTypes["Session"]>, ParentType, ContextType>;
  user?: Resolver<ResolversTypes["User"], ParentType, ContextType>;
};

export type Resolvers<ContextType = CurfewContext> = {
  ChangePasswordResult?: ChangePasswordResultResolvers<ContextType>;
  DateTime?: GraphQLScalarType;
  EndSessionsResult?: EndSessionsResultResolvers<ContextType>;
  FieldProblem?: FieldProblemResolvers<ContextType>;
  InvalidCredentials?: InvalidCredentialsResolvers<ContextType>;
  InvalidInput?: InvalidInputResolvers<ContextType>;
  LoginResult?: LoginResultResolvers<ContextType>;
  LogoutResult?: LogoutResultResolvers<ContextType>;
  Mutation?: MutationResolvers<ContextType>;
  PasswordChanged?: PasswordChangedResolvers<ContextType>;
  Problem?: ProblemResolvers<ContextType>;
  Query?: QueryResolvers<ContextType>;
  RegisterResult?: RegisterResultResolvers<ContextType>;
  RenewResult?: RenewResultResolvers<ContextType>;
  RenewalRefused?: RenewalRefusedResolvers<ContextType>;
  Session?: SessionResolvers<ContextType>;
  SessionEvent?: SessionEventResolvers<ContextType>;
  SignedIn?: SignedInResolvers<ContextType>;
  Subscription?: SubscriptionResolvers<ContextType>;
  TokenPair?: TokenPairResolvers<ContextType>;
  TooManyAttempts?: TooManyAttemptsResolvers<ContextType>;
  User?: UserResolvers<ContextType>;
  Viewer?: ViewerResolvers<ContextType>;
};

export type DirectiveResolvers<ContextType = CurfewContext> = {
  authenticated?: AuthenticatedDirectiveResolver<any, any, ContextType>;
};
