#!/usr/bin/env node
/** The command `curfew`: serves GraphQL, explains tokens, and administers sessions and users. */
import { run } from "./cli/run.ts";

process.exitCode = await run(process.argv.slice(2));
