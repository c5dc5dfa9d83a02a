// The samples of docs/embed.md, as they stand there.
import { test, expect } from "../support/test.ts";
import { finish, goOn, popupOf, send } from "../support/flows.ts";
import { sample } from "../support/guide.ts";
import { apiKey } from "../support/secrets.ts";
import { bundle } from "../support/vendors.ts";
import type { Sites } from "../support/tls.ts";

const named = (sites: Sites, token: string) => ({ "http://localhost:7080": sites.ours, TOKEN: token });

test("the SDK's sample connects", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const said: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "log") said.push(message.text());
  });
  // A bundle is no module: what awaits at the top needs a function around it.
  const [imported, ...code] = sample("sdk", named(sites, JSON.stringify(customer.token)), "embed").split("\n\n");
  const script = sites.script(sites.product, "/sample.js", bundle(`${imported}\n(async () => {${code.join("\n")}})();`));
  await page.goto(sites.page(sites.product, "/sample", `<h1>Settings</h1><script src="${script}"></script>`));
  await expect(page.locator("#__integration-app-popup")).toBeVisible();

  await finish(await popupOf(page, goOn(page.frameLocator("#__integration-app-popup"), "HubSpot")));

  await expect.poll(() => said).toHaveLength(1);
  const [connection] = await customer.connections();
  expect(said).toEqual([`connected: ${connection.id}`]);
});

for (const javaScriptEnabled of [true, false]) {
  test.describe(`with JavaScript ${javaScriptEnabled ? "on" : "off"}`, () => {
    test.use({ javaScriptEnabled });

    test("the form's sample connects inside the frame", async ({ page, sites }) => {
      const customer = sites.server.customer();
      await page.goto(sites.page(sites.product, "/form-sample", sample("form", named(sites, customer.token), "embed")));
      await page.getByRole("button", { name: "Connect Stripe" }).click();
      const frame = page.frameLocator("iframe");

      await frame.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
      await send(frame);

      await expect(frame.getByRole("heading", { name: "Stripe is connected" })).toBeVisible();
      expect(await customer.connections()).toMatchObject([{ name: "Main account" }]);
    });
  });
}
