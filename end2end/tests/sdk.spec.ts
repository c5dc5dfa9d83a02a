// Our own SDK without its windows: lists and calls, tokens, errors, its size, its types, and the package.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { test, expect } from "../support/test.ts";
import { apiKey } from "../support/secrets.ts";
import { came, sdkPage, start } from "../support/sdk.ts";
import { Sites } from "../support/tls.ts";
import { allOf } from "../support/table.ts";

allOf("lists, calls, types and size");

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");

test("lists, calls and changes do what they say", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const key = apiKey("sk_test_", "sandbox");

  await start(page, sdkPage(sites, customer.token, `
    const made = await client.integration("stripe").connect({ input: { api_key: "${key}" }, name: "First" });
    const connection = client.connection(made.id);
    const found = await client.integrations.find({ search: "hubs", cursor: "", nothing: null });
    const pages = [await client.integrations.find({ limit: 5 })];
    pages.push(await client.integrations.find({ limit: 5, cursor: pages[0].cursor }));
    return {
      made: made.id,
      found: found.items.map((one) => one.key),
      pages: pages.map((one) => one.items.length),
      all: (await client.integrations.findAll()).length,
      integration: (await client.integration("stripe").get()).connection.id,
      renamed: (await connection.patch({ name: "Second" })).name,
      connections: (await client.connections.find({ integrationKey: "stripe" })).items.map((one) => one.name),
      account: await connection.proxy.get("v1/account"),
      renewal: await connection.refreshCredentials().catch((error) => error.data.data.reason),
      self: (await client.self.get()).internalId,
      raw: (await client.request("GET", "/connections", undefined, { limit: 1 })).items.length,
      archived: await connection.archive(),
      left: (await client.connections.findAll()).length,
    };`));

  const { value, error } = await came(page);
  expect(error).toBeUndefined();
  const { made, ...rest } = value as { made: string; [more: string]: unknown };
  expect(rest).toMatchObject({
    found: ["hubspot"], pages: [5, 5], all: 27, integration: made, renamed: "Second", connections: ["Second"],
    account: expect.objectContaining({ id: expect.any(String) }), renewal: "not_renewable", self: customer.id, raw: 1, left: 0,
  });
  expect(await customer.connections()).toEqual([]);
});

test("errors have a type, a key, a sentence and the body", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const failing = async (code: string) => {
    await start(page, sdkPage(sites, customer.token, code));
    return (await came(page)).error;
  };

  const unknown = await failing('return client.integration("no such/app").get();');
  const unreachable = await failing('return new Hitchpost.HitchpostClient({ url: "https://evil.test:1", token: "a.b.c" }).self.get();');
  const nobody = await failing("return new Hitchpost.HitchpostClient().self.get();");
  const wrong = await failing('return new Hitchpost.HitchpostClient({ token: "a.b.c" }).self.get();');

  expect(unknown).toMatchObject({ name: "HitchpostError", type: "bad_request", key: "not_found", status: 404 });
  expect(unknown?.data).toMatchObject({ type: "bad_request", key: "not_found", message: unknown?.message, data: { reason: "not_found" } });
  expect(unreachable).toMatchObject({ type: "network", key: "unreachable" });
  expect(nobody).toMatchObject({ type: "bad_request", key: "not_authenticated" });
  expect(nobody?.status).toBeUndefined();
  expect(wrong).toMatchObject({ type: "bad_request", key: "not_authenticated", status: 401 });
});

test("a token is fetched when it is needed, by one of many calls, and anew when it is refused or ends", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const soon = sites.server.token({ id: customer.id, exp: Math.floor(Date.now() / 1000) + 20 });
  const client = (tokens: string[]) => `
    const tokens = ${JSON.stringify(tokens)};
    const fetching = new Hitchpost.HitchpostClient({ fetchToken: async () => { told.push(tokens.length); return tokens.length > 1 ? tokens.shift() : tokens[0]; } });`;

  await start(page, sdkPage(sites, customer.token, `${client([customer.token])}
    told.push("made");
    const ids = await Promise.all([1, 2, 3].map(() => fetching.self.get().then((own) => own.internalId)));
    return [...ids, (await fetching.self.get()).internalId];`));
  const shared = await came(page);
  await start(page, sdkPage(sites, customer.token, `${client(["a.b.c", customer.token])} return Promise.all([fetching.self.get(), fetching.self.get()]).then((all) => all.length);`));
  const refused = await came(page);
  await start(page, sdkPage(sites, customer.token, `${client(["a.b.c", "a.b.d"])} return fetching.self.get();`));
  const twice = await came(page);
  await start(page, sdkPage(sites, customer.token, `${client([soon, customer.token])} await fetching.self.get(); return (await fetching.self.get()).internalId;`));
  const ending = await came(page);

  expect(shared).toMatchObject({ value: Array(4).fill(customer.id), told: ["made", 1] });
  expect(refused).toMatchObject({ value: 2, told: [2, 1] });
  expect(twice.error).toMatchObject({ key: "not_authenticated", status: 401 });
  expect(twice.told).toHaveLength(2);
  expect(ending).toMatchObject({ value: customer.id, told: [2, 1] });
});

test("credentials are there before the first call, and what is not taken is said", async ({ page }) => {
  const sites = await Sites.start({
    more: `[workspace.your_app]
base_uri = "https://api.acme.example"
auth = { type = "api-key", use = { headers = { Authorization = "Bearer {{credentials.apiKey}}" } } }
credentials_schema = { type = "object", required = ["apiKey"], properties = { apiKey = { type = "string" } } }
`,
  });
  try {
    const said: string[] = [];
    page.on("console", (message) => void (message.text().startsWith("Hitchpost:") && said.push(message.text())));
    await page.goto(sites.page(sites.product, "/credentials", "<h1>Settings</h1>"));
    const own = (options: string) => page.evaluate(`import("${sites.ours}/sdk.js").then(async ({ HitchpostClient }) => {
      const client = new HitchpostClient({ token: "${sites.server.customer().token}", ${options} });
      const before = (await client.self.get()).hasCredentials;
      await client.setCredentials({ apiKey: "another" });
      return [before, (await client.self.get()).hasCredentials];
    })`);

    expect(await own(`credentials: { apiKey: "mine" }`)).toEqual([true, true]);
    expect(await own(`fetchCredentials: async () => ({ apiKey: "mine" })`)).toEqual([true, true]);
    expect(said).toEqual([]);
    expect(await own(`credentials: {}`)).toEqual([false, true]);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain("the credentials were not taken");
  } finally {
    await sites.stop();
  }
});

test("each file is under 5 KB as it is sent", async ({ server }) => {
  for (const path of ["/sdk.js", "/sdk.global.js", "/sdk.d.ts"]) {
    for (const encoding of ["br", "gzip", "gzip, deflate, br, zstd"]) {
      const answered = await new Promise<IncomingMessage>((done, fail) => {
        get(server.bound + path, { headers: { "accept-encoding": encoding } }, done).on("error", fail);
      });
      const parts: Buffer[] = [];
      for await (const part of answered) parts.push(part as Buffer);
      const sent = Buffer.concat(parts);
      const packed = answered.headers["content-encoding"];
      const whole = packed === "br" ? brotliDecompressSync(sent) : gunzipSync(sent);
      console.log(`${path} as ${encoding}: ${sent.length} of ${whole.length} bytes`);
      expect(whole.toString()).toContain("HitchpostClient");
      expect(sent.length, `${path} as ${encoding}`).toBeLessThan(5_000);
    }
  }
});

/** A folder of a product that installed the package, as `npm pack` makes it. */
function installed(): string {
  const folder = test.info().outputPath("product");
  const modules = join(folder, "node_modules/@hitchpost");
  mkdirSync(modules, { recursive: true });
  const [packed] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", folder, join(ROOT, "sdk")], { encoding: "utf8" }));
  execFileSync("tar", ["-xzf", join(folder, packed.filename), "-C", folder]);
  cpSync(join(folder, "package"), join(modules, "sdk"), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  return folder;
}

test("the package works in Node and says what needs a browser", async ({ server }) => {
  const folder = installed();
  const customer = server.customer({ name: "Zoë" });
  writeFileSync(join(folder, "main.mjs"), `
    import { configure, connect, HitchpostClient, HitchpostError } from "@hitchpost/sdk";
    const nowhere = (() => { try { new HitchpostClient({ token: "a" }); } catch (error) { return [error instanceof HitchpostError, error.key]; } })();
    configure({ url: "${server.bound}/" });
    const client = new HitchpostClient({ fetchToken: () => process.env.TOKEN });
    const { items } = await client.integrations.find({ search: "hubspot" });
    const refused = (promise) => promise.then(() => "nothing", (error) => error.key);
    console.log(JSON.stringify([
      nowhere, items.map((one) => one.key), (await client.self.get()).name,
      await refused(client.integration("hubspot").connect()), await refused(connect("jira", process.env.TOKEN)),
    ]));`);

  const said = execFileSync("node", ["main.mjs"], { cwd: folder, encoding: "utf8", env: { ...process.env, TOKEN: customer.token } });

  expect(JSON.parse(said)).toEqual([[true, "no_url"], ["hubspot"], "Zoë", "no_page", "no_page"]);
  expect(readdirSync(join(folder, "package")).sort()).toEqual(["README.md", "hitchpost.d.ts", "hitchpost.js", "package.json"]);
});

test("a bundler takes only what is used, and what it makes works in a page", async ({ page, sites }) => {
  const folder = installed();
  const { outputFiles } = buildSync({
    stdin: { contents: 'import { configure, HitchpostClient } from "@hitchpost/sdk"; window.Own = { configure, HitchpostClient };', resolveDir: folder },
    bundle: true, write: false, minify: true, format: "iife",
  });
  const customer = sites.server.customer();
  await page.goto(sites.page(sites.product, "/bundled", `<script>${outputFiles[0].text}</script>`));

  const found = await page.evaluate(`Own.configure({ url: "${sites.ours}" }), new Own.HitchpostClient({ token: "${customer.token}" }).connections.find()`);

  expect(found).toMatchObject({ items: [] });
  expect(outputFiles[0].text).not.toContain("customer_id");
});

test("the types fit what programs write, and refuse what cannot work", () => {
  const folder = installed();
  const samples = ["docs/sdk.md", "sdk/README.md"].flatMap((path) => {
    const text = readFileSync(join(ROOT, path), "utf8");
    return [...text.matchAll(/^```(js|ts)\n([^]*?)^```$/gm)].map(([, , code]) => code);
  });
  expect(samples.length).toBeGreaterThanOrEqual(6);
  samples.forEach((code, i) => writeFileSync(join(folder, `sample${i}.ts`), code));
  cpSync(join(ROOT, "end2end/support/sdk-program.ts"), join(folder, "program.ts"));
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({
    compilerOptions: { strict: true, noEmit: true, target: "es2022", module: "nodenext", lib: ["es2022", "dom"], types: [] },
    include: ["*.ts"],
  }));

  const tsc = join(ROOT, "end2end/node_modules/.bin/tsc");
  let said = "";
  try {
    execFileSync(tsc, ["-p", folder], { encoding: "utf8" });
  } catch (error) {
    said = String((error as { stdout: string }).stdout);
  }

  expect(said).toBe("");
});
