// The vendors' React packages, as published: what a hook found is connected in a dialog.
import { test, expect } from "../support/test.ts";
import { finish, goOn, popupOf } from "../support/flows.ts";
import { callOf } from "../support/table.ts";
import { bundle } from "../support/vendors.ts";

const PACKAGES = [
  { name: "@membranehq/react 0.28.0", module: "@membranehq/react" },
  { name: "@integration-app/react 2.25.1", module: "@integration-app/react" },
];

/** A product's page in React. It reads the customer's token and our address from its own. */
function program(module: string): string {
  return `
    import { useState } from "react";
    import { createRoot } from "react-dom/client";
    import { IntegrationAppProvider, useIntegration, useIntegrationApp } from "${module}";

    function HubSpot() {
      const client = useIntegrationApp();
      const { integration, refresh } = useIntegration("hubspot");
      const [made, setMade] = useState("");
      if (!integration) return <p>Loading</p>;
      const connect = async () => {
        const connection = await client.integration(integration.key).openNewConnection();
        setMade(connection?.id ?? "nothing");
        await refresh();
      };
      return <section>
        <h2>{integration.name}</h2>
        <p data-testid="state">{integration.connection ? "connected" : "not connected"}</p>
        <button onClick={connect}>Connect</button>
        <output>{made}</output>
      </section>;
    }

    const given = new URLSearchParams(location.hash.slice(1));
    createRoot(document.getElementById("root")).render(
      <IntegrationAppProvider token={given.get("token")} apiUri={given.get("url")} uiUri={given.get("url")}><HubSpot /></IntegrationAppProvider>,
    );`;
}

for (const sdk of PACKAGES) {
  test(`useIntegration and openNewConnection of ${sdk.name}`, callOf("openNewConnection with useIntegration", sdk), async ({ page, sites }) => {
    const customer = sites.server.customer();
    const script = sites.script(sites.product, `/${sdk.module}.js`, bundle(program(sdk.module)));
    const address = sites.page(sites.product, `/${sdk.module}`, `<div id="root"></div><script src="${script}"></script>`);
    await page.goto(`${address}#${new URLSearchParams({ token: customer.token, url: sites.ours })}`);
    await expect(page.getByTestId("state")).toHaveText("not connected");

    await page.getByRole("button", { name: "Connect" }).click();
    await expect(page.locator("#__integration-app-popup")).toBeVisible();
    await finish(await popupOf(page, goOn(page.frameLocator("#__integration-app-popup"), "HubSpot")));

    await expect(page.getByTestId("state")).toHaveText("connected");
    const [connection] = await customer.connections();
    await expect(page.locator("output")).toHaveText(connection.id);
  });
}
