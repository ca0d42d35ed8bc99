#!/usr/bin/env node
/** The command `curfew`: serves GraphQL, explains tokens, and administers sessions and users. */
import { runCommandLine } from "./cli/run.ts";

process.exitCode = await runCommandLine(process.argv.slice(2));
