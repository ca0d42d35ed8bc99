/** How users are read by their ids: together in a turn, and never from memory. */
import { expect, test } from "vitest";
import type { User } from "../../src/users/directory.ts";
import { userLoader } from "../../src/users/loader.ts";

const userOf = (id: string): User => ({
  id,
  email: `${id}@example.com`,
  createdAt: 1,
  locked: false,
});

/** A directory of all but Mallory, and what it was asked. */
function directory() {
  const asked: (readonly string[])[] = [];
  const read = async (ids: readonly string[]) => {
    asked.push(ids);
    return [...new Set(ids)].filter((id) => id !== "mallory").map(userOf);
  };
  return { asked, load: userLoader(read) };
}

test("those of one turn are read at once, and each gets his own", async () => {
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

test("whoever is asked for again is read again", async () => {
  const { asked, load } = directory();
  await load("ada");
  await load("ada");
  expect(asked).toEqual([["ada"], ["ada"]]);
});

test("what cannot be read is told to all who asked", async () => {
  const load = userLoader(() => Promise.reject(new Error("no answer")));
  const outcomes = await Promise.allSettled([load("ada"), load("bob")]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});
