/** Estimates how many bytes of the heap a value takes. */
import type { DocumentNode } from "graphql";

/**
 * Sizes of V8's objects on a 64-bit machine, in bytes. A string takes 24 plus its characters. An array or an object
 * takes 40, plus 8 for each item or field. Each distinct field name takes 100, for V8's description of the objects'
 * shape. A node of a document takes 16 more, because it is built field by field; its empty lists are shared. A node's
 * location retains its share of the tokens (two of 90 bytes) and the source text. A test compares the estimate with
 * the heap.
 */
const sizes = { text: 24, object: 40, slot: 8, name: 100, node: 16, location: 220 };

/** V8 copies a shorter substring instead of referencing its parent string. */
const minSliceLength = 13;

/** Characters beyond Latin-1 make each character of a string take two bytes. */
const onlyLatin1 = /^[\0-\xff]*$/;

/** Copies a string, because V8 keeps the whole parent string of a substring alive. */
export function copyText(text: string): string {
  if (text.length < minSliceLength) return text;
  const encoding = text.isWellFormed() ? "utf8" : "utf16le";
  return Buffer.from(text, encoding).toString(encoding);
}

/** Returns the bytes that a JSON value takes. */
export function footprintOf(value: unknown): number {
  return countBytes(value, false);
}

function countBytes(value: unknown, areNodes: boolean): number {
  let bytes = 0;
  const names = new Set<string>();
  // No recursion: values of clients may be nested more deeply than the call stack allows.
  const open: unknown[] = [value];
  while (open.length > 0) {
    const one = open.pop();
    if (typeof one === "string") bytes += textFootprint(one);
    else if (typeof one === "number") bytes += sizes.slot;
    else if (Array.isArray(one)) {
      bytes += sizes.object + sizes.slot * one.length;
      for (const item of one) open.push(item);
    } else if (typeof one === "object" && one !== null) {
      bytes += sizes.object + (areNodes ? sizes.node : 0);
      for (const [name, part] of Object.entries(one)) {
        if (areNodes && name === "loc") bytes += part === undefined ? 0 : sizes.location;
        else if (!areNodes || !isShared(name, part)) open.push(part);
        bytes += sizes.slot;
        if (!names.has(name)) bytes += sizes.name + name.length;
        names.add(name);
      }
    }
  }
  return bytes;
}

/** Whether all nodes share this field's value. */
function isShared(name: string, part: unknown): boolean {
  return name === "kind" || (Array.isArray(part) && part.length === 0);
}

function textFootprint(text: string): number {
  return sizes.text + (onlyLatin1.test(text) ? text.length : 2 * text.length);
}

const documentFootprints = new WeakMap<DocumentNode, number>();

/** Returns the bytes that a document takes, with its source text if it has locations. Counts each document once. */
export function documentFootprint(document: DocumentNode): number {
  const known = documentFootprints.get(document);
  if (known !== undefined) return known;
  const source = document.loc?.source.body;
  const bytes = countBytes(document, true) + (source === undefined ? 0 : textFootprint(source));
  documentFootprints.set(document, bytes);
  return bytes;
}
