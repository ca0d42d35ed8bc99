/** graphql-ws with what its documentation does with a token in `connection_init`: here, by jose. */
import { jwtVerify } from "jose";
import { serveSockets } from "../servers/sockets.ts";

const key = new TextEncoder().encode(process.env["JWT_SECRET"]);

await serveSockets(async ({ connectionParams }) => {
  const { token } = connectionParams as { token: string };
  const { payload } = await jwtVerify(token, key, { algorithms: ["HS256"] });
  return payload.sub !== undefined;
});
