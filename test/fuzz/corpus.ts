/** Reads and writes worst.json: the most expensive inputs that fuzzing has found, which cost.test.ts sends first. */
import { readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";

const file = new URL("worst.json", import.meta.url);

/** Bodies of GraphQL requests, by name; they also serve as payloads of `subscribe`. */
export type Corpus = Readonly<Record<string, string>>;

export function readCorpus(): Corpus {
  const packed = JSON.parse(readFileSync(file, "utf8")) as Corpus;
  return Object.fromEntries(
    Object.entries(packed).map(([name, text]) => [
      name,
      gunzipSync(Buffer.from(text, "base64")).toString(),
    ]),
  );
}

/** Compresses the inputs: most are repetitive. */
export function writeCorpus(corpus: Corpus): void {
  const packed = Object.entries(corpus).map(([name, text]) => [
    name,
    gzipSync(text, { level: 9 }).toString("base64"),
  ]);
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(packed), null, 2)}\n`);
}
