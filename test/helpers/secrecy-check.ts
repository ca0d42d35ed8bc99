/** What holds at the end of every test, whatever it is about. */
import { afterEach, expect } from "vitest";
import { shown } from "./secrecy.ts";

afterEach(() => expect(shown.splice(0)).toEqual([]));
