/** The process that generates load on servers. */
import { serveOrders } from "../harness/orders.ts";
import { closedLoop, openLoop } from "./http.ts";
import {
  allClosed,
  allReceived,
  connectAll,
  terminateAll,
  logouts,
  operate,
  subscribeAll,
} from "./sockets.ts";

const orders = {
  closedLoop,
  openLoop,
  connectAll,
  terminateAll,
  subscribeAll,
  operate,
  allReceived,
  allClosed,
  logouts,
};
export type LoadOrders = typeof orders;

serveOrders(orders);
