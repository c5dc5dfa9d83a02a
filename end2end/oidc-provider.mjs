// A certified OAuth 2 server that nobody here wrote, for the interop tests: npm `oidc-provider`.
//
// PORT, REDIRECT_URI, CLIENT_ID and CLIENT_SECRET come from the environment. It counts its token and
// revocation calls itself: GET /_stats. It ends with the test that started it (standard input closes).
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const { PORT, REDIRECT_URI, CLIENT_ID, CLIENT_SECRET } = process.env;
const issuer = `http://127.0.0.1:${PORT}`;
const stats = { code: 0, refresh: 0, refused: 0, revocation: 0, reuse: 0 };

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      redirect_uris: [REDIRECT_URI],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_basic",
    },
  ],
  features: { revocation: { enabled: true }, devInteractions: { enabled: true } },
  pkce: { required: () => true },
  scopes: ["openid", "offline_access"],
  rotateRefreshToken: () => true,
  cookies: { keys: ["not a secret: it lives as long as a test"] },
  ttl: { AccessToken: 3600, RefreshToken: 14 * 24 * 3600, Grant: 14 * 24 * 3600, Session: 3600, Interaction: 600 },
});

provider.on("grant.success", (ctx) => {
  stats[ctx.oidc.params.grant_type === "refresh_token" ? "refresh" : "code"] += 1;
});
provider.on("grant.error", (_ctx, error) => {
  stats.refused += 1;
  if (/already/.test(error.error_detail ?? "")) stats.reuse += 1;
});
provider.use(async (ctx, next) => {
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
