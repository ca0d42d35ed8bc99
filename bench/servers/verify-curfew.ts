/** Verifies Curfew's access tokens. */
import { KeyRing } from "../../src/session/keys.ts";
import { checkToken } from "../../src/session/token.ts";
import { serveVerifying } from "./verifying.ts";

const ring = new KeyRing([process.env["CURFEW_SECRETS"] ?? ""]);

serveVerifying((token) => checkToken(ring, token, "access", Date.now()).ok);
