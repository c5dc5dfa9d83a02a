// A certified OAuth 2 server that nobody here wrote, for the interop tests: npm `oidc-provider`.
//
// PORT and CLIENTS come from the environment; ROTATES=no keeps a refresh token good after it was used. CLIENTS is a JSON list of client metadata (RFC 7591) in which
// `public_key` may stand for `jwks`: a PEM. What a client leaves out it gets from DEFAULTS. It counts its calls
// itself: GET /_stats. It ends with the test that started it (standard input closes).
import { createPublicKey } from "node:crypto";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const { PORT, CLIENTS, ROTATES } = process.env;
const issuer = `http://127.0.0.1:${PORT}`;
const stats = {
  code: 0,
  refresh: 0,
  client_credentials: 0,
  pushed: 0,
  assertion: 0,
  refused: 0,
  revocation: 0,
  reuse: 0,
  resource: 0,
};

const DEFAULTS = {
  redirect_uris: [],
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  token_endpoint_auth_method: "client_secret_basic",
};

function client({ public_key: publicKey, ...metadata }) {
  if (publicKey) metadata.jwks = { keys: [createPublicKey(publicKey).export({ format: "jwk" })] };
  return { ...DEFAULTS, ...metadata };
}

const provider = new Provider(issuer, {
  clients: JSON.parse(CLIENTS).map(client),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    revocation: { enabled: true },
  },
  clientAuthMethods: ["client_secret_basic", "private_key_jwt"],
  pkce: { required: () => true },
  scopes: ["openid", "offline_access", "read"],
  rotateRefreshToken: () => ROTATES !== "no",
  cookies: { keys: ["not a secret: it lives as long as a test"] },
  ttl: {
    AccessToken: 3600,
    ClientCredentials: 3600,
    RefreshToken: 14 * 24 * 3600,
    Grant: 14 * 24 * 3600,
    Session: 3600,
    Interaction: 600,
  },
});

const GRANTS = { authorization_code: "code", refresh_token: "refresh" };

function proven(ctx) {
  if (ctx.oidc.body?.client_assertion) stats.assertion += 1;
}

provider.on("grant.success", (ctx) => {
  const grant = ctx.oidc.params.grant_type;
  stats[GRANTS[grant] ?? grant] += 1;
  proven(ctx);
});
provider.on("grant.error", (_ctx, error) => {
  stats.refused += 1;
  if (/already/.test(error.error_detail ?? "")) stats.reuse += 1;
});
provider.on("pushed_authorization_request.success", (ctx) => {
  stats.pushed += 1;
  proven(ctx);
});
provider.on("pushed_authorization_request.error", () => {
  stats.refused += 1;
});

// What a client's own token opens: /me is for people's.
async function resource(ctx) {
  const [scheme, token] = (ctx.get("authorization") || "").split(" ");
  const known = scheme === "Bearer" && token && (await provider.ClientCredentials.find(token));
  if (!known?.isValid) {
    ctx.status = 401;
    ctx.set("www-authenticate", "Bearer");
    return;
  }
  stats.resource += 1;
  ctx.body = { id: known.clientId, scope: known.scope ?? "" };
}

provider.use(async (ctx, next) => {
  if (ctx.path === "/resource") return resource(ctx);
  await next();
  if (ctx.path === "/token/revocation" && ctx.status === 200) stats.revocation += 1;
});

const handle = provider.callback();
createServer((request, response) => {
  if (request.url === "/_stats") {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(stats));
    return;
  }
  handle(request, response);
}).listen(Number(PORT), "127.0.0.1", () => console.log("listening"));

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
