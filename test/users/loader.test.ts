/** The user loader: batches of one turn, without a cache. */
import { expect, test } from "vitest";
import type { User } from "../../src/users/directory.ts";
import { userLoader } from "../../src/users/loader.ts";

const userOf = (id: string): User => ({
  id,
  email: `${id}@example.com`,
  createdAt: 1,
  locked: false,
});

/** A directory of all users but Mallory that records its reads. */
function directory() {
  const asked: (readonly string[])[] = [];
  const read = async (ids: readonly string[]) => {
    asked.push(ids);
    return [...new Set(ids)].filter((id) => id !== "mallory").map(userOf);
  };
  return { asked, load: userLoader(read) };
}

test("loads of one turn are read in one batch, and each gets its own user", async () => {
  const { asked, load } = directory();
  const ids = ["ada", "mallory", "bob", "ada"];
  expect(await Promise.all(ids.map(load))).toEqual([
    userOf("ada"),
    undefined,
    userOf("bob"),
    userOf("ada"),
  ]);
  expect(asked).toEqual([ids]);
});

test("a later load reads the user again", async () => {
  const { asked, load } = directory();
  await load("ada");
  await load("ada");
  expect(asked).toEqual([["ada"], ["ada"]]);
});

test("a failed read rejects all loads of its batch", async () => {
  const load = userLoader(() => Promise.reject(new Error("no answer")));
  const outcomes = await Promise.allSettled([load("ada"), load("bob")]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});
