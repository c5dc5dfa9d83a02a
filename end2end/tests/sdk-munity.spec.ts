// connect() of our own SDK in the way of Munity's, with tokens that only the product's private key signs.
// Its samples, and how tokens are signed here, are those of docs/munity.md.
import { execFileSync } from "node:child_process";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { test, expect, type Page } from "../support/test.ts";
import { answer } from "../support/flows.ts";
import { sample } from "../support/guide.ts";
import { serverFolder } from "../support/run.ts";
import { apiKey, secret } from "../support/secrets.ts";
import { came, sdkPage, start } from "../support/sdk.ts";
import { Customer } from "../support/server.ts";
import { Sites } from "../support/tls.ts";
import { allOf } from "../support/table.ts";

allOf("connect() of Munity");

const GUIDE = "munity";
const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** What the guide's backend does. */
interface Backend {
  sign(claims: Record<string, unknown>): string;
  importDone(customer: string, connection: string): Promise<void>;
}

let sites: Sites;
let backend: Backend;
test.beforeAll(async () => {
  const folder = serverFolder();
  writeFileSync(join(folder, "munity.pub.pem"), keys.publicKey.export({ type: "spki", format: "pem" }));
  sites = await Sites.start((product) => ({
    more: [
      sample("workspace", { "file:munity.pub.pem": `file:${folder}/munity.pub.pem`, "https://app.acme.com": product }, GUIDE),
      ...["hubspot", "stripe", "zendesk"].map((key) => `[[workspace.integration]]\nkey = "${key}"\nsandbox = true`),
    ].join("\n\n"),
  }));
  process.env.MUNITY_KEY = keys.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  const names = { "http://localhost:7080": sites.server.bound };
  writeFileSync(join(folder, "backend.mjs"), `${sample("sign", names, GUIDE)}\n${sample("import-done", names, GUIDE)}`);
  backend = (await import(join(folder, "backend.mjs"))) as Backend;
});
test.afterAll(() => sites.stop());

/** Signs as the documents of Munity show it, without an end. */
function sign(claims: Record<string, unknown>): string {
  return secret("customer token", backend.sign({ exp: undefined, ...claims }));
}

let customers = 0;
function customer(): Customer {
  customers += 1;
  const id = `customer_${process.pid}_${customers}`;
  return new Customer(sites.server, id, sign({ customer_id: id }));
}

const munity = (token: string, connector: string, more = "") =>
  sdkPage(sites, token, `return Hitchpost.connect("${connector}", ${JSON.stringify(token)}, (data) => told.push(data)${more});`);

async function popupOf(page: Page, address: string): Promise<Page> {
  const [popup] = await Promise.all([page.waitForEvent("popup"), start(page, address)]);
  return popup;
}

const told = (page: Page) => page.evaluate(() => (window as unknown as { told: unknown[] }).told);

test("it is true when the connection is ready, and the callback hears of each import", async ({ page }) => {
  const who = customer();

  await answer(await popupOf(page, munity(who.token, "jira")));

  expect(await came(page)).toMatchObject({ value: true });
  const [{ id }] = await who.connections();
  expect(await told(page)).toEqual([{ status: "READY", type: "READY", message: id }]);
  await backend.importDone(who.id, id);
  await expect.poll(() => told(page)).toHaveLength(2);
  await backend.importDone(who.id, id);
  await expect.poll(() => told(page)).toHaveLength(3);
  expect((await told(page)).slice(1)).toEqual(Array(2).fill({ status: "IMPORT_DONE", type: "IMPORT_DONE", message: id }));
});

test("an error rejects and is called back, and a callback that throws spoils nothing", async ({ page }) => {
  const who = customer();
  const thrower = `, (data) => { told.push(data); throw new Error("theirs"); }`;
  const code = `return Hitchpost.connect("hubspot", ${JSON.stringify(who.token)}${thrower});`;

  await answer(await popupOf(page, sdkPage(sites, who.token, code)), { scenario: "deny" });
  const denied = await came(page);
  await answer(await popupOf(page, sdkPage(sites, who.token, code)));
  const ready = await came(page);

  expect(denied.error).toMatchObject({ type: "connection", key: "access_denied_by_provider" });
  expect(denied.error?.data).toMatchObject({ key: "access_denied_by_provider" });
  expect(denied.told).toEqual([{ status: "error", type: "error", message: denied.error?.message }]);
  expect(ready).toMatchObject({ value: true, told: [{ type: "READY" }] });
});

test("what the customer calls off rejects as cancelled", async ({ page }) => {
  const who = customer();
  const popup = await popupOf(page, munity(who.token, "hubspot"));

  await popup.close();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();

  const { error, told } = await came(page);
  expect(error).toMatchObject({ type: "connection", key: "cancelled" });
  expect(told).toEqual([{ status: "error", type: "error", message: error?.message }]);
});

test("settings become what the customer would type or what the developer decides, by their name", async ({ page }) => {
  const who = customer();
  const stripe = `, { api_key: "${apiKey("sk_test_", "sandbox")}" }`;

  await start(page, munity(who.token, "stripe", stripe));
  expect(await came(page)).toMatchObject({ value: true });
  expect(page.context().pages()).toHaveLength(1);
  const [{ id }] = await who.connections();
  await backend.importDone(who.id, id);
  await expect.poll(() => told(page)).toHaveLength(2);
  await start(page, munity(who.token, "stripe", `, { colour: "red" }`));
  const undeclared = await came(page);

  expect(undeclared.error).toMatchObject({ key: "invalid_input", status: 400 });
  expect(Object.keys((undeclared.error?.data?.data as { fields: object }).fields)).toEqual(["connectorParameters.colour"]);
  expect(undeclared.told).toMatchObject([{ type: "error" }]);
});

test("integration_id renews that connection, and somebody else's is unknown", async ({ page }) => {
  const who = customer();
  await answer(await popupOf(page, munity(who.token, "hubspot")), { account: "alice" });
  expect(await came(page)).toMatchObject({ value: true });
  const [{ id }] = await who.connections();
  const renewing = (customer_id: string, integration_id: string) => munity(sign({ customer_id, integration_id, name: "Renewed" }), "hubspot");

  await answer(await popupOf(page, renewing(who.id, id)), { account: "alice" });
  const same = await came(page);
  await start(page, renewing(customer().id, id));
  const foreign = await came(page);
  await start(page, renewing(who.id, randomUUID()));
  const unknown = await came(page);

  expect(same).toMatchObject({ value: true, told: [{ type: "READY", message: id }] });
  expect(await who.connections()).toMatchObject([{ id, name: "Renewed" }]);
  expect(foreign.error).toMatchObject({ key: "not_found", status: 404 });
  expect(foreign.error).toEqual(unknown.error);
});

test("what cannot work rejects before a window opens", async ({ page }) => {
  const who = customer();
  const rows: [string, string, string][] = [
    [sign({ customer_id: "no spaces please" }), "jira", "invalid_input"],
    [sign({ customer_id: "" }), "jira", "invalid_input"],
    ["no token at all", "jira", "not_authenticated"],
    [`${who.token.slice(0, -8)}AAAAAAAA`, "jira", "not_authenticated"],
    [who.token, "no-such-connector", "not_found"],
  ];

  for (const [token, connector, key] of rows) {
    await start(page, munity(token, connector));
    const { error, told } = await came(page);
    expect(error, connector).toMatchObject({ name: "HitchpostError", type: "bad_request", key });
    expect(told).toEqual([{ status: "error", type: "error", message: error?.message }]);
  }
  expect(page.context().pages()).toHaveLength(1);
});

/** The guide's page, made into one script: what it calls comes from the page around it. */
function program(id: string, configured: string): string {
  const [imported, ...code] = sample(id, { "http://localhost:7080": sites.ours }, GUIDE).split("\n\n");
  return buildSync({
    // A browser opens windows only after a click, so the sample runs in one.
    stdin: { contents: `${configured}\n${imported}\ndocument.getElementById("go").onclick = () => { ${code.join("\n\n")} };`, loader: "ts" },
    alias: { "@hitchpost/sdk": join(ROOT, "sdk/hitchpost.js") },
    external: ["https://*"],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    format: "esm",
  }).outputFiles[0].text;
}

for (const id of ["javascript", "typescript"]) {
  test(`the documented ${id} runs with another import`, async ({ page }) => {
    const who = customer();
    const said: string[] = [];
    page.on("console", (message) => void said.push(message.text()));
    const configured = id === "typescript" ? sample("configure", { "http://localhost:7080": sites.ours }, GUIDE) : "";
    const address = sites.page(sites.product, `/sample-${id}`, `<h1>Settings</h1><button id="go">Go on</button>
      <script>const connector = "jira", secret = ${JSON.stringify(who.token)}, callback = (data) => console.log("called back", data.status, data.type);</script>
      <script type="module">${program(id, configured)}; document.body.dataset.ready = "1";</script>`);

    await answer(await popupOf(page, address));
    await expect.poll(() => said).toContain("Integration is ready: true");
    await backend.importDone(who.id, (await who.connections())[0].id);
    await expect.poll(() => said).toContain("called back IMPORT_DONE IMPORT_DONE");
    await answer(await popupOf(page, address), { scenario: "deny" });
    await expect.poll(() => said.some((text) => text.startsWith("Error occurred:"))).toBe(true);

    expect(said.filter((text) => text.startsWith("called back"))).toEqual([
      "called back READY READY", "called back IMPORT_DONE IMPORT_DONE", "called back error error",
    ]);
  });
}

test("the documented TypeScript fits our types", () => {
  const folder = serverFolder();
  mkdirSync(join(folder, "src"));
  for (const id of ["configure", "typescript"]) writeFileSync(join(folder, `src/${id}.ts`), sample(id, {}, GUIDE));
  writeFileSync(join(folder, "src/page.d.ts"), "declare const connector: unknown, secret: unknown, callback: (data: { status: string; message: any }) => void;");
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({
    compilerOptions: {
      strict: true, noEmit: true, target: "es2022", module: "esnext", moduleResolution: "bundler", lib: ["es2022", "dom"], types: [],
      paths: { "@hitchpost/sdk": [join(ROOT, "sdk/hitchpost.d.ts")] },
    },
    include: ["src"],
  }));

  expect(execFileSync(join(ROOT, "end2end/node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" })).toBe("");
});

test("after close nothing more is heard", async ({ page }) => {
  const who = customer();
  const code = `const promise = Hitchpost.connect("hubspot", ${JSON.stringify(who.token)}, (data) => told.push(data)); window.connecting = promise; return promise;`;
  const streams: string[] = [];
  page.on("requestfinished", (request) => void (request.url().includes("/sse/") && streams.push(request.url())));
  page.on("requestfailed", (request) => void (request.url().includes("/sse/") && streams.push(request.url())));
  await answer(await popupOf(page, sdkPage(sites, who.token, code)));
  expect(await came(page)).toMatchObject({ value: true });
  expect(streams).toEqual([]);

  await page.evaluate(() => (window as unknown as { connecting: { close(): void } }).connecting.close());

  await expect.poll(() => streams).toHaveLength(1);
  expect(await told(page)).toHaveLength(1);
});
