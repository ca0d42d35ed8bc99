/** Estimates how many bytes of the heap a value keeps. */
import type { DocumentNode } from "graphql";

/**
 * The estimate counts the objects of V8 on a 64-bit machine: 24 bytes and its characters for a text; 40 bytes
 * for an array or an object, and 8 for each item or field; 100 bytes for each name that objects of this value
 * have, since V8 keeps a description of them. A node of a document takes 16 bytes more, since it is made field
 * by field, and its empty lists are shared; its location, where it has one, keeps its share of the tokens (two of 90 bytes) and the source
 * text. A test compares the estimate with the heap.
 */
const sizes = { text: 24, object: 40, slot: 8, name: 100, node: 16, location: 220 };

/** Shorter texts are copied when they are cut out of another. */
const shortestSlice = 13;

/** Longer characters take two bytes each. */
const onlyLatin1 = /^[\0-\xff]*$/;

/** A text that keeps no other: V8 makes what is cut out of a text a view of the whole. */
export function copyText(text: string): string {
  if (text.length < shortestSlice) return text;
  const encoding = text.isWellFormed() ? "utf8" : "utf16le";
  return Buffer.from(text, encoding).toString(encoding);
}

/** Bytes that a value of JSON keeps. */
export function footprintOf(value: unknown): number {
  return count(value, false);
}

function count(value: unknown, areNodes: boolean): number {
  let bytes = 0;
  const names = new Set<string>();
  // Not by recursion: what clients send may be nested deeper than the stack is.
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

/** Of a node. */
function isShared(name: string, part: unknown): boolean {
  return name === "kind" || (Array.isArray(part) && part.length === 0);
}

function textFootprint(text: string): number {
  return sizes.text + (onlyLatin1.test(text) ? text.length : 2 * text.length);
}

const documents = new WeakMap<DocumentNode, number>();

/** Bytes that a document keeps, with its source text if it has locations; each is counted through once. */
export function documentFootprint(document: DocumentNode): number {
  const known = documents.get(document);
  if (known !== undefined) return known;
  const source = document.loc?.source.body;
  const bytes = count(document, true) + (source === undefined ? 0 : textFootprint(source));
  documents.set(document, bytes);
  return bytes;
}
