/** The contract suite of user directories. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { User, UserDirectory } from "../users/directory.ts";

/** @param open returns an empty directory, which the suite closes */
export function userDirectoryContract(name: string, open: () => Promise<UserDirectory>): void {
  describe(`${name} as a user directory`, () => {
    let users: UserDirectory;
    beforeEach(async () => {
      users = await open();
    });
    afterEach(() => users.close());

    async function create(email: string, hash = "hash", now = 1) {
      const user = await users.create(email, hash, now);
      if (user === "taken") throw new Error(`${email} is taken`);
      return user;
    }

    test("a new user is unlocked and found by id and by e-mail", async () => {
      const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
      const ada = await create("ada@example.com", "ada's hash", now);
      expect(ada).toMatchObject({
        id: expect.any(String) as string,
        email: "ada@example.com",
        createdAt: now,
        locked: false,
      });
      expect(await users.byId(ada.id)).toEqual(ada);
      expect(await users.byEmail(ada.email)).toEqual({ user: ada, passwordHash: "ada's hash" });
      expect(await users.passwordHash(ada.id)).toBe("ada's hash");
    });

    test("each user gets a unique id", async () => {
      const [ada, bob] = [await create("ada@example.com"), await create("bob@example.com")];
      expect(ada.id).not.toBe(bob.id);
      expect(await users.byId(bob.id)).toEqual(bob);
    });

    test("an unknown id or e-mail finds no user", async () => {
      expect(await users.byId("unknown")).toBeUndefined();
      expect(await users.byEmail("unknown@example.com")).toBeUndefined();
      expect(await users.passwordHash("unknown")).toBeUndefined();
    });

    test("an unknown id of any characters is not an error", async () => {
      for (const id of [
        "",
        "\0",
        "\uD800",
        "%",
        "'",
        "1",
        crypto.randomUUID(),
        "x".repeat(10_000),
      ]) {
        expect(await users.byId(id)).toBeUndefined();
        expect(await users.passwordHash(id)).toBeUndefined();
        expect(await users.replacePasswordHash(id, "first", "second")).toBe(false);
        expect(await users.changePassword?.(id, "first", "second")).toBeUndefined();
        expect(await users.raiseSecurityVersion?.(id, "ENDED_BY_OPERATOR")).toBeUndefined();
        await users.setLocked(id, true);
        await users.delete(id);
      }
    });

    test("concurrent reads find each existing user, among unknown ids", async () => {
      const [ada, bob] = [await create("ada@example.com"), await create("bob@example.com")];
      const unknown = ["\0", "\uD800", "{}", ""];
      const ids = [ada.id, ...unknown, bob.id, ada.id];
      expect(await Promise.all(ids.map((id) => users.byId(id)))).toEqual([
        ada,
        ...unknown.map(() => undefined),
        bob,
        ada,
      ]);
    });

    test("a second registration of an e-mail is refused and leaves the first user unchanged", async () => {
      const ada = await create("ada@example.com", "first");
      expect(await users.create("ada@example.com", "second", 2)).toBe("taken");
      expect(await users.byEmail("ada@example.com")).toEqual({ user: ada, passwordHash: "first" });
    });

    test("of concurrent registrations of one e-mail exactly one succeeds", async () => {
      const racing = Array.from({ length: 10 }, () => users.create("ada@example.com", "hash", 1));
      const taken = (await Promise.all(racing)).filter((user) => user === "taken");
      expect(taken).toHaveLength(9);
    });

    test("e-mails and hashes are stored unchanged", async () => {
      const email = "zoë'; drop table users; --@例え.example";
      const user = await create(email, "$argon2id$'\"\\%");
      expect(await users.byEmail(email)).toEqual({ user, passwordHash: "$argon2id$'\"\\%" });
      expect(await users.byEmail(email.toUpperCase())).toBeUndefined();
    });

    test("a password hash is replaced only if it still is the expected one", async () => {
      const ada = await create("ada@example.com", "first");
      const bob = await create("bob@example.com", "first");
      const racing = ["second", "third"].map((next) =>
        users.replacePasswordHash(ada.id, "first", next),
      );
      expect((await Promise.all(racing)).filter(Boolean)).toHaveLength(1);
      expect(await users.passwordHash(ada.id)).toMatch(/^(second|third)$/);
      expect(await users.passwordHash(bob.id)).toBe("first");
      expect(await users.replacePasswordHash("unknown", "first", "second")).toBe(false);
    });

    test("a user can be locked and unlocked", async () => {
      const ada = await create("ada@example.com");
      await users.setLocked(ada.id, true);
      const { id, email, createdAt } = ada;
      expect(await users.byId(id)).toMatchObject({ id, email, createdAt, locked: true });
      expect((await users.byEmail(email))?.user.locked).toBe(true);
      await users.setLocked(id, false);
      expect(await users.byId(id)).toMatchObject({ id, email, createdAt, locked: false });
    });

    test("a deleted user is not found, and a later user with that e-mail has another id", async () => {
      const ada = await create("ada@example.com");
      await users.delete(ada.id);
      expect(await users.byId(ada.id)).toBeUndefined();
      expect(await users.byEmail(ada.email)).toBeUndefined();
      expect((await create("ada@example.com")).id).not.toBe(ada.id);
    });

    test("locking or deleting an unknown id is not an error", async () => {
      await users.setLocked("unknown", true);
      await users.delete("unknown");
    });

    describe("the security version", () => {
      /** The version and reason of a user, by id and by e-mail. */
      async function security({ id, email }: User) {
        const byId = await users.byId(id);
        expect((await users.byEmail(email))?.user).toEqual(byId);
        return [byId?.securityVersion ?? 0, byId?.securityReason];
      }

      test("of a new user is 0, without a reason", async () => {
        const ada = await create("ada@example.com");
        expect([ada.securityVersion ?? 0, ada.securityReason]).toEqual([0, undefined]);
        expect(await security(ada)).toEqual([0, undefined]);
      });

      test("is raised by changePassword, which sets the hash only if it still is the expected one", async (context) => {
        if (users.changePassword === undefined) return context.skip();
        const [ada, bob] = [await create("ada@example.com"), await create("bob@example.com")];
        const racing = await Promise.all(
          ["second", "third"].map(async (next) => users.changePassword?.(ada.id, "hash", next)),
        );
        expect(racing.filter((version) => version !== undefined)).toEqual([1]);
        expect(await users.passwordHash(ada.id)).toBe(racing[0] === 1 ? "second" : "third");
        expect(await security(ada)).toEqual([1, "PASSWORD_CHANGED"]);
        expect(await users.changePassword(ada.id, "hash", "fourth")).toBeUndefined();
        expect(await security(ada)).toEqual([1, "PASSWORD_CHANGED"]);
        expect(await security(bob)).toEqual([0, undefined]);
      });

      test("is not raised by replacePasswordHash", async () => {
        const ada = await create("ada@example.com", "first");
        expect(await users.replacePasswordHash(ada.id, "first", "second")).toBe(true);
        expect(await security(ada)).toEqual([0, undefined]);
      });

      test("is raised by a lock and not by an unlock, in a directory that raises versions", async (context) => {
        if (users.raiseSecurityVersion === undefined) return context.skip();
        const ada = await create("ada@example.com");
        await users.setLocked(ada.id, true);
        expect(await security(ada)).toEqual([1, "USER_GONE"]);
        await users.setLocked(ada.id, false);
        expect(await security(ada)).toEqual([1, "USER_GONE"]);
      });

      test("is raised once by each of many concurrent calls, for one user only", async (context) => {
        if (users.raiseSecurityVersion === undefined) return context.skip();
        const [ada, bob] = [await create("ada@example.com"), await create("bob@example.com")];
        const raising = Array.from({ length: 10 }, async () =>
          users.raiseSecurityVersion?.(ada.id, "ENDED_BY_OPERATOR"),
        );
        const versions = (await Promise.all(raising)).toSorted((a = 0, b = 0) => a - b);
        expect(versions).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
        expect(await security(ada)).toEqual([10, "ENDED_BY_OPERATOR"]);
        expect(await security(bob)).toEqual([0, undefined]);
      });

      test("of every user is raised by raiseAllSecurityVersions, from wherever it is", async (context) => {
        if (users.raiseAllSecurityVersions === undefined) return context.skip();
        await users.raiseAllSecurityVersions("ENDED_BY_OPERATOR");
        const [ada, bob] = [await create("ada@example.com"), await create("bob@example.com")];
        expect(await security(ada)).toEqual([0, undefined]);
        await users.raiseSecurityVersion?.(ada.id, "PASSWORD_CHANGED");
        const before = (await users.byId(ada.id))?.securityVersion ?? 0;
        await users.raiseAllSecurityVersions("ENDED_BY_OPERATOR");
        expect(await security(ada)).toEqual([before + 1, "ENDED_BY_OPERATOR"]);
        expect(await security(bob)).toEqual([1, "ENDED_BY_OPERATOR"]);
      });
    });
  });
}
