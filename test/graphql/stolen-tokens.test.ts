/** How long a stolen token gives access, by the kind of token and the owner's actions: the table of docs/security.md. */
import { expect, it } from "vitest";
import { fakeClock, startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import {
  ask,
  login,
  logout,
  newEmail,
  password,
  register,
  type SignedIn,
} from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const minute = 60_000;
const day = 24 * 60 * minute;
const home = "192.0.2.1";
const elsewhere = "198.51.100.7";
const neighbour = "192.0.2.250";

/** Registers an owner with two sessions. The tokens of the first one are stolen. */
async function start() {
  const clock = fakeClock();
  const curfew = await startCurfew({ clock, trustProxy: 1 });
  const email = newEmail();
  const mine = await register(curfew.url, email, from(home));
  const other = await login(curfew.url, email, from(home));
  return { curfew, clock, mine, other, [Symbol.asyncDispose]: () => curfew[Symbol.asyncDispose]() };
}

type Scene = Awaited<ReturnType<typeof start>>;

function from(address: string) {
  return { "x-forwarded-for": address };
}

const selection = `... on SignedIn {
  tokens { accessToken accessTokenExpiresAt renewalToken renewalTokenExpiresAt }
  viewer { user { id } session { id } }
}`;

/** Returns the next token pair, or the reason of the refusal. */
async function renew({ url }: TestCurfew, token: string, address: string) {
  const query = `mutation ($token: String!) {
    renew(renewalToken: $token) { ${selection} ... on RenewalRefused { reason } }
  }`;
  const { data } = await ask(url, query, { variables: { token }, headers: from(address) });
  const { reason, tokens } = data.renew;
  return (reason ?? tokens) as Pick<SignedIn, "accessToken" | "renewalToken"> | string;
}

async function mustRenew(curfew: TestCurfew, token: string, address: string) {
  const pair = await renew(curfew, token, address);
  if (typeof pair === "string") throw new Error(pair);
  return pair;
}

async function isIn({ url }: TestCurfew, token: string): Promise<boolean> {
  return (await ask(url, "{ viewer { session { id } } }", { token })).data.viewer !== null;
}

/** Expects both tokens to be refused. */
async function expectOut(
  { curfew }: Scene,
  thief: Partial<Pick<SignedIn, "accessToken" | "renewalToken">>,
): Promise<void> {
  const { accessToken, renewalToken } = thief;
  if (accessToken !== undefined) expect(await isIn(curfew, accessToken)).toBe(false);
  if (renewalToken !== undefined)
    expect(await renew(curfew, renewalToken, elsewhere)).toMatch(/^(ENDED|SUPERSEDED)$/);
}

type Tokens = Pick<SignedIn, "accessToken" | "renewalToken">;

async function mutate({ curfew }: Scene, field: string, token: string): Promise<void> {
  const { errors } = await ask(curfew.url, `mutation { result: ${field} }`, { token });
  expect(errors).toBeUndefined();
}

const change = `changePassword(currentPassword: "${password}", newPassword: "another long password") { __typename }`;

const changeToTokens = `mutation {
  ${change.replace("__typename", "... on PasswordChanged { tokens { accessToken } }")}
}`;

/** Actions of the owner that end the theft at once. `mine` is the owner's newest token pair of the session. */
const ways: readonly (readonly [string, (scene: Scene, mine: Tokens) => Promise<unknown>])[] = [
  ["logs out", ({ curfew }, mine) => logout(curfew.url, mine.accessToken)],
  [
    "ends all other sessions from another device",
    (scene) => mutate(scene, "endOtherSessions { endedSessions }", scene.other.accessToken),
  ],
  [
    "ends that session from another device",
    (scene) =>
      mutate(
        scene,
        `endSession(id: "${scene.mine.sessionId}") { endedSessions }`,
        scene.other.accessToken,
      ),
  ],
  [
    "changes the password in that session",
    (scene, mine) => mutate(scene, change, mine.accessToken),
  ],
  [
    "changes the password from another device",
    (scene) => mutate(scene, change, scene.other.accessToken),
  ],
];

it("a stolen access token, and the owner does nothing: the thief is in until it expires", async () => {
  await using scene = await start();
  const { curfew, clock, mine } = scene;
  clock.advance(30 * minute - 1);
  expect(await isIn(curfew, mine.accessToken)).toBe(true);
  clock.advance(1);
  expect(await isIn(curfew, mine.accessToken)).toBe(false);
});

it("a stolen access token, and the owner renews: the thief is out at once", async () => {
  await using scene = await start();
  const { curfew, mine } = scene;
  await mustRenew(curfew, mine.renewalToken, home);
  expect(await isIn(curfew, mine.accessToken)).toBe(false);
});

it.each(ways)(
  "a stolen access token, and the owner %s: the thief is out at once",
  async (_, act) => {
    await using scene = await start();
    await act(scene, scene.mine);
    await expectOut(scene, { accessToken: scene.mine.accessToken });
  },
);

/** A socket that a thief opened from another network with the owner's access token. */
async function openStolen({ curfew, mine }: Scene) {
  const socket = await connect(curfew.socketUrl, mine.accessToken, { headers: from(elsewhere) });
  let isOpen = true;
  void socket.closed.then(() => (isOpen = false));
  return Object.assign(socket, { isOpen: () => isOpen });
}

it.each([
  ["does nothing", async () => {}],
  ["renews", ({ curfew, mine }: Scene) => mustRenew(curfew, mine.renewalToken, home)],
])(
  "a socket opened with a stolen access token, and the owner %s: it closes when the token expires",
  async (_, act) => {
    await using scene = await start();
    await using socket = await openStolen(scene);
    await act(scene);
    scene.clock.advance(30 * minute - 1);
    socket.subscribe("1", "{ viewer { user { id } } }");
    await socket.messages.next();
    expect(socket.isOpen()).toBe(true);
    scene.clock.advance(1_000);
    expect(await socket.closed).toMatchObject({ code: 4403 });
  },
);

it("a socket opened with a stolen access token in the owner's network, and the owner renews: it lives on", async () => {
  await using scene = await start();
  const { curfew, clock, mine } = scene;
  await using socket = await connect(curfew.socketUrl, mine.accessToken, {
    headers: from(neighbour),
  });
  clock.advance(29 * minute);
  await mustRenew(curfew, mine.renewalToken, home);
  clock.advance(2 * minute);
  socket.subscribe("1", "{ viewer { user { id } } }");
  expect(await socket.messages.next()).toMatchObject({ id: "1", type: "next" });
});

it.each(ways)(
  "a socket opened with a stolen access token, and the owner %s: it closes at once",
  async (_, act) => {
    await using scene = await start();
    await using socket = await openStolen(scene);
    await act(scene, scene.mine);
    await until(() => !socket.isOpen(), "the thief's socket to close");
    expect([4401, 4403]).toContain((await socket.closed).code);
  },
);

it("a stolen renewal token that is used first, and the owner does nothing: the thief is in for 90 days", async () => {
  await using scene = await start();
  const { curfew, clock, mine } = scene;
  let pair: Tokens = mine;
  for (let days = 0; days < 87; days += 29) {
    clock.advance(29 * day);
    pair = await mustRenew(curfew, pair.renewalToken, elsewhere);
  }
  clock.advance(3 * day);
  expect(await renew(curfew, pair.renewalToken, elsewhere)).toBe("EXPIRED");
});

it("a stolen renewal token that is used first, and the owner renews: both are out at once", async () => {
  await using scene = await start();
  const { curfew, clock, mine } = scene;
  const theirs = await mustRenew(curfew, mine.renewalToken, elsewhere);
  clock.advance(11_000);
  expect(await renew(curfew, mine.renewalToken, home)).toBe("REUSED");
  await expectOut(scene, theirs);
});

it.each(ways.filter(([way]) => way !== "changes the password in that session"))(
  "a stolen renewal token that is used first, and the owner %s: the thief is out at once",
  async (_, act) => {
    await using scene = await start();
    const { curfew, clock, mine } = scene;
    const theirs = await mustRenew(curfew, mine.renewalToken, elsewhere);
    clock.advance(minute);
    await act(scene, mine);
    await expectOut(scene, theirs);
  },
);

it("a stolen renewal token that is used after the owner's renewal and the grace: both are out at once", async () => {
  await using scene = await start();
  const { curfew, clock, mine } = scene;
  const next = await mustRenew(curfew, mine.renewalToken, home);
  clock.advance(11_000);
  expect(await renew(curfew, mine.renewalToken, elsewhere)).toBe("REUSED");
  await expectOut(scene, next);
});

/**
 * The owner renews that many times, and the thief follows each renewal within the grace. Both end with the same pair, or
 * with the reason of a refusal.
 */
async function follow({ curfew, clock, mine }: Scene, times: number, address: string) {
  let pair: Tokens = mine;
  for (let i = 0; i < times; i += 1) {
    clock.advance(12 * minute);
    const next = await mustRenew(curfew, pair.renewalToken, home);
    clock.advance(1_000);
    const theirs = await renew(curfew, pair.renewalToken, address);
    if (typeof theirs === "string") return { pair: next, theirs };
    expect(theirs).toEqual(next);
    pair = next;
  }
  return { pair, theirs: pair };
}

it("every renewal followed from another network, and the owner goes on renewing: noticed at once, and both are out at the third", async () => {
  await using scene = await start();
  const { curfew } = scene;
  const { pair, theirs } = await follow(scene, 3, elsewhere);
  expect(theirs).toBe("REUSED");
  await expectOut(scene, pair);
  const { sessionId } = scene.mine;
  const noticed = curfew.log.filter(({ event }) => event === "foreignReplay");
  const fact = { level: 40, fingerprint: sessionId, address: elsewhere };
  expect(noticed).toMatchObject([
    { ...fact, generation: 0 },
    { ...fact, generation: 1 },
  ]);
});

it("every renewal followed from the owner's network, and the owner goes on renewing: the thief is in for 90 days", async () => {
  await using scene = await start();
  const { theirs } = await follow(scene, 10, neighbour);
  expect(theirs).not.toBeTypeOf("string");
  expect(scene.curfew.log.filter(({ event }) => event === "foreignReplay")).toEqual([]);
});

it.each(ways.flatMap(([way, act]) => [elsewhere, neighbour].map((at) => [way, at, act] as const)))(
  "a renewal followed within the grace, and the owner %s: the thief at %s is out at once",
  async (_, address, act) => {
    await using scene = await start();
    const { pair } = await follow(scene, 2, address);
    await act(scene, pair);
    await expectOut(scene, pair);
    await expectOut(scene, scene.mine);
  },
);

it("a thief who renews right after the owner changed the password gets nothing", async () => {
  await using scene = await start();
  const { curfew, clock } = scene;
  const { pair } = await follow(scene, 1, neighbour);
  await mutate(scene, change, pair.accessToken);
  for (const { renewalToken } of [pair, scene.mine])
    expect(await renew(curfew, renewalToken, neighbour)).toBe("SUPERSEDED");
  clock.advance(minute);
  expect(await renew(curfew, pair.renewalToken, neighbour)).toBe("SUPERSEDED");
  const live = await curfew.sessions.list(scene.mine.userId);
  expect(live.map(({ fingerprint }) => fingerprint)).toEqual([scene.mine.sessionId]);
});

it("a thief with a token from before a changed password cannot sign its owner out", async () => {
  await using scene = await start();
  const { curfew, mine } = scene;
  const { data } = await ask(curfew.url, changeToTokens, { token: mine.accessToken });
  const byHeader = await ask(curfew.url, "mutation { logout { endedSessions } }", {
    token: mine.accessToken,
  });
  const byArgument = await ask(
    curfew.url,
    `mutation { logout(token: "${mine.renewalToken}") { endedSessions } }`,
  );
  for (const answer of [byHeader, byArgument])
    expect(answer.data).toEqual({ logout: { endedSessions: 0 } });
  expect(await renew(curfew, mine.renewalToken, elsewhere)).toBe("SUPERSEDED");
  expect(await isIn(curfew, data.changePassword.tokens.accessToken)).toBe(true);
});

it.each(["over HTTP", "on a socket"])(
  "a thief's mutation %s that began before the changed password cannot sign the owner out after it",
  async (transport) => {
    const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const wait = async () => {
      begun.resolve();
      await gate.promise;
    };
    await using curfew = await startCurfew({
      typeDefs: "type Mutation { wait: Boolean }",
      resolvers: { Mutation: { wait } },
    });
    const { accessToken: token } = await register(curfew.url);
    const slow = "mutation { wait logout { endedSessions } }";
    const byThief = async () => {
      if (transport === "over HTTP") return (await ask(curfew.url, slow, { token })).data;
      await using socket = await connect(curfew.socketUrl, token);
      socket.subscribe("1", slow);
      return (await socket.messages.next()).payload.data;
    };
    const answer = byThief();
    await begun.promise;
    const { data } = await ask(curfew.url, changeToTokens, { token });
    gate.resolve();
    expect(await answer).toMatchObject({ logout: { endedSessions: 0 } });
    expect(await isIn(curfew, data.changePassword.tokens.accessToken)).toBe(true);
  },
);
