// The guide about connecting without an SDK: its forms, and its backends in three languages, as they
// stand there.
import { test, expect, type Page } from "../support/test.ts";
import { answer, goOn } from "../support/flows.ts";
import { sample, shell, start, type Language, type Program } from "../support/guide.ts";
import { freePort, Server, type Customer } from "../support/server.ts";
import type { Sites } from "../support/tls.ts";

const GUIDE = "without-sdk";

/** How many connections there are after a form of the guide came back, and where to. */
async function post(page: Page, sites: Sites, id: string, customer: Customer, more: Record<string, string> = {}): Promise<URLSearchParams> {
  const back = sites.page(sites.product, "/connected", "<h1>Back</h1>");
  const names = { "http://localhost:4000/connected": back, "http://localhost:7080": sites.ours, TOKEN: customer.token, ...more };
  await page.goto(sites.page(sites.product, `/guide-${id}`, sample(id, names, GUIDE)));
  await page.getByRole("button").click();
  await expect(page.getByRole("heading", { name: "Back" })).toBeVisible();
  return new URL(page.url()).searchParams;
}

test.describe("the forms", () => {
  for (const javaScriptEnabled of [true, false]) {
    test.describe(`with JavaScript ${javaScriptEnabled ? "on" : "off"}`, () => {
      test.use({ javaScriptEnabled });

      // Acceptance 25, 29, 30, 31, 32 and 40.
      test("every field of a payload counts, and a connection is renewed by its id", async ({ page, sites }) => {
        const customer = sites.server.customer();

        const made = await post(page, sites, "form", customer);
        const further = await post(page, sites, "form", customer);
        const id = made.get("connectionId")!;
        const renewed = await post(page, sites, "form-reconnect", customer, { CONNECTION_ID: id });

        expect([...made]).toEqual([["connectionId", id], ["customState", "settings, step 3"]]);
        expect(further.get("connectionId")).not.toBe(id);
        expect([...renewed]).toEqual([["connectionId", id]]);
        const connections = await customer.connections();
        expect(connections).toHaveLength(2);
        expect(connections).toEqual(Array(2).fill(expect.objectContaining({ name: "Main account", authOptionKey: "api-key", connected: true })));
      });

      test("a form of the older address needs nothing but a token", async ({ page, sites }) => {
        const customer = sites.server.customer();
        const integrations = await fetch(`${sites.server.bound}/integrations/stripe`, { headers: { authorization: `Bearer ${customer.token}` } });
        const { id } = (await integrations.json()) as { id: string };

        const back = await post(page, sites, "form-popup", customer, { INTEGRATION_ID: id });

        expect(await customer.connections()).toMatchObject([{ id: back.get("connectionId"), integrationId: id }]);
      });
    });
  }
});

test("what an app asks for is told as the guide has it", async ({ sites }) => {
  const said = await shell(sample("options", { "http://localhost:7080": sites.server.bound }, GUIDE), sites.server);

  expect(JSON.parse(said)).toEqual(JSON.parse(sample("options-answer", {}, GUIDE)));
});

const TOKENS: Record<Language, [string, string]> = {
  js: ["token", "README"],
  python: ["token-python", GUIDE],
  php: ["token-php", GUIDE],
};
const APPS: Record<Language, string> = { js: "app-js", python: "app-python", php: "app-php" };

for (const language of ["js", "python", "php"] as const) {
  test.describe(`the backend in ${language}`, () => {
    let server: Server;
    let program: Program;
    let here: string;
    let customer: Customer;

    test.beforeAll(async () => {
      const port = await freePort();
      here = `http://localhost:${port}`;
      // The port first: as a number it would be found in other addresses, too.
      const more = sample("own-callback", { "4000": String(port) }, GUIDE);
      server = await Server.start({ integrations: [["hubspot", "hubspot"], ["stripe", "stripe"]], more });
      customer = server.customer({ id: "customer-42" });
      const names = { "4000": String(port), "http://localhost:7080": server.url };
      const [id, guide] = TOKENS[language];
      const code = [sample(id, names, guide), sample(APPS[language], names, GUIDE)].join("\n\n");
      const own = await fetch(`${server.bound}/integrations/github`, { headers: { authorization: `Bearer ${customer.token}` } });
      const { id: integration } = (await own.json()) as { id: string };
      program = await start(language, code, port, { ACME_SECRET: server.key, INTEGRATION_ID: integration });
    });
    test.afterAll(async () => {
      program?.stop();
      await server?.stop();
    });

    test("a customer connects, says no, and connects by the product's own callback address", async ({ page }) => {
      const said = page.locator("body");

      await page.goto(`${here}/connect/hubspot`);
      await goOn(page, "HubSpot").click();
      await answer(page, { account: "alice" });
      await expect(said).toHaveText("HubSpot is connected as sandbox-alice. Back to settings.");
      const [made] = await customer.connections();
      expect([...new URL(page.url()).searchParams]).toEqual([["connectionId", made.id], ["customState", "settings"]]);

      await page.goto(`${here}/connect/hubspot`);
      await goOn(page, "HubSpot").click();
      await answer(page, { scenario: "deny" });
      await expect(said).toHaveText("Not connected: you said no. Back to settings.");

      await page.goto(`${here}/connect/hubspot`);
      await goOn(page, "HubSpot").click();
      await answer(page, { account: "alice", scenario: "token_500" });
      await expect(said).toHaveText(/^Not connected \(provider_\w+\): \w.*/);

      await page.goto(`${here}/connect/github`);
      await goOn(page, "GitHub").click();
      const callback = page.waitForRequest((request) => request.url().startsWith(`${here}/oauth/callback?`));
      await answer(page);
      await callback;
      await expect(said).toHaveText(/^GitHub is connected as \S+\. Back to settings\.$/);
      expect((await customer.connections()).map((one) => one.integrationKey).sort()).toEqual(["github", "hubspot"]);
    });

    test("it believes no address, and says what the server says", async ({ page }) => {
      const said = page.locator("body");
      const foreign = await connection(server.customer(), server);

      await page.goto(`${here}/connected?connectionId=${foreign}`);
      await expect(said).toHaveText("There is no such connection.");
      await page.goto(`${here}/connected?connectionId=..%2Fself`);
      await expect(said).toHaveText("There is no such connection.");
      await page.goto(`${here}/connect/no-such-app`);
      await expect(said).toHaveText("There is no such integration.");
      await page.goto(`${here}/connected?error=%3Cscript%3Ealert(1)%3C%2Fscript%3E&errorData=%7B%22key%22%3A%22x%22%7D`);
      await expect(said).toHaveText("Not connected (x): <script>alert(1)</script>");
    });
  });
}

/** A connection of somebody. */
async function connection(of: Customer, server: Server): Promise<string> {
  const made = await fetch(`${server.bound}/connect`, {
    method: "POST",
    headers: { authorization: `Bearer ${of.token}`, accept: "application/json", "content-type": "application/json" },
    body: JSON.stringify({ integrationKey: "stripe", input: { api_key: "sk_test_sandbox" } }),
  });
  return ((await made.json()) as { connection: { id: string } }).connection.id;
}
