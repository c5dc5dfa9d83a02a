// What the vendors' SDKs open over a product's page: dialogs in an iframe, by GET and by POST, on three
// sites, so that nothing works by being close.
import { test, expect } from "../support/test.ts";
import { answer, goOn, popupOf } from "../support/flows.ts";
import { apiKey } from "../support/secrets.ts";
import { BOTH, ProductPage } from "../support/vendors.ts";

for (const sdk of BOTH) {
  test.describe(sdk.name, () => {
    test("openNewConnection: OAuth", async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.call("open", `client.integration("hubspot").openNewConnection()`);
      await expect(goOn(product.dialog, "HubSpot")).toBeVisible();
      await page.waitForTimeout(1500);
      await page.screenshot({ path: `/tmp/shot-${sdk.name.split("/")[0].slice(1)}.png` });
      const popup = await popupOf(page, goOn(product.dialog, "HubSpot"));
      await answer(popup);
      const outcome = await product.outcome("open");
      const [made] = await customer.connections();
      expect(outcome.value).toMatchObject({ id: made.id });
      expect(await product.isOpen()).toBe(false);
    });
  });
}
