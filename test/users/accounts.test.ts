/** Registration, login and password change, with real hashing on a database in memory. */
import { DatabaseSync } from "node:sqlite";
import { beforeEach, describe, expect, test } from "vitest";
import { StoreUnavailable } from "../../src/session/store.ts";
import { Accounts } from "../../src/users/accounts.ts";
import type { UserDirectory } from "../../src/users/directory.ts";
import { Passwords } from "../../src/users/passwords.ts";
import { SqliteUsers } from "../../src/users/sqlite.ts";
import { intercept } from "../helpers/backends.ts";

/** Counts the real verifications; `verifyNothing` is one too. */
class CountedPasswords extends Passwords {
  verifications = 0;
  override verify(against: string, password: string) {
    this.verifications += 1;
    return super.verify(against, password);
  }
}

let database: DatabaseSync;
let users: SqliteUsers;
let passwords: CountedPasswords;
let accounts: Accounts;
beforeEach(() => {
  database = new DatabaseSync(":memory:");
  users = new SqliteUsers(database);
  passwords = new CountedPasswords();
  accounts = new Accounts(users, passwords);
});

async function register(email = "ada@example.com", password = "correct horse") {
  const registration = await accounts.register(email, password, 1);
  if (registration.outcome !== "registered") throw new Error(registration.outcome);
  return registration.user;
}

describe("registering", () => {
  test("stores the user under the normalised e-mail, without the password", async () => {
    const user = await register(" Ada@Example.COM ");
    expect(user).toEqual({
      id: expect.any(String),
      email: "ada@example.com",
      createdAt: 1,
      locked: false,
      securityVersion: 0,
    });
    expect(await users.byId(user.id)).toEqual(user);
    expect(await users.passwordHash(user.id)).toMatch(/^\$argon2id\$/);
  });

  test("reports an invalid e-mail and an invalid password together", async () => {
    expect(await accounts.register("ada", "short", 1)).toEqual({
      outcome: "invalid",
      fields: [
        { field: "email", message: "Enter an e-mail address." },
        { field: "password", message: "Use at least 8 characters." },
      ],
    });
  });

  test("reports only the invalid field", async () => {
    expect(await accounts.register("ada@example.com", "", 1)).toMatchObject({
      fields: [{ field: "password" }],
    });
    expect(await accounts.register("", "correct horse", 1)).toMatchObject({
      fields: [{ field: "email" }],
    });
  });

  test("refuses an e-mail that is taken, in any spelling", async () => {
    const { id } = await register();
    expect(await accounts.register("ADA@example.com ", "another password", 2)).toEqual({
      outcome: "taken",
    });
    expect(await accounts.authenticate("ada@example.com", "correct horse")).toMatchObject({
      outcome: "accepted",
      user: { id },
    });
  });

  test("is busy when the hash queue is full, and adds no user", async () => {
    accounts = new Accounts(users, new Passwords({ parallelism: 1, queue: 0 }));
    const first = accounts.register("ada@example.com", "correct horse", 1);
    expect(await accounts.register("bob@example.com", "correct horse", 1)).toEqual({
      outcome: "busy",
    });
    expect(await first).toMatchObject({ outcome: "registered" });
    expect(await users.byEmail("bob@example.com")).toBeUndefined();
  });
});

describe("signing in", () => {
  test("accepts the e-mail in any case, with white space around it", async () => {
    const user = await register();
    const answer = await accounts.authenticate("\tADA@example.com ", "correct horse");
    expect(answer).toMatchObject({ outcome: "accepted", user });
  });

  test("accepts the password in any Unicode form", async () => {
    await register("ada@example.com", "pa\u0308sswo\u0308rter");
    expect(await accounts.authenticate("ada@example.com", "p\u00E4ssw\u00F6rter")).toMatchObject({
      outcome: "accepted",
    });
  });

  const overlong = "correct horse".repeat(10_000);
  const refusals: [string, string, string, string][] = [
    ["an unknown e-mail", "bob@example.com", "correct horse", "UNKNOWN_USER"],
    ["no e-mail at all", "", "correct horse", "UNKNOWN_USER"],
    ["a wrong password", "ada@example.com", "wrong horse", "WRONG_PASSWORD"],
    ["an empty password", "ada@example.com", "", "WRONG_PASSWORD"],
    ["a null character for a password", "ada@example.com", "\0", "WRONG_PASSWORD"],
    ["an overlong password", "ada@example.com", overlong, "WRONG_PASSWORD"],
    ["a locked user's password", "locked@example.com", "correct horse", "LOCKED"],
    ["a wrong password of a locked user", "locked@example.com", "wrong horse", "WRONG_PASSWORD"],
    ["a deleted user's password", "deleted@example.com", "correct horse", "UNKNOWN_USER"],
  ];
  test.each(refusals)("%s is refused after exactly one verification", async (...given) => {
    const [, email, password, cause] = given;
    await register();
    await users.setLocked((await register("locked@example.com")).id, true);
    await users.delete((await register("deleted@example.com")).id);
    const refused = await accounts.authenticate(email, password);
    expect(refused).toMatchObject({ outcome: "refused", cause });
    expect("userId" in refused).toBe(cause !== "UNKNOWN_USER");
    expect(passwords.verifications).toBe(1);
  });

  test("is busy when the hash queue is full, for known and unknown e-mails alike", async () => {
    await register();
    accounts = new Accounts(users, new Passwords({ parallelism: 1, queue: 1 }));
    const emails = ["ada@example.com", "ada@example.com", "ada@example.com", "bob@example.com"];
    const answers = emails.map((email) => accounts.authenticate(email, "correct horse"));
    const outcomes = (await Promise.all(answers)).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(["accepted", "accepted", "busy", "busy"]);
  });

  test("rejects when the directory is unavailable", async () => {
    database.close();
    await expect(accounts.authenticate("ada@example.com", "correct horse")).rejects.toBeInstanceOf(
      StoreUnavailable,
    );
  });
});

describe("a hash of another cost", () => {
  const cheap = new Passwords({
    cost: { argon2Memory: 1024, argon2Passes: 1, argon2Parallelism: 1 },
  });
  const isCheap = async (id: string) => /m=1024,/.test((await users.passwordHash(id)) ?? "");

  /** A user whose password was hashed at an earlier cost. */
  async function oldTimer() {
    const user = await users.create("ada@example.com", await cheap.hash("correct horse"), 1);
    if (user === "taken") throw new Error("taken");
    return user;
  }

  /** Accounts whose directory runs a callback just before each replacement of a hash. */
  function overtaken(act: () => Promise<unknown>): Accounts {
    const directory = intercept<UserDirectory>(users, {
      replacePasswordHash:
        (real) =>
        async (...args) => {
          await act();
          return real(...args);
        },
      changePassword:
        (real) =>
        async (...args) => {
          await act();
          return real?.(...args);
        },
    });
    return new Accounts(directory, passwords);
  }

  test("is upgraded when its user signs in", async () => {
    const { id, email } = await oldTimer();
    const accepted = await accounts.authenticate(email, "correct horse");
    expect(accepted).toMatchObject({ passwordHash: await users.passwordHash(id) });
    expect(await users.passwordHash(id)).toMatch(/m=19456,t=2,p=1/);
    expect(await accounts.authenticate(email, "wrong horse")).toMatchObject({ outcome: "refused" });
    expect(await accounts.authenticate(email, "correct horse")).toEqual(accepted);
  });

  test("is not upgraded by a wrong password or a locked user", async () => {
    const { id, email } = await oldTimer();
    await accounts.authenticate(email, "wrong horse");
    await users.setLocked(id, true);
    expect(await accounts.authenticate(email, "correct horse")).toMatchObject({
      outcome: "refused",
    });
    expect(await isCheap(id)).toBe(true);
  });

  test("is not upgraded while the hash queue is full", async () => {
    const { id, email } = await oldTimer();
    const full = new Passwords();
    full.hash = async () => "busy";
    const outcome = await new Accounts(users, full).authenticate(email, "correct horse");
    expect(outcome).toMatchObject({ outcome: "accepted" });
    expect(await isCheap(id)).toBe(true);
  });

  test("is not upgraded over a concurrent password change, which makes the login void", async () => {
    const { id, email } = await oldTimer();
    const change = async () => {
      const { outcome } = await accounts.changePassword(id, "correct horse", "battery staple");
      expect(outcome).toBe("changed");
    };
    const racing = overtaken(change);
    const authentication = await racing.authenticate(email, "correct horse");
    if (authentication.outcome !== "accepted") throw new Error(authentication.outcome);
    expect(await racing.stillAccepts(authentication, "correct horse")).toBe("mismatch");
    expect(await accounts.authenticate(email, "battery staple")).toMatchObject({
      outcome: "accepted",
    });
  });

  test("is upgraded once by concurrent logins, which all succeed", async () => {
    const { email } = await oldTimer();
    const logins = Array.from({ length: 8 }, () => accounts.authenticate(email, "correct horse"));
    for (const login of await Promise.all(logins)) {
      if (login.outcome !== "accepted") throw new Error(login.outcome);
      expect(await accounts.stillAccepts(login, "correct horse")).toBe("match");
    }
  });

  test("may be upgraded during a password change, which still succeeds", async () => {
    const { id, email } = await oldTimer();
    const racing = overtaken(() => accounts.authenticate(email, "correct horse"));
    expect(await racing.changePassword(id, "correct horse", "battery staple")).toEqual({
      outcome: "changed",
      securityVersion: 1,
    });
    expect(await accounts.authenticate(email, "correct horse")).toMatchObject({
      outcome: "refused",
    });
    expect(await accounts.authenticate(email, "battery staple")).toMatchObject({
      outcome: "accepted",
    });
  });

  test("that is replaced again and again does not count as a wrong password", async () => {
    const { id } = await oldTimer();
    const racing = overtaken(async () => {
      const current = (await users.passwordHash(id)) ?? "";
      await users.replacePasswordHash(id, current, await cheap.hash("correct horse"));
    });
    expect(await racing.changePassword(id, "correct horse", "battery staple")).toEqual({
      outcome: "busy",
    });
  });
});

describe("changing the password", () => {
  test.each(["with", "without"])(
    "makes the new password the only one, in a directory %s security versions",
    async (kind) => {
      const isKept = kind === "with";
      if (!isKept)
        accounts = new Accounts(
          intercept<UserDirectory>(users, { changePassword: () => undefined }),
          passwords,
        );
      const { id, email } = await register();
      expect(await accounts.changePassword(id, "correct horse", "battery staple")).toEqual({
        outcome: "changed",
        ...(isKept && { securityVersion: 1 }),
      });
      expect((await users.byId(id))?.securityVersion).toBe(isKept ? 1 : 0);
      expect(await accounts.authenticate(email, "correct horse")).toMatchObject({
        outcome: "refused",
      });
      expect(await accounts.authenticate(email, "battery staple")).toMatchObject({
        outcome: "accepted",
      });
    },
  );

  test("reports the problem of the new password", async () => {
    const { id } = await register();
    expect(await accounts.changePassword(id, "correct horse", "short")).toEqual({
      outcome: "invalid",
      fields: [{ field: "newPassword", message: "Use at least 8 characters." }],
    });
  });

  test("is refused for a wrong password, a locked user and an unknown user", async () => {
    const { id, email } = await register();
    const change = (userId: string, current: string) =>
      accounts.changePassword(userId, current, "battery staple");
    const refused = (cause: string, userId?: string) => ({ outcome: "refused", cause, userId });
    expect(await change(id, "wrong horse")).toEqual(refused("WRONG_PASSWORD", id));
    expect(await change("unknown", "")).toEqual(refused("UNKNOWN_USER"));
    await users.setLocked(id, true);
    expect(await change(id, "correct horse")).toEqual(refused("LOCKED", id));
    await users.setLocked(id, false);
    expect(await accounts.authenticate(email, "correct horse")).toMatchObject({
      outcome: "accepted",
    });
  });

  test("succeeds once when two changes start from the same password", async () => {
    const { id } = await register();
    const changes = ["battery staple", "stolen staple"].map((next) =>
      accounts.changePassword(id, "correct horse", next),
    );
    const outcomes = (await Promise.all(changes)).map(({ outcome }) => outcome);
    expect(outcomes.toSorted()).toEqual(["changed", "refused"]);
  });

  test("is busy when the hash queue is full, and changes nothing", async () => {
    const { id, email } = await register();
    const full = new Passwords({ parallelism: 1, queue: 0 });
    const hashing = full.hash("another password");
    expect(
      await new Accounts(users, full).changePassword(id, "correct horse", "battery staple"),
    ).toEqual({ outcome: "busy" });
    await hashing;
    expect(await accounts.authenticate(email, "correct horse")).toMatchObject({
      outcome: "accepted",
    });
  });
});

test("an accepted password no longer counts after the user's security version was raised", async () => {
  const { id, email } = await register();
  const accepted = await accounts.authenticate(email, "correct horse");
  if (accepted.outcome !== "accepted") throw new Error(accepted.outcome);
  expect(await accounts.stillAccepts(accepted, "correct horse")).toBe("match");
  await users.raiseSecurityVersion(id, "ENDED_BY_OPERATOR");
  expect(await accounts.stillAccepts(accepted, "correct horse")).toBe("mismatch");
  expect(await accounts.status(id)).toEqual({
    disabled: false,
    securityVersion: 1,
    securityReason: "ENDED_BY_OPERATOR",
  });
});

test("a user is disabled when locked, deleted or unknown", async () => {
  const { id } = await register();
  expect(await accounts.isUserDisabled(id)).toBe(false);
  await users.setLocked(id, true);
  expect(await accounts.isUserDisabled(id)).toBe(true);
  await users.setLocked(id, false);
  expect(await accounts.isUserDisabled(id)).toBe(false);
  await users.delete(id);
  expect(await accounts.isUserDisabled(id)).toBe(true);
  expect(await accounts.isUserDisabled("unknown")).toBe(true);
});
