import { expect, test } from "vitest";
import { Life, type Ending } from "../../src/connections/lifecycle.ts";
import { raiseFault } from "../helpers/domain.ts";
import { until } from "../helpers/until.ts";

/** A life that counts who listens to it. */
class CountedLife extends Life {
  listeners = 0;

  override onEnd(listener: (ending: Ending) => void): () => void {
    this.listeners += 1;
    const forget = super.onEnd(listener);
    return () => {
      this.listeners -= 1;
      forget();
    };
  }
}

function listenTo(life: Life): Ending[] {
  const heard: Ending[] = [];
  life.onEnd((ending) => heard.push(ending));
  return heard;
}

test("the first ending counts, and everybody is told once", () => {
  const life = new Life(raiseFault);
  const [one, two] = [listenTo(life), listenTo(life)];
  expect(life.ending).toBeUndefined();
  life.end("ENDED");
  life.end("GOING_AWAY");
  expect(life.ending).toBe("ENDED");
  expect([one, two]).toEqual([["ENDED"], ["ENDED"]]);
});

test("who comes after the end is told at once", () => {
  const life = new Life(raiseFault);
  life.end("EXPIRED");
  expect(listenTo(life)).toEqual(["EXPIRED"]);
});

test("who is told may listen again, and is told again", () => {
  const life = new Life(raiseFault);
  const heard: Ending[] = [];
  life.onEnd(() => life.onEnd((ending) => heard.push(ending)));
  life.end("ENDED");
  expect(heard).toEqual(["ENDED"]);
});

test("who forgot it in time is not told", () => {
  const life = new Life(raiseFault);
  const heard: Ending[] = [];
  life.onEnd((ending) => heard.push(ending))();
  life.end("ENDED");
  expect(heard).toEqual([]);
});

test("who throws, at once or by a promise, is told of and stops nobody", async () => {
  const faults: unknown[] = [];
  const life = new Life((_what, error) => faults.push(error));
  const [first, second, third] = [new Error("first"), new Error("second"), new Error("third")];
  life.onEnd(() => {
    throw first;
  });
  life.onEnd(async () => Promise.reject(second));
  const heard = listenTo(life);
  life.end("ENDED");
  life.onEnd(() => {
    throw third;
  });
  expect(heard).toEqual(["ENDED"]);
  await until(() => faults.length === 3);
  expect(faults).toEqual(expect.arrayContaining([first, second, third]));
});

test("a condemned life is known to end before anybody is told", () => {
  const life = new Life(raiseFault);
  const heard = listenTo(life);
  life.condemn("ENDED");
  expect(life.ending).toBe("ENDED");
  expect(heard).toEqual([]);
  life.end("GOING_AWAY");
  expect(heard).toEqual(["ENDED"]);
});

test("who comes to a condemned life is told with the others", () => {
  const life = new Life(raiseFault);
  life.condemn("ENDED");
  const heard = listenTo(life);
  expect(heard).toEqual([]);
  life.end("ENDED");
  expect(heard).toEqual(["ENDED"]);
});

test("a life that is held ends when it is released", () => {
  const life = new Life(raiseFault);
  const heard = listenTo(life);
  life.hold();
  life.end("ENDED");
  expect(life.ending).toBe("ENDED");
  expect(heard).toEqual([]);
  life.release();
  life.release();
  expect(heard).toEqual(["ENDED"]);
});

test("a life that is held twice ends when it is released twice", () => {
  const life = new Life(raiseFault);
  const heard = listenTo(life);
  life.hold();
  life.hold();
  life.end("ENDED");
  life.release();
  expect(heard).toEqual([]);
  life.release();
  expect(heard).toEqual(["ENDED"]);
});

test("nothing holds the life of a client that has left", () => {
  const life = new Life(raiseFault);
  const heard = listenTo(life);
  life.hold();
  life.end("LEFT");
  expect(heard).toEqual(["LEFT"]);
});

test("a life that is released lives on when nothing ended it, and can end later", () => {
  const life = new Life(raiseFault);
  const heard = listenTo(life);
  life.hold();
  life.release();
  expect(heard).toEqual([]);
  life.end("EXPIRED");
  expect(heard).toEqual(["EXPIRED"]);
});

test("a race gives what the promise gives, or its failure", async () => {
  const life = new Life(raiseFault);
  const never = (): never => expect.unreachable();
  await expect(life.race(Promise.resolve(1), never)).resolves.toBe(1);
  await expect(life.race(Promise.reject(new Error("broken")), never)).rejects.toThrow("broken");
});

test("a race gives the ending when that comes first", async () => {
  const life = new Life(raiseFault);
  const pending = Promise.withResolvers<string>();
  const race = life.race(pending.promise, (ending) => ending as string);
  life.end("ENDED");
  pending.resolve("too late");
  await expect(race).resolves.toBe("ENDED");
});

test("a race fails when what is made of its end does", async () => {
  const life = new Life(raiseFault);
  const fault = new Error("broken");
  const race = life.race(new Promise(() => {}), () => {
    throw fault;
  });
  life.end("ENDED");
  await expect(race).rejects.toBe(fault);
});

test("a race of a life that is over is lost at once", async () => {
  const life = new Life(raiseFault);
  life.end("EXPIRED");
  await expect(life.race(new Promise<Ending>(() => {}), (ending) => ending)).resolves.toBe(
    "EXPIRED",
  );
});

test("races leave no listener behind, however they end", async () => {
  const life = new CountedLife(raiseFault);
  for (let i = 0; i < 1_000; i++) await life.race(Promise.resolve(i), () => -1);
  await life.race(Promise.reject(new Error()), () => "").catch(() => {});
  expect(life.listeners).toBe(0);
});

test("a promise that fails after the end troubles nobody", async () => {
  const life = new Life(raiseFault);
  const pending = Promise.withResolvers<Ending>();
  const race = life.race(pending.promise, (ending) => ending);
  life.end("ENDED");
  pending.reject(new Error("too late"));
  await expect(race).resolves.toBe("ENDED");
});
