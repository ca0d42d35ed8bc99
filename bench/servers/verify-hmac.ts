/** The lower limit: an HMAC over as many bytes as a token of Curfew signs, and its comparison, without a token. */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { serveVerifying } from "./verifying.ts";

const key = randomBytes(32);
const content = randomBytes(34);
const mac = () => createHmac("sha256", key).update(content).digest();
const expected = mac();

serveVerifying(() => timingSafeEqual(mac(), expected));
