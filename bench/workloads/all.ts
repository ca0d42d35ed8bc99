/** All workloads by name, in their order. */
import type { Workload } from "../harness/workload.ts";
import { connect } from "./connect.ts";
import { fanout } from "./fanout.ts";
import { http } from "./http.ts";
import { sockets } from "./sockets.ts";

export const workloads: Readonly<Record<string, Workload>> = { http, connect, sockets, fanout };
