/** Password changes, locks and deletions that race logins and renewals: no session survives them. */
import { describe, expect, it } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { StoreUnavailable, type SessionStore } from "../../src/session/store.ts";
import type { UserDirectory } from "../../src/users/directory.ts";
import { Passwords } from "../../src/users/passwords.ts";
import { fakeClock, startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { ask, askData, login, newEmail, password, register, renew } from "../helpers/http.ts";
import { breakable, intercept, memoryStore, memoryUsers } from "../helpers/backends.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const newPassword = "a whole new password";

function change({ url }: TestCurfew, token: string) {
  const query = `mutation ($password: String!, $newPassword: String!) {
    changePassword(currentPassword: $password, newPassword: $newPassword) {
      __typename ... on PasswordChanged { endedSessions }
    }
  }`;
  return ask(url, query, { token, variables: { password, newPassword } });
}

/** Returns the outcome of a login, and its token if it succeeded. */
async function tryLogin({ url }: TestCurfew, email: string, word: string = password) {
  const query = `mutation ($email: String!, $password: String!) {
    login(email: $email, password: $password) {
      __typename ... on SignedIn { tokens { accessToken } }
    }
  }`;
  const data = await askData(url, query, { variables: { email, password: word } });
  const { __typename: outcome, tokens } = data.login;
  return { outcome, token: tokens?.accessToken as string | undefined };
}

/** The viewer of a token; null if the token is refused. */
async function viewer({ url }: TestCurfew, token: string) {
  return (await ask(url, "{ viewer { session { id } } }", { token })).data.viewer;
}

/** A store whose next call of one kind waits for the test, before or after it is carried out. */
function pausing(kind: "create" | "renew" | "reissue", point: "before" | "after") {
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let armed = false;
  const pass = async () => {
    reached.resolve();
    await gate.promise;
  };
  const pause =
    <Args extends unknown[], Result>(real: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      const isIt = armed;
      armed = false;
      if (isIt && point === "before") await pass();
      const result = await real(...args);
      if (isIt && point === "after") await pass();
      return result;
    };
  const store = intercept<SessionStore>(memoryStore(), { [kind]: pause });
  const arm = () => {
    armed = true;
    return reached.promise;
  };
  return { store, arm, goOn: () => gate.resolve() };
}

describe("a login with the old password", () => {
  it.each(["before", "after"] as const)(
    "leaves no session if the password changes after it was verified, %s the session was stored",
    async (point) => {
      const { store, arm, goOn } = pausing("create", point);
      await using curfew = await startCurfew({ backends: { store } });
      const email = newEmail();
      const mine = await register(curfew.url, email);
      const reached = arm();
      const thief = tryLogin(curfew, email);
      await reached;
      expect((await change(curfew, mine.accessToken)).data.changePassword).toEqual({
        __typename: "PasswordChanged",
        endedSessions: point === "before" ? 0 : 1,
      });
      goOn();
      expect(await thief).toEqual({ outcome: "InvalidCredentials", token: undefined });
      const left = await curfew.sessions.list(mine.userId);
      expect(left.map(({ fingerprint }) => fingerprint)).toEqual([mine.sessionId]);
    },
  );

  it("leaves no session if many logins race the change", async () => {
    await using curfew = await startCurfew();
    const email = newEmail();
    const mine = await register(curfew.url, email);
    const changed = new AbortController();
    const tokens: string[] = [];
    const thief = async () => {
      while (!changed.signal.aborted) {
        const { token } = await tryLogin(curfew, email);
        if (token !== undefined) tokens.push(token);
      }
    };
    const thieves = Array.from({ length: 12 }, thief);
    const { data } = await change(curfew, mine.accessToken);
    changed.abort();
    await Promise.all(thieves);
    expect(data.changePassword).toMatchObject({ __typename: "PasswordChanged" });
    for (const token of tokens) expect(await viewer(curfew, token)).toBeNull();
    expect(await curfew.sessions.list(mine.userId)).toHaveLength(1);
  });
});

describe.each(["lock", "delete"] as const)("a user whom an operator is about to %s", (act) => {
  it.each(["before", "after"] as const)(
    "gets no session from a login whose password was verified, %s its session was stored",
    async (point) => {
      const { store, arm, goOn } = pausing("create", point);
      await using curfew = await startCurfew({ backends: { store } });
      const email = newEmail();
      const { userId } = await register(curfew.url, email);
      const reached = arm();
      const outcome = tryLogin(curfew, email);
      await reached;
      const endedSessions = point === "before" ? 1 : 2;
      expect(await curfew.admin[act](userId)).toEqual({ found: true, endedSessions });
      goOn();
      expect(await outcome).toEqual({ outcome: "InvalidCredentials", token: undefined });
      expect(await curfew.sessions.list(userId)).toEqual([]);
      const refused = curfew.log.find(({ event }) => event === "loginRefused");
      expect(refused).toMatchObject({ userId, reason: "OVERTAKEN" });
    },
  );

  it.each(["before", "after"] as const)(
    "gets no session from the registration, %s its session was stored",
    async (point) => {
      const { store, arm, goOn } = pausing("create", point);
      const users = memoryUsers();
      await using curfew = await startCurfew({ backends: { store, users } });
      const email = newEmail();
      const reached = arm();
      const registering = ask(
        curfew.url,
        `mutation { register(email: "${email}", password: "${password}") { __typename } }`,
      );
      await reached;
      const userId = (await users.byEmail(email))?.user.id ?? "";
      await curfew.admin[act](userId);
      goOn();
      const { errors } = await registering;
      const refusal = { code: "UNAUTHENTICATED", reason: "USER_GONE" };
      expect(errors?.map(({ extensions }) => extensions)).toEqual([refusal]);
      expect(await curfew.sessions.list(userId)).toEqual([]);
    },
  );

  it("keeps no session through an in-flight renewal", async () => {
    const { store, arm, goOn } = pausing("renew", "before");
    await using curfew = await startCurfew({ backends: { store } });
    const { userId, renewalToken } = await register(curfew.url);
    const reached = arm();
    const renewing = renew(curfew.url, renewalToken);
    await reached;
    await curfew.admin[act](userId);
    goOn();
    expect(await renewing).toBe("ENDED");
    expect(await curfew.sessions.list(userId)).toEqual([]);
  });
});

it.each(["before", "after"] as const)(
  "an in-flight renewal, %s it was stored, returns no token that outlives the password change",
  async (point) => {
    const { store, arm, goOn } = pausing("renew", point);
    await using curfew = await startCurfew({ backends: { store } });
    const email = newEmail();
    const mine = await register(curfew.url, email);
    const other = await login(curfew.url, email);
    const reached = arm();
    const renewing = renew(curfew.url, other.renewalToken);
    await reached;
    const { data } = await change(curfew, mine.accessToken);
    expect(data.changePassword.endedSessions).toBe(1);
    goOn();
    expect(await renewing).toBe("ENDED");
    expect(await viewer(curfew, other.accessToken)).toBeNull();
    expect(await renew(curfew.url, other.renewalToken)).toBe("ENDED");
  },
);

it("concurrent logins that all rehash the password with a new cost all get sessions", async () => {
  const users = memoryUsers();
  const email = newEmail();
  const cheap = new Passwords({
    cost: { argon2Memory: 1024, argon2Passes: 1, argon2Parallelism: 1 },
  });
  await users.create(email, await cheap.hash(password), 1);
  await using curfew = await startCurfew({ backends: { users } });
  const logins = await Promise.all(Array.from({ length: 6 }, () => tryLogin(curfew, email)));
  for (const { outcome, token = "" } of logins) {
    expect(outcome).toBe("SignedIn");
    expect(await viewer(curfew, token)).not.toBeNull();
  }
  expect((await users.byEmail(email))?.passwordHash).toMatch(/m=19456,t=2,p=1/);
});

describe("a renewal of the caller's own session by a thief", () => {
  it("that reads it before the change and runs after gets no tokens", async () => {
    const { store, arm, goOn } = pausing("renew", "before");
    await using curfew = await startCurfew({ backends: { store } });
    const mine = await register(curfew.url);
    const reached = arm();
    const thief = renew(curfew.url, mine.renewalToken);
    await reached;
    const { data } = await change(curfew, mine.accessToken);
    expect(data.changePassword.__typename).toBe("PasswordChanged");
    goOn();
    expect(await thief).toBe("SUPERSEDED");
    expect(await curfew.sessions.list(mine.userId)).toMatchObject([{ generation: 1 }]);
  });

  it.each(["before", "after"] as const)(
    "gets no token that outlives the change, %s whose step it reads the user",
    async (point) => {
      const { store, arm, goOn } = pausing("reissue", point);
      const userRead = Promise.withResolvers<void>();
      let isChanging = false;
      const users = intercept(memoryUsers(), {
        byId: (real) => async (id) => {
          const user = await real(id);
          if (isChanging) userRead.resolve();
          return user;
        },
      });
      await using curfew = await startCurfew({ backends: { store, users } });
      const mine = await register(curfew.url);
      const reached = arm();
      const changing = change(curfew, mine.accessToken);
      await reached;
      isChanging = true;
      // The user's security version is raised already, and that of the session is not.
      const stolen = renew(curfew.url, mine.renewalToken);
      await userRead.promise;
      goOn();
      expect((await changing).data.changePassword.__typename).toBe("PasswordChanged");
      expect(await stolen).toBe("SUPERSEDED");
      expect(await viewer(curfew, mine.accessToken)).toBeNull();
      expect(await renew(curfew.url, mine.renewalToken)).toBe("SUPERSEDED");
      expect(await curfew.sessions.list(mine.userId)).toHaveLength(1);
    },
  );

  it("ends the session if the change never reaches it", async () => {
    const store = intercept<SessionStore>(memoryStore(), {
      reissue: () => () => Promise.reject(new StoreUnavailable("It is down for a test.")),
    });
    await using curfew = await startCurfew({ backends: { store } });
    const mine = await register(curfew.url);
    const { errors } = await change(curfew, mine.accessToken);
    expect(errors).toMatchObject([{ extensions: { code: "SERVICE_UNAVAILABLE" } }]);
    expect(await renew(curfew.url, mine.renewalToken)).toBe("ENDED");
    expect(await curfew.sessions.list(mine.userId)).toEqual([]);
    const end = curfew.log.find(({ event }) => event === "end");
    expect(end).toMatchObject({ reason: "PASSWORD_CHANGED", by: "system" });
  });
});

describe("a session that ends while its password is changed", () => {
  it("still ends the user's other sessions: a thief in it saves none of them", async () => {
    const { store, arm, goOn } = pausing("reissue", "before");
    await using curfew = await startCurfew({ backends: { store } });
    const email = newEmail();
    const mine = await register(curfew.url, email);
    const theirs = await login(curfew.url, email);
    const reached = arm();
    const changing = change(curfew, mine.accessToken);
    await reached;
    await curfew.sessions.end(mine.sessionId, "LOGOUT");
    goOn();
    const { errors } = await changing;
    expect(errors).toMatchObject([{ extensions: { code: "UNAUTHENTICATED", reason: "ENDED" } }]);
    expect(await viewer(curfew, theirs.accessToken)).toBeNull();
    expect(await curfew.sessions.list(mine.userId)).toEqual([]);
  });

  it("does so on a socket that closes meanwhile", async () => {
    const users = memoryUsers();
    const hashing = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const slow = intercept<UserDirectory>(users, {
      changePassword:
        (real) =>
        async (...args) => {
          hashing.resolve();
          await gate.promise;
          return real?.(...args);
        },
    });
    await using curfew = await startCurfew({ backends: { users: slow } });
    const email = newEmail();
    const mine = await register(curfew.url, email);
    const theirs = await login(curfew.url, email);
    await using socket = await connect(curfew.socketUrl, mine.accessToken);
    const query = `mutation { changePassword(
      currentPassword: "${password}", newPassword: "${newPassword}"
    ) { __typename } }`;
    socket.subscribe("1", query);
    await hashing.promise;
    await curfew.sessions.end(mine.sessionId, "LOGOUT");
    expect(await socket.closed).toMatchObject({ code: 4401 });
    gate.resolve();
    await until(
      async () => (await curfew.sessions.list(mine.userId)).length === 0,
      "the other session to end",
    );
    expect(await viewer(curfew, theirs.accessToken)).toBeNull();
    expect((await tryLogin(curfew, email, newPassword)).outcome).toBe("SignedIn");
  });
});

describe("a password change", () => {
  /** A store with one method that can be made to fail. */
  function failing(method: "listByUser" | "end" | "reissue") {
    let isDown = false;
    const store = intercept<SessionStore>(memoryStore(), {
      [method]:
        (real: (...args: unknown[]) => unknown) =>
        (...args: unknown[]) =>
          isDown ? Promise.reject(new StoreUnavailable("It is down for a test.")) : real(...args),
    });
    return { store, goDown: () => void (isDown = true), comeBack: () => void (isDown = false) };
  }
  const start = (store: SessionStore, options: CurfewOptions = {}) =>
    startCurfew({ ...options, backends: { store } });

  it("is refused while the sessions to end cannot be listed", async () => {
    const { store, goDown, comeBack } = failing("listByUser");
    await using curfew = await start(store);
    const email = newEmail();
    const { accessToken } = await register(curfew.url, email);
    goDown();
    const { errors } = await change(curfew, accessToken);
    expect(errors).toMatchObject([{ extensions: { code: "SERVICE_UNAVAILABLE" } }]);
    comeBack();
    expect((await tryLogin(curfew, email, newPassword)).outcome).toBe("InvalidCredentials");
    expect((await tryLogin(curfew, email)).outcome).toBe("SignedIn");
  });

  it("that succeeded is reported if the store then fails", async () => {
    const { store, goDown, comeBack } = failing("end");
    await using curfew = await start(store);
    const email = newEmail();
    const { accessToken } = await register(curfew.url, email);
    await login(curfew.url, email);
    goDown();
    const { errors } = await change(curfew, accessToken);
    const code = "SERVICE_UNAVAILABLE";
    expect(errors).toMatchObject([{ path: ["changePassword"], extensions: { code } }]);
    expect(errors?.[0]?.message).toContain("The password is changed");
    comeBack();
    expect((await tryLogin(curfew, email)).outcome).toBe("InvalidCredentials");
    expect((await tryLogin(curfew, email, newPassword)).outcome).toBe("SignedIn");
  });

  it("revokes the caller's old tokens even if the other sessions cannot be ended", async () => {
    const { store, goDown, comeBack } = failing("end");
    await using curfew = await start(store);
    const email = newEmail();
    const mine = await register(curfew.url, email);
    await login(curfew.url, email);
    goDown();
    const { errors } = await change(curfew, mine.accessToken);
    expect(errors).toMatchObject([{ extensions: { code: "SERVICE_UNAVAILABLE" } }]);
    comeBack();
    expect(await viewer(curfew, mine.accessToken)).toBeNull();
    expect(await renew(curfew.url, mine.renewalToken)).toBe("SUPERSEDED");
  });

  it("ends the other sessions even if the caller's cannot be reissued", async () => {
    const { store, goDown } = failing("reissue");
    await using curfew = await start(store);
    const email = newEmail();
    const mine = await register(curfew.url, email);
    const other = await login(curfew.url, email);
    goDown();
    const { errors } = await change(curfew, mine.accessToken);
    expect(errors).toMatchObject([{ extensions: { code: "SERVICE_UNAVAILABLE" } }]);
    expect(errors?.[0]?.message).toContain("The password is changed");
    expect(await viewer(curfew, other.accessToken)).toBeNull();
  });

  it("that takes long returns its result, over HTTP and on a socket", async () => {
    const store = intercept<SessionStore>(memoryStore(), {
      end:
        (real) =>
        async (...args) => {
          // Longer than `slowRequestTime`, and than a closing socket waits for a reply.
          await new Promise((resolve) => setTimeout(resolve, 1_500));
          return real(...args);
        },
    });
    await using curfew = await start(store);
    const email = newEmail();
    const mine = await register(curfew.url, email);
    await login(curfew.url, email);
    const { data } = await change(curfew, mine.accessToken);
    expect(data.changePassword).toEqual({ __typename: "PasswordChanged", endedSessions: 1 });

    const again = await tryLogin(curfew, email, newPassword);
    await using socket = await connect(curfew.socketUrl, again.token ?? "");
    const query = `mutation { changePassword(
      currentPassword: "${newPassword}", newPassword: "${password}"
    ) { ... on PasswordChanged { endedSessions } } }`;
    socket.subscribe("1", query);
    expect((await socket.messages.next()).payload.data.changePassword).toEqual({
      endedSessions: 1,
    });
    expect(await socket.messages.next()).toMatchObject({ type: "complete" });
    expect(await socket.closed).toMatchObject({ code: 4403 });
  });
});

it("a user directory that is down for longer than the grace uses up no renewal token", async () => {
  const clock = fakeClock();
  const users = breakable(memoryUsers());
  await using curfew = await startCurfew({ clock, backends: { users: users.part } });
  const { renewalToken, sessionId } = await register(curfew.url);
  users.goDown();
  const query = "mutation ($token: String!) { renew(renewalToken: $token) { __typename } }";
  const { errors } = await ask(curfew.url, query, { variables: { token: renewalToken } });
  expect(errors).toMatchObject([{ extensions: { code: "SERVICE_UNAVAILABLE" } }]);
  clock.advance(11_000);
  users.comeBack();
  expect(await renew(curfew.url, renewalToken)).toMatchObject({ sessionId });
});
