/** The process that puts load on servers. */
import { obey } from "../harness/orders.ts";
import { closedLoop, openLoop } from "./http.ts";
import {
  allClosed,
  allTold,
  connectAll,
  cutAll,
  logouts,
  operate,
  subscribeAll,
} from "./sockets.ts";

const orders = {
  closedLoop,
  openLoop,
  connectAll,
  cutAll,
  subscribeAll,
  operate,
  allTold,
  allClosed,
  logouts,
};
export type LoadOrders = typeof orders;

obey(orders);
