/** Fails every test in which a secret was logged or shown in an error. */
import { afterEach, expect } from "vitest";
import { leaks } from "./secrecy.ts";

afterEach(() => expect(leaks.splice(0)).toEqual([]));
