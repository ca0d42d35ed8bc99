/** The example of docs/users.md: the page shows it, it passes the contract, and a server runs with it. */
import { readFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { Passwords } from "../../src/users/passwords.ts";
import { userDirectoryContract } from "../../src/testing/user-directory.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { askData, login, password, register, renew } from "../helpers/http.ts";
import { Members } from "./own-users.ts";

function clubDatabase(): DatabaseSync {
  const database = new DatabaseSync(":memory:");
  database.exec(`CREATE TABLE members (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    mail TEXT NOT NULL,
    argon2 TEXT,
    joined TEXT NOT NULL,
    banned INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE UNIQUE INDEX members_by_mail ON members (lower(mail))`);
  return database;
}

userDirectoryContract("An app's table", async () => new Members(clubDatabase()));

test("an existing member can sign in, and the session of a banned member ends at the next renewal", async () => {
  const database = clubDatabase();
  const hash = await new Passwords().hash(password);
  database
    .prepare("INSERT INTO members (number, mail, argon2, joined) VALUES (7, ?, ?, '2020-02-02')")
    .run("Ada@Example.com", hash);
  await using curfew = await startCurfew({ backends: { users: new Members(database) } });

  const { accessToken: token, renewalToken, userId } = await login(curfew.url, "ada@example.com");
  const data = await askData(curfew.url, "{ viewer { user { id email createdAt } } }", { token });
  expect(data.viewer.user).toEqual({
    id: userId,
    email: "ada@example.com",
    createdAt: "2020-02-02T00:00:00.000Z",
  });
  expect(userId).toBe("7");
  expect(await register(curfew.url, "bob@example.com")).toMatchObject({ userId: "8" });

  database.exec("UPDATE members SET banned = 1 WHERE number = 7");
  expect(await renew(curfew.url, renewalToken)).toBe("USER_GONE");
  await expect(login(curfew.url, "ada@example.com")).rejects.toThrow("is wrong");
});

test("docs/users.md shows the example verbatim", async () => {
  const read = (path: string) => readFile(new URL(path, import.meta.url), "utf8");
  const example = (await read("own-users.ts")).replaceAll("../../src/index.ts", "curfew");
  expect(await read("../../docs/users.md")).toContain(`\`\`\`ts\n${example}\`\`\``);
});
