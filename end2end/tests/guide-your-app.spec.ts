// The guide about the product's own API: what a page gives for a customer, by our own SDK and by the
// public ones, is what the API is then called with.
import { writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server as HttpServer } from "node:http";
import { join } from "node:path";
import { test, expect, type Page } from "../support/test.ts";
import { sample, shell } from "../support/guide.ts";
import { serverFolder } from "../support/run.ts";
import { apiKey } from "../support/secrets.ts";
import { freePort, Server, type Customer } from "../support/server.ts";
import { callOf } from "../support/table.ts";
import { bundle, LEGACY, NEW } from "../support/vendors.ts";

const GUIDE = "your-app";

/** The product: its page, and its API, which says who called. */
class Product {
  /** What `/page` runs, and what `/user-credentials` answers. */
  script = "";
  credentials: unknown = {};
  private constructor(private readonly server: HttpServer, readonly port: number, readonly url: string) {}

  static async start(says: (headers: IncomingHttpHeaders) => unknown): Promise<Product> {
    const port = await freePort();
    const server = createServer((request, response) => {
      const type = (name: string) => response.setHeader("content-type", `${name}; charset=utf-8`);
      if (request.url === "/v1/orders") return void type("application/json").end(JSON.stringify(says(request.headers) ?? null));
      if (request.url === "/user-credentials") return void type("application/json").end(JSON.stringify(product.credentials));
      if (request.url === "/settings.js") return void type("text/javascript").end(product.script);
      type("text/html").end('<!doctype html><html lang="en"><title>Settings</title><script type="module" src="settings.js"></script>');
    });
    await new Promise<void>((done) => server.listen(port, "localhost", done));
    const product = new Product(server, port, `http://localhost:${port}`);
    return product;
  }

  /** A server that calls this API as the guide's configuration says. */
  async hitchpost(config: string): Promise<Server> {
    const more = sample(config, { "https://api.acme.com": this.url }, GUIDE);
    return Server.start({ integrations: [["stripe", "stripe"]], more: `${more}\n[server]\negress_allow = ["localhost:${this.port}"]\n` });
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

/** Calls the API as a customer, from the backend. */
async function ask(server: Server, customer: Customer): Promise<unknown> {
  const token = server.token({ id: customer.id, isAdmin: true });
  const answer = await fetch(`${server.bound}/self/proxy/orders`, { headers: { authorization: `Bearer ${token}` } });
  return answer.json();
}

const CLIENTS = [
  { name: "our own SDK", script: (code: string) => code },
  { name: NEW.name, script: (code: string, url: string) => published(code, url, "@membranehq/sdk", "MembraneClient") },
  { name: LEGACY.name, script: (code: string, url: string) => published(code, url, "@integration-app/sdk", "IntegrationAppClient") },
];

/** The same lines with a public SDK. */
function published(code: string, url: string, sdk: string, client: string): string {
  const [imported, ...rest] = code.replaceAll("HitchpostClient", client).split("\n\n");
  const lines = rest.join("\n\n").replace("{\n  token", `{\n  apiUri: "${url}",\n  uiUri: "${url}",\n  token`);
  return bundle(`${imported.replace(/".*"/, `"${sdk}"`)}\n(async () => {${lines}})();`);
}

test.describe("with a key that the customer gives", () => {
  let product: Product;
  let server: Server;
  test.beforeAll(async () => {
    product = await Product.start((headers) => ({ authorization: headers.authorization }));
    server = await product.hitchpost("config");
  });
  test.afterAll(async () => {
    await server?.stop();
    await product?.stop();
  });

  async function open(page: Page, script: (code: string, url: string) => string, code: string): Promise<void> {
    product.script = script(code, server.url);
    await page.goto(product.url);
  }

  for (const { name, script } of CLIENTS) {
    // Acceptance 67 to 70.
    test(`credentials, fetchCredentials and self.patch of ${name}`, callOf("credentials, fetchCredentials, self.patch", { name }), async ({ page }) => {
      const [first, second] = [server.customer(), server.customer()];
      const keys = [apiKey("key_", "first"), apiKey("key_", "second"), apiKey("key_", "third")];
      const text = (value: string) => JSON.stringify(value);
      const names = (customer: Customer, key: string) => ({ "http://localhost:7080": server.url, TOKEN: text(customer.token), KEY: text(key) });

      await open(page, script, sample("credentials", names(first, keys[0]), GUIDE));
      await expect.poll(() => ask(server, first)).toEqual({ authorization: `Bearer ${keys[0]}` });

      product.credentials = { apiKey: keys[1] };
      const fetching = sample("fetch-credentials", names(second, ""), GUIDE);
      await open(page, script, fetching);
      await expect.poll(() => ask(server, second)).toEqual({ authorization: `Bearer ${keys[1]}` });

      const made = sample("credentials", names(second, ""), GUIDE).replace(/\n  credentials: .*/, "");
      await open(page, script, `${made}\n\n${sample("patch", names(second, keys[2]), GUIDE)}`);
      await expect.poll(() => ask(server, second)).toEqual({ authorization: `Bearer ${keys[2]}` });
      expect(await ask(server, first)).toEqual({ authorization: `Bearer ${keys[0]}` });
    });
  }

  test("the call of the guide, and what it says of credentials that do not fit", async () => {
    const customer = server.customer({ id: "customer-42" });
    const give = (credentials: unknown) =>
      fetch(`${server.bound}/self`, {
        method: "PATCH",
        headers: { authorization: `Bearer ${customer.token}`, "content-type": "application/json" },
        body: JSON.stringify({ credentials }),
      });

    const refused = await give({});
    const key = apiKey("key_", "called");
    expect((await give({ apiKey: key })).status).toBe(200);
    const called = await shell(sample("call", { "http://localhost:7080": server.url }, GUIDE), server);

    expect(refused.status).toBe(400);
    expect(await refused.json()).toEqual(JSON.parse(sample("refusal", {}, GUIDE)));
    expect(JSON.parse(called)).toEqual({ authorization: `Bearer ${key}` });
  });
});

// Acceptance 71.
test("a token of ours says who the customer is, checked as the guide checks it", async () => {
  const file = join(serverFolder(), "verify.mjs");
  writeFileSync(file, sample("verify", {}, GUIDE));
  const { customerOf } = (await import(file)) as { customerOf(token: string): string | null };
  const product = await Product.start((headers) => ({ token: headers["x-membrane-token"] }));
  const server = await product.hitchpost("token-config");
  try {
    const customer = server.customer();
    const { token } = (await ask(server, customer)) as { token: string };
    process.env.ACME_SECRET = server.key;

    expect(customerOf(token)).toBe(customer.id);
    const [header, claims, signature] = token.split(".");
    const others = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(claims, "base64url").toString()), sub: "another" })).toString("base64url");
    for (const wrong of [`${header}.${others}.${signature}`, `${header}.${claims}.`, `${header}.${claims}`, server.token({ sub: "x", exp: 1 }), ""]) {
      expect(customerOf(wrong), wrong).toBeNull();
    }
    process.env.ACME_SECRET = "another secret";
    expect(customerOf(token)).toBeNull();
  } finally {
    delete process.env.ACME_SECRET;
    await server.stop();
    await product.stop();
  }
});
