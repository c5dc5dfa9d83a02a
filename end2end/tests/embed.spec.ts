// The page inside another site: https://app.acme.test frames https://hitchpost.test, and the
// provider is at https://provider.test. Three sites, so nothing works by being close.
import { test, expect, type Page } from "../support/test.ts";
import { answer, card, choices, finish, goOn, popupOf, row, seeConnected } from "../support/flows.ts";
import { apiKey } from "../support/secrets.ts";
import { Server, type Customer } from "../support/server.ts";
import type { Frame, FrameLocator } from "@playwright/test";
import type { Sites } from "../support/tls.ts";

const RECORD = "<script>window.heard=[];addEventListener('message',(e)=>heard.push([e.origin,e.data]))</script>";

/** The product's page with our page in it. */
function hostPage(sites: Sites, address: string, origin = sites.product): string {
  const src = address.replaceAll("&", "&amp;");
  return sites.page(origin, `/settings-${crypto.randomUUID()}`, `<h1>Settings</h1>${RECORD}<iframe name="integrations" title="Integrations" src="${src}" width="1000" height="700"></iframe>`);
}

function main(sites: Sites, customer: Customer): string {
  return `${sites.ours}/embed/main?token=${customer.token}`;
}

async function openEmbed(page: Page, sites: Sites, customer: Customer): Promise<FrameLocator> {
  await page.goto(hostPage(sites, main(sites, customer)));
  const embed = page.frameLocator("iframe");
  await expect(embed.getByRole("heading", { level: 1, name: "Integrations" })).toBeVisible();
  return embed;
}

async function openApp(embed: FrameLocator, app: string): Promise<void> {
  await card(embed, app).getByRole("link").click();
  await expect(embed.getByRole("heading", { level: 1 })).toContainText(app);
}

function frameOf(page: Page): Frame {
  const frame = page.frame({ name: "integrations" });
  if (!frame) throw new Error("the page has no frame");
  return frame;
}

/** Every address the frame ever had. */
function trace(page: Page): string[] {
  const seen: string[] = [];
  page.on("framenavigated", (frame) => {
    if (frame !== page.mainFrame()) seen.push(frame.url());
  });
  return seen;
}

test("connecting opens the provider in a popup, and the outcome arrives in the frame", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const frames = trace(page);
  const embed = await openEmbed(page, sites, customer);
  await openApp(embed, "GitLab");

  const popup = await popupOf(page, goOn(embed, "GitLab"));
  await expect(popup).toHaveURL(new RegExp(`^${sites.provider}/sandbox/`));
  await expect(embed.getByText("Waiting for GitLab")).toBeVisible();
  const closed = popup.waitForEvent("close");
  await answer(popup, { account: "alice" });
  await closed;

  await seeConnected(embed, "GitLab", "alice");
  expect(await customer.connections()).toMatchObject([{ integrationKey: "gitlab", connected: true }]);
  expect(frames.filter((address) => new URL(address).origin !== sites.ours)).toEqual([]);
});

test("the token is gone from the frame's address, and no cookie is needed", async ({ page, context, sites }) => {
  const customer = sites.server.customer();
  const embed = await openEmbed(page, sites, customer);

  expect(frameOf(page).url()).not.toContain(customer.token);
  expect(await context.cookies(sites.ours)).toEqual([]);
  await openApp(embed, "HubSpot");
  expect(frameOf(page).url()).not.toContain(customer.token);
});

test("with third-party cookies and storage refused the whole flow works", async ({ page, context, sites }) => {
  const customer = sites.server.customer();
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.setCookieControls", {
    enableThirdPartyCookieRestriction: true,
    disableThirdPartyCookieMetadata: true,
    disableThirdPartyCookieHeuristics: true,
  } as never);
  const embed = await openEmbed(page, sites, customer);
  await openApp(embed, "HubSpot");

  await answer(await popupOf(page, goOn(embed, "HubSpot")));

  await seeConnected(embed, "HubSpot");
});

test("the frame tells its height to its parent", async ({ page, sites }) => {
  const embed = await openEmbed(page, sites, sites.server.customer());

  const heard = () => page.evaluate(() => (window as unknown as { heard: [string, { source: string; type: string; height: number }][] }).heard);
  // It is told again whenever it changes, as when a picture comes late.
  await expect(async () => {
    const [origin, message] = (await heard()).filter(([, { type }]) => type === "height").at(-1) ?? [];
    const height = await embed.locator("body").evaluate((body) => Math.ceil(body.getBoundingClientRect().height));
    expect(origin).toBe(sites.ours);
    expect(message).toEqual({ source: "hitchpost", type: "height", height });
  }).toPass({ timeout: 10_000 });
});

test("messages name the parent's exact origin and say only that we are there and how tall", async ({ page, sites }) => {
  const told: [unknown, unknown][] = [];
  await page.exposeBinding("told", (_, data: unknown, origin: unknown) => void told.push([data, origin]));
  await page.addInitScript(() => {
    if (window.parent === window) return;
    const parent = { postMessage: (data: unknown, origin: unknown) => (window as never as { told: (...all: unknown[]) => void }).told(data, origin) };
    Object.defineProperty(window, "parent", { value: parent });
  });
  const embed = await openEmbed(page, sites, sites.server.customer());
  await openApp(embed, "HubSpot");

  await expect.poll(() => told.length).toBeGreaterThan(1);
  expect([...new Set(told.map(([, origin]) => origin))]).toEqual([sites.product]);
  const said = told.map(([data]) => (JSON.stringify(data) === `{"penpal":"syn"}` ? "here" : Object.keys(data as object).sort().join()));
  expect([...new Set(said)].sort()).toEqual(["height,source,type", "here"]);
});

test("messages from strangers change nothing while an outcome is awaited", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const embed = await openEmbed(page, sites, customer);
  await openApp(embed, "HubSpot");
  const popup = await popupOf(page, goOn(embed, "HubSpot"));
  await expect(embed.getByText("Waiting for HubSpot")).toBeVisible();
  const requestId = await embed.locator("form.connect input[name=request_id]").inputValue();

  // The product's own page knows the frame, and here even the request; it is still not our server.
  await page.evaluate((id) => {
    const frame = document.querySelector("iframe")?.contentWindow;
    for (let i = 0; i < 1000; i += 1) {
      frame?.postMessage({ source: "integration.app", type: "newConnectionCreated", requestId: id, connection: { id: "x" } }, "*");
      frame?.postMessage({ source: "integration.app", type: "newConnectionFailure", requestId: id, error: "<img src=x onerror=alert(1)>" }, "*");
    }
  }, requestId);

  await expect(embed.getByText("Waiting for HubSpot")).toBeVisible();
  await expect(embed.locator(".problem").first()).toBeEmpty();
  await answer(popup);
  await seeConnected(embed, "HubSpot");
});

test("a blocked popup offers a new tab, and the outcome arrives in the frame", async ({ page, sites }) => {
  const customer = sites.server.customer();
  await page.addInitScript(() => {
    window.open = () => null;
  });
  const embed = await openEmbed(page, sites, customer);
  await openApp(embed, "HubSpot");
  const frames = trace(page);

  await goOn(embed, "HubSpot").click();
  await expect(embed.getByText("Your browser blocked the window.")).toBeVisible();
  expect(page.context().pages()).toHaveLength(1);
  const [tab] = await Promise.all([
    page.context().waitForEvent("page"),
    embed.getByRole("button", { name: "Open in a new tab" }).click(),
  ]);
  await answer(tab);

  await seeConnected(embed, "HubSpot");
  expect(await customer.connections()).toHaveLength(1);
  expect(frames.filter((address) => new URL(address).origin !== sites.ours)).toEqual([]);
});

test("a provider that cuts the tie between the windows cannot lose the outcome", async ({ page, sites }) => {
  const embed = await openEmbed(page, sites, sites.server.customer());
  await openApp(embed, "HubSpot");
  const popup = await popupOf(page, goOn(embed, "HubSpot"));
  await expect(popup.getByRole("button", { name: "Allow" })).toBeVisible();

  await popup.goto(`${popup.url()}&sandbox=coop`);
  await answer(popup);

  await seeConnected(embed, "HubSpot");
});

test("a refusal at the provider is said in the frame", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const embed = await openEmbed(page, sites, customer);
  await openApp(embed, "HubSpot");

  await answer(await popupOf(page, goOn(embed, "HubSpot")), { scenario: "deny" });

  await expect(embed.getByRole("alert").filter({ hasText: "access was declined" })).toBeVisible();
  expect(await customer.connections()).toEqual([]);
});

test("search, reconnect and delete stay inside the frame", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const frames = trace(page);
  const embed = await openEmbed(page, sites, customer);
  await embed.getByRole("searchbox").fill("hubspot");
  await expect(embed.locator("#results .grid > li")).toHaveCount(1);
  await openApp(embed, "HubSpot");
  await finish(await popupOf(page, goOn(embed, "HubSpot")));
  await seeConnected(embed, "HubSpot");
  const [before] = await customer.connections();

  await row(embed, "HubSpot").getByRole("link", { name: "Manage HubSpot" }).click();
  await finish(await popupOf(page, embed.getByRole("button", { name: "Reconnect HubSpot" })));
  await expect(embed.getByText("HubSpot is connected again.")).toBeVisible();
  expect((await customer.connections()).map((one) => one.id)).toEqual([before.id]);

  await row(embed, "HubSpot").getByRole("link", { name: "Manage HubSpot" }).click();
  await embed.getByText("Delete…").click();
  await embed.getByRole("button", { name: "Delete connection" }).click();
  await expect(embed.getByText("HubSpot is no longer connected")).toBeVisible();
  expect(await customer.connections()).toEqual([]);
  expect(frames.filter((address) => !address.startsWith(`${sites.ours}/embed/`))).toEqual([]);
});

for (const javaScriptEnabled of [true, false]) {
  test.describe(`an API key with JavaScript ${javaScriptEnabled ? "on" : "off"}`, () => {
    test.use({ javaScriptEnabled });

    test("the right one connects inside the frame", async ({ page, sites }) => {
      const customer = sites.server.customer();
      const embed = await openEmbed(page, sites, customer);
      await openApp(embed, "Stripe");

      await embed.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
      await embed.locator("form.connect button.primary").click();

      await seeConnected(embed, "Stripe");
      expect(await customer.connections()).toHaveLength(1);
    });

    test("a wrong one is said inside the frame and can be put right there", async ({ page, sites }) => {
      const customer = sites.server.customer();
      const embed = await openEmbed(page, sites, customer);
      await openApp(embed, "Stripe");

      await embed.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "wrong"));
      await embed.locator("form.connect button.primary").click();
      await expect(embed.getByRole("alert").filter({ hasText: "Stripe" })).toBeVisible();
      await embed.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
      await embed.locator("form.connect button.primary").click();

      await seeConnected(embed, "Stripe");
    });
  });
}

test("of two sites one is chosen in the popup, and the outcome arrives in the frame", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const frames = trace(page);
  const embed = await openEmbed(page, sites, customer);
  await openApp(embed, "Jira");
  const popup = await popupOf(page, goOn(embed, "Jira"));

  await answer(popup, { scenario: "several" });
  await expect(choices(popup)).toHaveText(["Alice Example", "Alice Example 2"]);
  expect(new URL(popup.url()).origin).toBe(sites.ours);
  await expect(embed.getByText("Waiting for Jira")).toBeVisible();
  const closed = popup.waitForEvent("close");
  await choices(popup).nth(1).click();
  await closed;

  await seeConnected(embed, "Jira");
  expect(await customer.connections()).toMatchObject([{ integrationKey: "jira", connected: true }]);
  expect(frames.filter((address) => new URL(address).origin !== sites.ours)).toEqual([]);
});

test("a popup of the product's own lets choose and tells the product", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const fields = { token: customer.token, integrationKey: "jira", requestId: crypto.randomUUID() };
  const inputs = Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`);
  await page.goto(sites.page(sites.product, "/own-popup", `<h1>Settings</h1>${RECORD}
    <form method="post" action="${sites.ours}/connection-popup" target="own">${inputs.join("")}<button>Connect</button></form>`));
  const popup = await popupOf(page, page.getByRole("button", { name: "Connect" }));

  await answer(popup, { scenario: "several" });
  await expect(choices(popup)).toHaveCount(2);
  const closed = popup.waitForEvent("close");
  await choices(popup).nth(0).click();
  await closed;

  const [connection] = await customer.connections();
  const heard = await page.evaluate(() => (window as unknown as { heard: [string, Record<string, unknown>][] }).heard);
  expect(heard).toMatchObject([[sites.ours, { source: "integration.app", type: "newConnectionCreated", connection: { id: connection.id } }]]);
});

test("an answer that the provider posts as a form arrives in the frame", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const embed = await openEmbed(page, sites, customer);
  await openApp(embed, "Apple");
  const popup = await popupOf(page, goOn(embed, "Apple"));

  await answer(popup);
  const closed = popup.waitForEvent("close");
  await popup.getByRole("button", { name: "Continue" }).click();
  await closed;

  await seeConnected(embed, "Apple", "alice@example.com");
});

test("a bad subdomain before an OAuth popup is put right in the popup", async ({ page, sites }) => {
  const embed = await openEmbed(page, sites, sites.server.customer());
  await openApp(embed, "Zendesk");
  await embed.getByLabel("Zendesk subdomain").fill("evil.com/");

  const popup = await popupOf(page, goOn(embed, "Zendesk"));
  await expect(popup.getByLabel("Zendesk subdomain")).toHaveAttribute("aria-invalid", "true");
  await popup.getByLabel("Zendesk subdomain").fill("acme");
  await goOn(popup, "Zendesk").click();
  await answer(popup);

  await seeConnected(embed, "Zendesk");
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("the provider opens in a new tab and the frame shows the connection afterwards", async ({ page, sites }) => {
    const customer = sites.server.customer();
    const frames = trace(page);
    const embed = await openEmbed(page, sites, customer);
    await openApp(embed, "HubSpot");

    const [tab] = await Promise.all([page.context().waitForEvent("page"), goOn(embed, "HubSpot").click()]);
    await answer(tab);
    await expect(tab.getByRole("heading", { name: "HubSpot is connected" })).toBeVisible();
    await expect(tab.getByText("You can close this window.")).toBeVisible();
    await tab.close();

    await embed.getByRole("link", { name: "All integrations" }).click();
    await expect(row(embed, "HubSpot")).toContainText("Connected");
    expect(await customer.connections()).toHaveLength(1);
    expect(frames.filter((address) => !address.startsWith(`${sites.ours}/embed/`))).toEqual([]);
  });
});

test.describe("without JavaScript, several things to choose from", () => {
  test.use({ javaScriptEnabled: false });

  test("are shown in the new tab, and the frame shows the connection afterwards", async ({ page, sites }) => {
    const customer = sites.server.customer();
    const frames = trace(page);
    const embed = await openEmbed(page, sites, customer);
    await openApp(embed, "Jira");

    const [tab] = await Promise.all([page.context().waitForEvent("page"), goOn(embed, "Jira").click()]);
    await answer(tab, { scenario: "several" });
    await expect(choices(tab)).toHaveCount(2);
    await expect(tab.getByRole("link", { name: "Back" })).toHaveCount(0);
    await choices(tab).nth(1).click();
    await expect(tab.getByRole("heading", { name: "Jira is connected" })).toBeVisible();
    await tab.close();

    await embed.getByRole("link", { name: "All integrations" }).click();
    await expect(row(embed, "Jira")).toContainText("Connected");
    expect(await customer.connections()).toHaveLength(1);
    expect(frames.filter((address) => !address.startsWith(`${sites.ours}/embed/`))).toEqual([]);
  });
});

test("an expired token is said inside the frame", async ({ page, sites }) => {
  const token = sites.server.token({ id: "late", exp: Math.floor(Date.now() / 1000) - 3600 });

  await page.goto(hostPage(sites, `${sites.ours}/embed/main?token=${token}`));

  const embed = page.frameLocator("iframe");
  await expect(embed.getByRole("heading", { name: "This page needs a fresh link" })).toBeVisible();
  await expect(embed.getByText("The token in this link has expired.")).toBeVisible();
});

test.describe("other sites", () => {
  test.use({ strict: false });

  test("an attacker's site cannot frame it, whatever token it has", async ({ page, sites }) => {
    const customer = sites.server.customer();

    await page.goto(hostPage(sites, main(sites, customer), sites.evil));

    await expect.poll(() => page.frame({ name: "integrations" })?.url()).toBe("chrome-error://chromewebdata/");
  });

  test("neither can the provider's site or a frame of the attacker inside the product", async ({ page, sites }) => {
    const customer = sites.server.customer();
    const inner = hostPage(sites, main(sites, customer), sites.evil);

    await page.goto(sites.page(sites.product, "/outer", `<iframe name="outer" src="${inner}" width="900" height="700"></iframe>`));

    await expect.poll(() => page.frame({ name: "integrations" })?.url()).toBe("chrome-error://chromewebdata/");
  });
});

test("the example page of the sandbox shows the embed and connects in it", async ({ page }) => {
  const server = await Server.start({ demo: true });
  try {
    await page.goto(`${server.url}/sandbox/embed`);
    const embed = page.frameLocator("#integrations");
    await expect(embed.getByRole("heading", { level: 1, name: "Integrations" })).toBeVisible();
    const told = page.locator("#integrations");
    await expect.poll(async () => (await told.boundingBox())?.height).not.toBe(640);
    await openApp(embed, "HubSpot");

    await answer(await popupOf(page, goOn(embed, "HubSpot")));

    await seeConnected(embed, "HubSpot");
  } finally {
    await server.stop();
  }
});
