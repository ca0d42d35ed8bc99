/** The kinds of settings: how text becomes a value, which values are valid, and how a value is written. */
import { z } from "zod";
import { readDuration, writeDuration } from "./duration.ts";

/** One kind of value. `text`, `wholeNumber`, `duration`, `boolean`, `oneOf` and `list` make them. */
export interface Kind<Value> {
  readonly name: "text" | "whole number" | "duration" | "boolean" | "enum" | "list";
  /** The option's TypeScript type. */
  readonly type: string;
  /** The valid values, for the docs: `1ms to 24d`, `1024 to 16777216 bytes`. */
  readonly values?: string;
  /** Reads the text of an environment variable or a flag. Unreadable text stays text, which `rule` rejects. */
  readonly read: (text: string) => unknown;
  /** Checks a value. Each message continues "must be". */
  readonly rule: z.ZodType<Value>;
  /** Writes a value as an environment variable has it. */
  write(value: Value): string;
}

/** One setting. */
export interface Setting<Value> {
  /** The environment variable. The flag has the same name: `DATA_DIR` is `--data-dir`. */
  readonly variable: string;
  readonly kind: Kind<NonNullable<Value>>;
  /** `undefined` leaves the setting unset. */
  readonly default: Value;
  /** The default with `NODE_ENV=production`, where it differs. */
  readonly productionDefault?: Value;
  /** Describes the absence of a value, for settings whose default is unset or empty. */
  readonly unset?: string;
  /** A valid value, as an environment variable has it. Error messages show it. */
  readonly example: string;
  /**
   * A secret cannot be a flag. A value that may contain a password can be a flag if it contains none. Messages
   * quote neither.
   */
  readonly secrecy?: "secret" | "may contain a password";
  /**
   * One sentence for `--help`, the docs and the option's doc comment. It names another setting by its option, in
   * backticks: `dataDir`, which the help and the docs show as `DATA_DIR`.
   */
  readonly about: string;
  /** More sentences, for the docs and the doc comment. */
  readonly details?: string;
}

/** A setting of any kind. */
export type AnySetting =
  | Setting<string>
  | Setting<string | undefined>
  | Setting<number>
  | Setting<number | undefined>
  | Setting<boolean>
  | Setting<readonly string[]>
  | Setting<readonly string[] | undefined>;

/** @param values the valid values, for the docs */
export function text(rule: z.ZodType<string>, values?: string): Kind<string> {
  return {
    name: "text",
    type: "string",
    ...(values !== undefined && { values }),
    read: (written) => written,
    rule,
    write: String,
  };
}

/** @param unit what the number counts: `bytes` */
export function wholeNumber(min: number, max: number, unit?: string): Kind<number> {
  const error = `a whole number from ${min} to ${max}`;
  return {
    name: "whole number",
    type: "number",
    values: `${min} to ${max}${unit === undefined ? "" : ` ${unit}`}`,
    read: (written) => (/^\d+$/.test(written) ? Number(written) : written),
    rule: z.int(error).min(min, error).max(max, error),
    write: String,
  };
}

/**
 * Milliseconds in code, `30m` in the environment.
 *
 * @param min as the environment has it, like `max`
 */
export function duration(min: string, max: string): Kind<number> {
  const error = `a duration from ${min} to ${max}`;
  return {
    name: "duration",
    type: "number",
    values: `${min} to ${max}`,
    read: (written) => readDuration(written) ?? written,
    rule: z
      .int(error)
      .min(readDuration(min) ?? NaN, error)
      .max(readDuration(max) ?? NaN, error),
    write: writeDuration,
  };
}

export function boolean(): Kind<boolean> {
  return {
    name: "boolean",
    type: "boolean",
    values: "true, false",
    read: (written) => written === "true" || (written === "false" ? false : written),
    rule: z.boolean("true or false"),
    write: String,
  };
}

/** One of a few words. */
export function oneOf<const Word extends string>(words: readonly [Word, ...Word[]]): Kind<Word> {
  return {
    name: "enum",
    type: words.map((word) => JSON.stringify(word)).join(" | "),
    values: words.join(", "),
    read: (written) => written,
    rule: z.enum(words, `one of ${words.join(", ")}`),
    write: String,
  };
}

/** Comma-separated in the environment; blanks around an item and empty items are dropped. */
export function list(rule: z.ZodType<readonly string[]>): Kind<readonly string[]> {
  return {
    name: "list",
    type: "readonly string[]",
    values: "comma-separated",
    read: (written) => {
      const items = written.split(",").map((item) => item.trim());
      return items.filter((item) => item !== "");
    },
    rule,
    write: (items) => items.join(","),
  };
}

/** The rule for one secret, which must be long enough to resist guessing. */
export const secretText = z
  .string("a string")
  .refine((secret) => Buffer.byteLength(secret) >= 32, "at least 32 bytes long");
