/** Many connections that end at once: all are condemned at once, and they close while others have their turn. */
import { expect, it } from "vitest";
import { Life } from "../../src/connections/lifecycle.ts";
import { Slices } from "../../src/connections/close-queue.ts";
import { raiseFault } from "../helpers/domain.ts";

const slice = 200;

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lives, with how many of them were told of their end. */
function makeLives(count: number) {
  const told: string[] = [];
  const lives = Array.from({ length: count }, () => {
    const life = new Life(raiseFault);
    life.onEnd((ending) => told.push(ending));
    return life;
  });
  return { lives, told };
}

it("200 in a turn, whether they end by one call or by many", async () => {
  const { lives, told } = makeLives(1_000);
  const slices = new Slices();
  slices.end(lives.slice(0, 500), "ENDED");
  for (const life of lives.slice(500)) slices.end([life], "UNAVAILABLE");
  expect(lives.every(({ ending }) => ending !== undefined)).toBe(true);
  for (let ended = slice; ended < lives.length; ended += slice) {
    expect(told.length).toBe(ended);
    await turn();
  }
  expect(told).toEqual(lives.map(({ ending }) => ending));
});

it("few end at once, and so do few later", async () => {
  const { lives, told } = makeLives(2 * slice);
  const slices = new Slices();
  slices.end(lives.slice(0, slice), "ENDED");
  expect(told.length).toBe(slice);
  await turn();
  slices.end(lives.slice(slice), "ENDED");
  expect(told.length).toBe(2 * slice);
});

it("one that has ended meanwhile is told once, and for its own reason", async () => {
  const { lives, told } = makeLives(slice + 1);
  const slices = new Slices();
  slices.end(lives, "ENDED");
  lives.at(-1)?.end("LEFT");
  await turn();
  await turn();
  expect(told).toEqual(lives.map(() => "ENDED"));
});
