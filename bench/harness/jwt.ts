/** Creates a JSON Web Token in a process of its own, because jose is installed for the peers only. */
import { Actor } from "./processes.ts";

export interface Signing {
  readonly secret: string;
}

export interface Signer extends Readonly<Record<string, (argument: Signing) => unknown>> {
  readonly sign: (argument: Signing) => Promise<string>;
}

export async function signedJwt(secret: string): Promise<string> {
  await using signer = await Actor.start<Signer>("peers/jose-signer.ts");
  return await signer.ask("sign", { secret });
}
