/** Verifies JSON Web Tokens (HS256) with jose, as its documentation says. */
import { jwtVerify } from "jose";
import { serveVerifying } from "../servers/verifying.ts";

const key = new TextEncoder().encode(process.env["JWT_SECRET"]);

serveVerifying(async (token) => {
  const { payload } = await jwtVerify(token, key, { algorithms: ["HS256"] });
  return payload.sub !== undefined;
});
