/** Password rules, argon2id hashes and the limit of concurrent hashing. */
import { parseOptions } from "@node-rs/argon2";
import { expect, test } from "vitest";
import { passwordProblem, Passwords } from "../../src/users/passwords.ts";

const passwords = new Passwords();

test("a password is hashed by argon2id with 19 MiB, two passes and one thread", async () => {
  const hash = await passwords.hash("correct horse");
  expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(await passwords.hash("correct horse")).not.toBe(hash);
});

test("a password is hashed at the configured cost, and hashes of another cost are outdated", async () => {
  const dear = new Passwords({
    cost: { argon2Memory: 12_288, argon2Passes: 3, argon2Parallelism: 2 },
  });
  const hash = await dear.hash("correct horse");
  expect(hash).toMatch(/^\$argon2id\$v=19\$m=12288,t=3,p=2\$/);
  expect(await passwords.verify(hash, "correct horse")).toBe("match");
  expect(dear.isOutdated(hash)).toBe(false);
  expect(passwords.isOutdated(hash)).toBe(true);
  expect(passwords.isOutdated(await passwords.hash("correct horse"))).toBe(false);
  expect(dear.isOutdated(hash.replace("argon2id", "argon2i"))).toBe(true);
});

test("a hash matches only its own password", async () => {
  const hash = await passwords.hash("correct horse");
  expect(await passwords.verify(hash, "correct horse")).toBe("match");
  expect(await passwords.verify(hash, "correct horsf")).toBe("mismatch");
  expect(await passwords.verify(hash, "Correct horse")).toBe("mismatch");
  expect(await passwords.verify(hash, " correct horse")).toBe("mismatch");
  expect(await passwords.verify(hash, "")).toBe("mismatch");
});

test("a null character does not end a password", async () => {
  const hash = await passwords.hash("correct\0horse");
  expect(await passwords.verify(hash, "correct\0horse")).toBe("match");
  expect(await passwords.verify(hash, "correct\0mouse")).toBe("mismatch");
  expect(await passwords.verify(hash, "correct")).toBe("mismatch");
});

test("a password is the same in any Unicode form", async () => {
  const hash = await passwords.hash("cafe\u0301 \uFF11\uFF12\uFF13\uFF14");
  expect(await passwords.verify(hash, "caf\u00E9 1234")).toBe("match");
});

test("an overlong password never matches, not even its own hash", async () => {
  const overlong = "a".repeat(1025);
  expect(await passwords.verify(await passwords.hash(overlong), overlong)).toBe("mismatch");
});

test("no password matches the dummy hash, which has the cost of a real one", async () => {
  const verified: string[] = [];
  class Watched extends Passwords {
    override verify(against: string, password: string) {
      verified.push(against);
      return super.verify(against, password);
    }
  }
  const watched = new Watched();
  for (const password of ["", "\0", "correct horse"]) {
    expect(await watched.verifyNothing(password)).toBe("mismatch");
  }
  const [nobody = ""] = verified;
  expect(parseOptions(nobody)).toEqual(parseOptions(await passwords.hash("correct horse")));
});

test("verifying against text that is no hash rejects", async () => {
  await expect(passwords.verify("correct horse", "correct horse")).rejects.toThrow();
});

test("calls beyond the running and waiting ones are busy, and later ones are accepted again", async () => {
  const narrow = new Passwords({ parallelism: 1, queue: 2 });
  const hash = await passwords.hash("correct horse");
  const calls = Array.from({ length: 5 }, () => narrow.verify(hash, "correct horse"));
  expect(await Promise.all(calls)).toEqual(["match", "match", "match", "busy", "busy"]);
  expect(await narrow.verify(hash, "correct horse")).toBe("match");
});

test("hashing and verifying share the queue, and failures release it", async () => {
  const narrow = new Passwords({ parallelism: 1, queue: 0 });
  await expect(narrow.verify("no hash", "correct horse")).rejects.toThrow();
  const hashing = narrow.hash("correct horse");
  expect(await narrow.hash("correct horse")).toBe("busy");
  expect(await narrow.verifyNothing("correct horse")).toBe("busy");
  expect(await hashing).toMatch(/^\$argon2id/);
});

test.each([
  "\0\u{1F511}\t \u202E\uFFFF~\u0627",
  "eight of",
  "19283746 5",
  "correct horse battery staple",
  `${"correct horse ".repeat(73)}!!`,
])("a password from 8 characters to 1024 bytes of any characters is accepted", (password) => {
  expect(passwordProblem(password)).toBeUndefined();
});

test.each([
  "password",
  "PassW0rd",
  "qwertyuiop",
  "trustno1",
  "iloveyou1",
  "\uFF50\uFF41\uFF53\uFF53\uFF57\uFF4F\uFF52\uFF44",
  "12345678",
  "87654321",
  "AbcDabcD",
  "abcdefghijklmnop",
  "00000000",
  "12121212",
  "\u{1F511}".repeat(8),
  " ".repeat(1024),
])("%j is too common a password", (password) => {
  expect(passwordProblem(password)).toBe(
    "Use another password: this one is among the first guesses.",
  );
});

test.each(["", "1234567", "\u{1F511}".repeat(7), "e\u0301".repeat(7)])(
  "%j is too short a password",
  (password) => {
    expect(passwordProblem(password)).toBe("Use at least 8 characters.");
  },
);

test.each(["a".repeat(1025), "\u{1F511}".repeat(257)])(
  "a password of more than 1024 bytes is too long",
  (p) => {
    expect(passwordProblem(p)).toBe("Use at most 1024 bytes.");
  },
);
