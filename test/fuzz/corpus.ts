/** The inputs that cost most of all that fuzzing found: they are played first, and the file grows. */
import { readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";

const file = new URL("worst.json", import.meta.url);

/** The bodies of GraphQL requests, which are also the payloads of `subscribe`, by a name for each. */
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

/** Most of them repeat themselves, and are small when they are packed. */
export function writeCorpus(corpus: Corpus): void {
  const packed = Object.entries(corpus).map(([name, text]) => [
    name,
    gzipSync(text, { level: 9 }).toString("base64"),
  ]);
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(packed), null, 2)}\n`);
}
