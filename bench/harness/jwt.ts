/** A JSON Web Token, which only the process that has jose can make. */
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
