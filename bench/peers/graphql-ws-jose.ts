/** A graphql-ws server that verifies the token of `connection_init` with jose, as its documentation suggests. */
import { jwtVerify } from "jose";
import { serveSockets } from "../servers/sockets.ts";

const key = new TextEncoder().encode(process.env["JWT_SECRET"]);

await serveSockets(async ({ connectionParams }) => {
  const { token } = connectionParams as { token: string };
  const { payload } = await jwtVerify(token, key, { algorithms: ["HS256"] });
  return payload.sub !== undefined;
});
