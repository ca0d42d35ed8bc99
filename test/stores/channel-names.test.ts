/** The names of Redis channels: deployments of one Redis do not hear each other. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { loadOptions } from "../../src/config/load.ts";
import { endsTopic, endsTopicOf, sessionTopic, userTopic } from "../../src/session/messages.ts";
import { channelNames } from "../../src/stores/redis/channel-names.ts";
import { issuesOf } from "../helpers/issues.ts";

const topicsOf = (id: string) => [
  sessionTopic(id),
  userTopic(id),
  endsTopic,
  endsTopicOf(id),
  `curfew:app:${id}`,
];

test("channels of database 0 without a prefix have the names of their topics", () => {
  for (const channelOf of [channelNames(), channelNames({ database: 0, prefix: undefined })])
    for (const topic of topicsOf("a")) expect(channelOf(topic)).toBe(topic);
});

test("other channels have the prefix and the number of the database after `curfew:`", () => {
  const topic = sessionTopic("a");
  expect(channelNames({ database: 1 })(topic)).toBe("curfew:@1:session:a");
  expect(channelNames({ prefix: "staging" })(topic)).toBe("curfew:staging@0:session:a");
  expect(channelNames({ database: 12, prefix: "b" })(topic)).toBe("curfew:b@12:session:a");
});

test("no two deployments have a channel in common, whatever the ids and the prefixes are", () => {
  const prefix = fc.oneof(
    fc.constantFrom("app", "session", "user", "ends", "db1", "0", "1"),
    fc.stringMatching(/^[\w.-]{1,64}$/),
  );
  const deployment = fc.record({
    database: fc.nat(15),
    prefix: fc.option(prefix, { nil: undefined }),
  });
  const id = fc.oneof(fc.string(), fc.constantFrom("session:a", "1:session:a", "@1:session:a"));
  fc.assert(
    fc.property(deployment, deployment, id, id, (one, other, a, b) => {
      const isSame = one.database === other.database && one.prefix === other.prefix;
      fc.pre(!isSame);
      const names = new Set(topicsOf(a).map(channelNames(one)));
      for (const name of topicsOf(b).map(channelNames(other))) expect(names).not.toContain(name);
    }),
    { numRuns: 1_000 },
  );
});

test("a prefix is a word: letters, digits, dots, dashes and underscores", () => {
  const read = (prefix: string) =>
    loadOptions({
      CURFEW_SECRETS: "a-secret-of-thirty-two-bytes-and-more",
      REDIS_CHANNEL_PREFIX: prefix,
    });
  expect(read("blue.green_1-2").redisChannelPrefix).toBe("blue.green_1-2");
  for (const wrong of ["a@1", "a:b", "a*", "a b", "é", "x".repeat(65)])
    expect(issuesOf(() => read(wrong)).join()).toContain("REDIS_CHANNEL_PREFIX");
});
