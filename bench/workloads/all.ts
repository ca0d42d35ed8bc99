/** All workloads by name, in their order. */
import type { Workload } from "../harness/workload.ts";
import { connect } from "./connect.ts";
import { fanout } from "./fanout.ts";
import { http } from "./http.ts";
import { idle } from "./idle.ts";
import { login } from "./login.ts";
import { logout } from "./logout.ts";
import { mass } from "./mass.ts";
import { operations } from "./operations.ts";
import { recheck } from "./recheck.ts";
import { renew } from "./renew.ts";
import { sockets } from "./sockets.ts";
import { token } from "./token.ts";

export const workloads: Readonly<Record<string, Workload>> = {
  http,
  token,
  connect,
  sockets,
  idle,
  logout,
  mass,
  renew,
  login,
  operations,
  fanout,
  recheck,
};
