#!/usr/bin/env node
/** The command `curfew`: serves, explains tokens, and does what operators ask for. */
import { run } from "./cli/run.ts";

process.exitCode = await run(process.argv.slice(2));
