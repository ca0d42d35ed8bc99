/** How an operator's actions use the security versions of the user directory. */
import { expect, test } from "vitest";
import { StoreUnavailable } from "../../src/session/store.ts";
import { Administration, type EverybodyEnded } from "../../src/users/administration.ts";
import type { UserDirectory } from "../../src/users/directory.ts";
import { breakable, intercept, memoryUsers } from "../helpers/backends.ts";
import { device, minute, startDomain } from "../helpers/domain.ts";

function startAdministration(users: UserDirectory | undefined) {
  const { sessions, audited, clock } = startDomain();
  const audit = (fact: (typeof audited)[number]) => void audited.push(fact);
  const admin = new Administration({ users, sessions, audit, clock: clock.read });
  return { admin, sessions, audited, clock };
}

function down(): UserDirectory {
  const { part, goDown } = breakable(memoryUsers());
  goDown();
  return part;
}

const directories: Record<EverybodyEnded["versions"], () => UserDirectory | undefined> = {
  raised: memoryUsers,
  unsupported: () =>
    intercept<UserDirectory>(memoryUsers(), { raiseAllSecurityVersions: () => undefined }),
  elsewhere: () => undefined,
  unavailable: down,
};

test.each(Object.keys(directories) as EverybodyEnded["versions"][])(
  "ending everybody ends all sessions and reports whether the security versions were raised: %s",
  async (versions) => {
    const { admin, sessions, audited, clock } = startAdministration(directories[versions]());
    for (const userId of ["ada", "bob"]) await sessions.start(userId, device);
    clock.advance(minute);
    expect(await admin.endEverybody()).toEqual({ versions, endedSessions: 2 });
    expect(audited.slice(2)).toMatchObject([
      { event: "endEverybody", versions },
      { event: "end", by: "operator" },
      { event: "end", by: "operator" },
    ]);
  },
);

test("ending everybody leaves sessions that begin well after the call", async () => {
  const users = memoryUsers();
  const { admin, sessions, clock } = startAdministration(users);
  const ada = await users.create("ada@example.com", "hash", 1);
  if (ada === "taken") throw new Error(ada);
  let login: Promise<unknown> | undefined;
  await sessions.start("bob", device);
  await admin.endEverybody(() => {
    clock.advance(minute);
    login ??= sessions.start(ada.id, device, 1);
  });
  await login;
  expect(await users.byId(ada.id)).toMatchObject({ securityVersion: 1 });
  expect(await sessions.list(ada.id)).toHaveLength(1);
});

test("ending a user's sessions raises the user's security version, and no other's", async () => {
  const users = memoryUsers();
  const { admin, sessions } = startAdministration(users);
  const [ada, bob] = await Promise.all(
    ["ada", "bob"].map((name) => users.create(`${name}@example.com`, "hash", 1)),
  );
  if (ada === undefined || ada === "taken" || bob === undefined || bob === "taken")
    throw new Error("taken");
  await sessions.start(ada.id, device);
  expect(await admin.endSessions(ada.id)).toBe(1);
  const raised = { securityVersion: 1, securityReason: "ENDED_BY_OPERATOR" };
  expect(await users.byId(ada.id)).toMatchObject(raised);
  expect(await users.byId(bob.id)).toEqual(bob);
});

test("ending a user's sessions ends those that are listed, even if the directory is down, and then fails", async () => {
  const { admin, sessions } = startAdministration(down());
  await sessions.start("ada", device);
  await expect(admin.endSessions("ada")).rejects.toBeInstanceOf(StoreUnavailable);
  expect(await sessions.list("ada")).toEqual([]);
});
