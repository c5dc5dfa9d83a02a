import { createHmac } from "node:crypto";
import { secret } from "./secrets.ts";

/** Claims of a customer's token; `id` is the customer. */
export interface Claims {
  iss?: string;
  id?: string;
  name?: string;
  exp?: number;
  [claim: string]: unknown;
}

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Signs a token as a product's backend would: HS256 with the workspace's secret. */
export function signToken(workspace: string, key: string, claims: Claims): string {
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ iss: workspace, iat: now, exp: now + 3600, ...claims })}`;
  return secret("customer token", `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`);
}
