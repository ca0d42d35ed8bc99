/** The memory that a message uses, and the cost of refusing one. */
import { expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import { processCost } from "../helpers/cost.ts";
import { TestSocket } from "../helpers/socket.ts";

const lists = (depth: number) =>
  `${"[".repeat(depth)}${"[0],".repeat(60_000)}0${"]".repeat(depth)}`;

it.each(["connection_init", "ping", "pong"])(
  "a %s whose payload is lists within lists is refused with 4400, at the cost of its size",
  async (type) => {
    await using curfew = await startCurfew();
    const cost = async (payload: string) => {
      await using socket = await new TestSocket(curfew.socketUrl).opened();
      return await processCost(async () => {
        socket.send(`{"type":"${type}","payload":${payload}}`);
        expect(await socket.closed).toMatchObject({ code: 4400 });
      });
    };
    await cost("[]");
    const flat = await cost(lists(1));
    // Of 3,000 lists each, it took 200 ms to look for each of 60,000 lists among those around it.
    const deep = Math.min(await cost(lists(2_500)), await cost(lists(2_500)));
    expect(deep).toBeLessThan(flat + 75);
  },
);
