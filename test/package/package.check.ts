/** The package as users receive it: packed, installed into a project, type-checked and run. */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, login, logout, newEmail, register } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";
import { codeOf, pack, Project, root, run, temporaryFolder } from "./project.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };
let folder: string;
let tarball: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  tarball = await pack(folder);
});
afterAll(() => rm(folder, { recursive: true }));

it.each([
  ["publint", "run", "--strict"],
  ["attw", "--profile", "esm-only"],
])("%s finds no problem in the package", async (command, ...flags) => {
  await run(join(root, "node_modules/.bin", command), [...flags, tarball]);
});

describe.each(["16", "17"])("with graphql %s", (version) => {
  let project: Project;
  beforeAll(async () => {
    // The project's own vitest runs the contracts.
    project = await Project.open(tarball, {
      graphql: `^${version}.0.0`,
      ...(version === "16" && { vitest: "5.1.1" }),
    });
    await project.write("readme.ts", await library("README.md"));
    const pages = (await codeOf("docs/library.md")).filter((code) => code.includes(" from "));
    expect(pages.length).toBeGreaterThan(0);
    for (const [index, code] of pages.entries()) await project.write(`page-${index}.ts`, code);
  });
  afterAll(() => project[Symbol.asyncDispose]());

  it("npm installs the package without force, and graphql once", async () => {
    expect(await project.copiesOf("graphql")).toEqual(["graphql/package.json"]);
    expect(await project.copiesOf("graphql-yoga")).toEqual(["graphql-yoga/package.json"]);
    const text = await readFile(join(project.folder, "node_modules/graphql/package.json"), "utf8");
    expect((JSON.parse(text) as { version: string }).version.split(".")[0]).toBe(version);
  });

  it("the examples of the README, docs/library.md and examples/existing-yoga type-check", async () => {
    await expect(project.exec("tsc")).resolves.toBe("");
    await project.write(
      "wrong.ts",
      'import { createCurfew } from "curfew"; createCurfew({ prot: 1 });',
    );
    await expect(project.exec("tsc")).rejects.toThrow("'prot' does not exist");
    await rm(join(project.folder, "wrong.ts"));
  });

  it("the README's library example runs", async () => {
    await using program = await project.start("readme.ts");
    const url = program.line;
    const { accessToken: token } = await register(url);
    await using socket = await connect(url.replace("http", "ws"), token);
    socket.subscribe("1", "subscription { said }");
    const say = 'mutation { say(text: "hello") }';
    // Its result means that the subscription runs: operations of a socket start in order.
    socket.subscribe("2", "{ viewer { session { id } } }");
    expect(await socket.messages.next()).toMatchObject({ id: "2", type: "next" });
    expect((await ask(url, say, { token })).data).toEqual({ say: true });
    for (;;) {
      const { id, payload } = await socket.messages.next();
      if (id === "1") expect(payload.data).toEqual({ said: "hello" });
      if (id === "1") break;
    }
    expect((await ask(url, say)).errors?.[0]?.extensions?.["code"]).toBe("UNAUTHENTICATED");
    await logout(url, token);
    expect(await socket.closed).toEqual(sessionEnded);
  });

  it("sessions of examples/existing-yoga end on all transports", async () => {
    await using program = await project.start("server.ts");
    const url = program.line;
    expect((await ask(url, "{ motd }")).data).toEqual({ motd: "Extra! Extra!" });
    const publish = 'mutation { publish(text: "hello") }';
    expect((await ask(url, publish)).errors?.[0]?.extensions?.["code"]).toBe("UNAUTHENTICATED");

    const email = newEmail();
    const { accessToken: token, userId } = await register(url, email);
    const tablet = await login(url, email);
    await using socket = await connect(url.replace("http", "ws"), token);
    await using other = await connect(url.replace("http", "ws"), tablet.accessToken);
    await using stream = await openStream(url, "subscription { news }", { token });
    const news = { data: { news: `${userId}: hello` } };
    for (const each of [socket, other]) each.subscribe("1", "subscription { news }");
    for (const each of [socket, other]) {
      each.subscribe("2", "{ motd }");
      expect(await each.messages.next()).toMatchObject({ id: "2", type: "next" });
      expect(await each.messages.next()).toMatchObject({ id: "2", type: "complete" });
    }
    await ask(url, publish, { token });
    for (const each of [socket, other]) expect((await each.messages.next()).payload).toEqual(news);
    expect((await stream.events.next()).data).toEqual(news);

    expect(await logout(url, token)).toBe(1);
    expect(await socket.closed).toEqual(sessionEnded);
    expect((await stream.events.next()).data.errors[0].extensions.reason).toBe("ENDED");
    await stream.ended;
    await ask(url, publish, { token: tablet.accessToken });
    expect((await other.messages.next()).payload).toEqual(news);
  });

  it("the package exports only its entries", async () => {
    for (const path of ["dist/server.js", "dist/index.js", "src/index.ts", "server", "client/tabs"])
      await expect(project.node("-e", `import("curfew/${path}")`)).rejects.toThrow(
        "ERR_PACKAGE_PATH_NOT_EXPORTED",
      );
    const entries = ["", "/client", "/client/graphql-ws", "/client/fetch", "/client/apollo"];
    const imports = [...entries, "/client/urql"].map((entry) => `import("curfew${entry}")`);
    await project.node("-e", `Promise.all([${imports.join()}])`);
  });

  it.runIf(version === "16")("the contract of a port runs on the user's own adapter", async () => {
    await project.write("pubsub.test.ts", await readFile(ownPubSub, "utf8"));
    await project.exec("vitest", "run", "--reporter=json", "--outputFile=outcome.json");
    const outcome = await readFile(join(project.folder, "outcome.json"), "utf8");
    expect(JSON.parse(outcome)).toMatchObject({ success: true, numPassedTests: 9 });
    const broken = (await readFile(ownPubSub, "utf8")).replace("JSON.stringify(message)", "'1'");
    await project.write("pubsub.test.ts", broken);
    await expect(project.exec("vitest", "run")).rejects.toThrow(/in order/);
    await rm(join(project.folder, "pubsub.test.ts"));
  });
});

describe("the client", () => {
  it.each([
    ["client", /^\.(?:\/|\.\/protocol\/)[a-z-]+\.js$/],
    ["protocol", /^\b$/],
  ])("imports nothing but itself and the wire contract: dist/%s", async (name, allowed) => {
    const dist = join(root, "dist", name);
    const files = (await readdir(dist)).filter((file) => file.endsWith(".js"));
    expect(files.length).toBeGreaterThan(4);
    for (const file of files) {
      const code = await readFile(join(dist, file), "utf8");
      const imported = [...code.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"']+)["']/g)];
      for (const [, specifier] of imported) expect(specifier).toMatch(allowed);
    }
  });
});

const ownPubSub = join(import.meta.dirname, "own-pubsub.txt");

/** Returns the one code block of a page that imports `curfew`. */
async function library(page: string): Promise<string> {
  const blocks = (await codeOf(page)).filter((code) => code.includes('from "curfew"'));
  expect(blocks).toHaveLength(1);
  return blocks.join("");
}
