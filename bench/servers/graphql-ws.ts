/** A graphql-ws server without a check. */
import { serveSockets } from "./sockets.ts";

await serveSockets();
