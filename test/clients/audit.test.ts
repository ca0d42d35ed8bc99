/** GraphQL over HTTP by its specification's own audits: all that it demands, recommends and allows. */
import { serverAudits } from "graphql-http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startCurfew, type TestCurfew } from "../helpers/curfew.ts";

let curfew: TestCurfew;
beforeAll(async () => {
  curfew = await startCurfew();
});
afterAll(() => curfew.close());

it.each(serverAudits({ url: () => curfew.url }))("the server $name ($id)", async ({ fn }) => {
  expect(await fn()).toMatchObject({ status: "ok" });
});
