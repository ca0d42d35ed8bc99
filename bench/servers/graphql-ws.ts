/** graphql-ws that lets everybody in. */
import { serveSockets } from "./sockets.ts";

await serveSockets();
