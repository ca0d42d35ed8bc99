/** The audits of the GraphQL over HTTP specification: MUST, SHOULD and MAY. */
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
