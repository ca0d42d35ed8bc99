/** Signs a token like that of a login, when ordered to. */
import { SignJWT } from "jose";
import type { Signer } from "../harness/jwt.ts";
import { serveOrders } from "../harness/orders.ts";

const orders: Signer = {
  sign: ({ secret }) =>
    new SignJWT({ sid: crypto.randomUUID() })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject(crypto.randomUUID())
      .setIssuedAt()
      .setExpirationTime("30m")
      .sign(new TextEncoder().encode(secret)),
};

serveOrders(orders);
