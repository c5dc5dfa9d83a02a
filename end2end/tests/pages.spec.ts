import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { get, type IncomingMessage } from "node:http";
import { AxeBuilder } from "@axe-core/playwright";
import { test, expect, type Page } from "../support/test.ts";
import { answer, choices, connectByPopup, goOn, openApp, popupOf, row, seeConnected, signIn, tabTo } from "../support/flows.ts";
import { apiKey } from "../support/secrets.ts";
import { Server, APPS, type Customer } from "../support/server.ts";
import type { Sites } from "../support/tls.ts";

/** Everything a state may need to be reached. */
interface Stage {
  page: Page;
  server: Server;
  sites: Sites;
  customer: Customer;
}

/** Every page in every state; each ends with the page to look at. */
const STATES: Record<string, (stage: Stage) => Promise<Page | void>> = {
  "the catalog": ({ page, customer }) => signIn(page, customer),
  "the catalog with connections": async ({ page, customer }) => {
    await signIn(page, customer);
    await openApp(page, "HubSpot");
    await connectByPopup(page, "HubSpot");
    await seeConnected(page, "HubSpot");
  },
  "a search that finds nothing": async ({ page, server, customer }) => {
    await signIn(page, customer);
    await page.goto(`${server.url}/?q=${encodeURIComponent("nothing like this")}`);
    await expect(page.getByText("No apps match")).toBeVisible();
  },
  "an app with OAuth and another way": async ({ page, customer }) => {
    await signIn(page, customer);
    await openApp(page, "HubSpot");
  },
  "an app with an API key": async ({ page, customer }) => {
    await signIn(page, customer);
    await openApp(page, "Stripe");
  },
  "an app with two ways and fields": async ({ page, server, customer }) => {
    await signIn(page, customer);
    await page.goto(`${server.url}/apps/zendesk?option=basic`);
  },
  "an app with a list of regions": async ({ page, customer }) => {
    await signIn(page, customer);
    await openApp(page, "SendGrid");
  },
  "a connected app": async ({ page, customer }) => {
    await signIn(page, customer);
    await openApp(page, "HubSpot");
    await connectByPopup(page, "HubSpot");
    await seeConnected(page, "HubSpot");
    await row(page, "HubSpot").getByRole("link", { name: "Manage HubSpot" }).click();
    await expect(page.getByRole("button", { name: "Reconnect HubSpot" })).toBeVisible();
  },
  "the question before deleting": async (stage) => {
    await STATES["a connected app"](stage);
    await stage.page.getByText("Delete…").click();
    await expect(stage.page.getByRole("button", { name: "Delete connection" })).toBeVisible();
  },
  "reconnecting with an API key": async ({ page, customer }) => {
    await signIn(page, customer);
    await openApp(page, "Stripe");
    await page.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
    await page.locator("form.connect button.primary").click();
    await seeConnected(page, "Stripe");
    await row(page, "Stripe").getByRole("link", { name: "Manage Stripe" }).click();
    await page.getByRole("link", { name: "Reconnect Stripe" }).click();
    await expect(page.getByLabel("Secret or restricted key")).toBeVisible();
  },
  "an ask page with errors": async ({ page, server, customer }) => {
    await signIn(page, customer);
    await page.goto(`${server.url}/apps/zendesk?option=basic`);
    await page.getByLabel("Zendesk subdomain").fill("evil.com/");
    await page.getByLabel("Agent email").fill("nobody");
    await page.getByLabel("API token", { exact: true }).fill(apiKey("zd_", "sandbox"));
    await page.locator("form.connect button.primary").click();
    await expect(page.getByLabel("Zendesk subdomain")).toHaveAttribute("aria-invalid", "true");
  },
  "a key that was refused": async ({ page, customer }) => {
    await signIn(page, customer);
    await openApp(page, "Stripe");
    await page.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "wrong"));
    await page.locator("form.connect button.primary").click();
    await expect(page.getByRole("alert").filter({ hasText: "Stripe" })).toBeVisible();
  },
  "the confirm page": async ({ page, customer }) => {
    await page.goto(customer.start("hubspot"));
    await expect(page.locator(".confirm")).toBeVisible();
  },
  "the wait for a popup": async ({ page, customer }) => {
    await signIn(page, customer);
    await openApp(page, "HubSpot");
    await popupOf(page, goOn(page, "HubSpot"));
    await expect(page.getByText("Waiting for HubSpot")).toBeVisible();
  },
  "a result that went well": async ({ page, customer }) => {
    await page.goto(customer.start("hubspot"));
    await page.addInitScript(() => {
      window.close = () => undefined;
    });
    await goOn(page, "HubSpot").click();
    await answer(page);
    await expect(page.getByRole("heading", { name: "HubSpot is connected" })).toBeVisible();
  },
  "a result that failed": async ({ page, customer }) => {
    await page.addInitScript(() => {
      window.open = () => null;
    });
    await signIn(page, customer);
    await openApp(page, "HubSpot");
    await goOn(page, "HubSpot").click();
    await answer(page, { scenario: "deny" });
    await expect(page.getByRole("heading", { name: "HubSpot was not connected" })).toBeVisible();
  },
  "a result that failed in a popup": async ({ page, customer }) => {
    await signIn(page, customer);
    await openApp(page, "HubSpot");
    const popup = await popupOf(page, goOn(page, "HubSpot"));
    await answer(popup, { scenario: "error" });
    await expect(popup.getByRole("heading", { name: "HubSpot was not connected" })).toBeVisible();
    return popup;
  },
  "the page that lets choose": async ({ page, customer }) => {
    await page.goto(customer.start("jira"));
    await goOn(page, "Jira").click();
    await answer(page, { scenario: "several" });
    await expect(choices(page)).toHaveCount(2);
  },
  "the page that lets choose, with long names": async (stage) => {
    await STATES["the page that lets choose"](stage);
    await makeLong(stage.page);
  },
  "an app with three ways": async ({ page, server, customer }) => {
    await signIn(page, customer);
    await page.goto(`${server.url}/apps/netsuite?option=oauth1-sandbox`);
    await expect(page.getByRole("navigation", { name: "How do you want to connect?" }).getByRole("link")).toHaveCount(3);
  },
  "an app with a private key": async ({ page, server, customer }) => {
    await signIn(page, customer);
    await page.goto(`${server.url}/apps/google-drive?option=service-account`);
    await expect(page.getByLabel("Private key")).toBeVisible();
  },
  "a page without a token": async ({ page, server }) => {
    await refused(page, `${server.url}/`, 401, "This page needs a fresh link");
  },
  "a page with an expired token": async ({ page, server }) => {
    const token = server.token({ id: "late", exp: Math.floor(Date.now() / 1000) - 3600 });
    await refused(page, `${server.url}/?token=${token}`, 401, "This page needs a fresh link");
  },
  "a page with a token of another key": async ({ page, server, customer }) => {
    const wrong = `${customer.token.slice(0, customer.token.lastIndexOf("."))}.${"A".repeat(43)}`;
    await refused(page, `${server.url}/?token=${wrong}`, 401, "This page was not opened correctly");
  },
  "a page with no token at all in its place": async ({ page, server }) => {
    await refused(page, `${server.url}/?token=nonsense`, 401, "This page was not opened correctly");
  },
  "a link that has ended": async ({ page, server }) => {
    await refused(page, `${server.url}/link/${"A".repeat(43)}`, 401, "This link has ended");
  },
  "an address that leads nowhere": async ({ page, server }) => {
    await refused(page, `${server.url}/no/such/page`, 404, "There is nothing here");
  },
  "an app that does not exist": async ({ page, server, customer }) => {
    await signIn(page, customer);
    await refused(page, `${server.url}/apps/nothing`, 404, "There is nothing here");
  },
  "a question that was answered": async ({ page, server }) => {
    await refused(page, `${server.url}/connect/continue/${"A".repeat(43)}`, 410, "This page has done its work");
  },
  "a callback nobody waits for": async ({ page, server }) => {
    await refused(page, `${server.url}/oauth/callback/x?state=${"A".repeat(43)}&code=x`, 400, "Nothing was connected");
  },
  "a session that has ended": async ({ page, server }) => {
    await refused(page, `${server.url}/refused/session_ended`, 401, "Your session has ended");
  },
  "the embed on another site": async ({ page, sites }) => {
    const address = `${sites.ours}/embed/main?token=${sites.server.customer().token}`;
    await page.goto(sites.page(sites.product, "/axe", `<main><h1>Settings</h1><iframe title="Integrations" src="${address}" width="100%" height="900" style="border:0"></iframe></main>`));
    await expect(page.frameLocator("iframe").getByRole("heading", { level: 1 })).toBeVisible();
  },
  "the embed with a form": async ({ page, sites }) => {
    const address = `${sites.ours}/embed/integrations/zendesk/connect?token=${sites.server.customer().token}`;
    await page.goto(sites.page(sites.product, "/axe-form", `<main><h1>Settings</h1><iframe title="Integrations" src="${address}" width="100%" height="900" style="border:0"></iframe></main>`));
    await expect(page.frameLocator("iframe").getByRole("heading", { level: 1 })).toBeVisible();
  },
  "the consent page": async ({ page, customer }) => {
    await signIn(page, customer);
    await openApp(page, "HubSpot");
    const popup = await popupOf(page, goOn(page, "HubSpot"));
    await expect(popup.getByRole("button", { name: "Allow" })).toBeVisible();
    return popup;
  },
  "the sandbox's own page": async ({ page, server }) => {
    await page.goto(`${server.url}/sandbox`);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  },
};

/**
 * The embed has no background of its own, and axe takes that for white. What a browser paints behind a
 * frame whose colours differ from its parent's is the canvas of the frame's own scheme.
 */
async function paintEmbed(page: Page): Promise<void> {
  for (const frame of page.frames().filter((one) => one !== page.mainFrame())) {
    await frame.evaluate(() => {
      document.documentElement.style.background = "Canvas";
    });
  }
}

/** As many rows as there can be, with names as long as they can be. */
async function makeLong(page: Page): Promise<void> {
  await page.locator("ul.choices").evaluate((list) => {
    const first = list.firstElementChild as HTMLElement;
    (first.querySelector("span") as HTMLElement).innerHTML = `${"Long".repeat(50)} <small>${"0123456789".repeat(20)}</small>`;
    while (list.children.length < 200) list.append(first.cloneNode(true));
  });
}

async function refused(page: Page, address: string, status: number, headline: string): Promise<void> {
  const response = await page.goto(address);
  expect(response?.status()).toBe(status);
  await expect(page.getByRole("heading", { level: 1, name: headline })).toBeVisible();
}

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(`in ${colorScheme}`, () => {
    test.use({ colorScheme });

    for (const [name, reach] of Object.entries(STATES)) {
      test(`${name} has no barrier that axe finds`, async ({ page, server, sites }) => {
        const shown = (await reach({ page, server, sites, customer: server.customer({ name: "Ada Lovelace" }) })) ?? page;

        await paintEmbed(shown);
        const found = await new AxeBuilder({ page: shown }).withTags(["wcag2a", "wcag2aa", "wcag21aa"]).analyze();

        const short = found.violations.map(({ id, nodes }) => ({ id, where: nodes.map((node) => node.target.join(" ")) }));
        expect(short).toEqual([]);
        expect(found.passes.length).toBeGreaterThan(5);
      });
    }
  });
}

test.describe("at 320 px", () => {
  test.use({ viewport: { width: 320, height: 640 } });

  for (const [name, reach] of Object.entries(STATES)) {
    test(`${name} needs no sideways scroll`, async ({ page, server, sites }) => {
      const shown = (await reach({ page, server, sites, customer: server.customer({ name: "Ada Lovelace" }) })) ?? page;
      await shown.setViewportSize({ width: 320, height: 640 });

      for (const frame of shown.frames()) {
        const { scroll, client } = await frame.evaluate(() => ({
          scroll: document.documentElement.scrollWidth,
          client: document.documentElement.clientWidth,
        }));
        expect(scroll, frame.url().split("?")[0]).toBeLessThanOrEqual(client);
      }
    });
  }
});

for (const [code, status, headline] of [
  ["session_ended", 401, "Your session has ended"],
  ["not_found", 404, "There is nothing here"],
  ["not_open", 410, "This page has done its work"],
  ["missing_client", 400, "This app is not set up yet"],
  ["storage_busy", 503, "Please try again in a moment"],
  ["internal", 500, "Something went wrong on our side"],
] as const) {
  test(`a form that was refused as ${code} says so in its own words`, async ({ page, server }) => {
    await refused(page, `${server.url}/refused/${code}`, status, headline);
  });
}

test("with the keyboard alone an app is found, connected and managed", async ({ page, server }) => {
  const customer = server.customer();
  await page.goto(customer.link);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to content" })).toBeFocused();
  await tabTo(page, page.getByRole("link", { name: "Connect HubSpot" }));
  await page.keyboard.press("Enter");

  await tabTo(page, goOn(page, "HubSpot"));
  const [popup] = await Promise.all([page.waitForEvent("popup"), page.keyboard.press("Enter")]);
  await tabTo(popup, popup.getByRole("button", { name: "Allow" }));
  await popup.keyboard.press("Enter");
  await seeConnected(page, "HubSpot");

  await tabTo(page, row(page, "HubSpot").getByRole("link", { name: "Manage HubSpot" }));
  await page.keyboard.press("Enter");
  await tabTo(page, page.getByText("Delete…"));
  await page.keyboard.press("Enter");
  await tabTo(page, page.getByRole("button", { name: "Delete connection" }));
  await page.keyboard.press("Enter");
  await expect(page.getByText("HubSpot is no longer connected")).toBeVisible();
});

test("the focus can always be seen", async ({ page, server }) => {
  await signIn(page, server.customer());

  for (let i = 0; i < 20; i += 1) {
    await page.keyboard.press("Tab");
    const ring = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement ?? document.body);
      const parent = getComputedStyle(document.activeElement?.parentElement ?? document.body);
      const shows = (one: CSSStyleDeclaration) => (one.outlineStyle !== "none" && parseFloat(one.outlineWidth) >= 2) || one.boxShadow !== "none";
      return shows(style) || shows(parent);
    });
    expect(ring, `after ${i + 1} tabs`).toBe(true);
  }
});

test("controls are at least 40 px high", async ({ page, server }) => {
  const customer = server.customer();
  for (const at of ["/", "/apps/zendesk?option=basic"]) {
    await page.goto(customer.link);
    await page.goto(server.url + at);
    const small = await page.locator("main button:visible, main a.button:visible, main input:not([type=hidden]):visible, main select:visible, #chips a:visible").evaluateAll((all) =>
      all.filter((one) => one.getBoundingClientRect().height < 40).map((one) => `${one.outerHTML.slice(0, 80)} ${one.getBoundingClientRect().height}`),
    );
    expect(small).toEqual([]);
  }
});

test("nothing moves while the page loads", async ({ page, server }) => {
  await page.addInitScript(() => {
    const shifts: number[] = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) shifts.push((entry as unknown as { value: number }).value);
    }).observe({ type: "layout-shift", buffered: true });
  });

  await signIn(page, server.customer());
  await page.waitForLoadState("networkidle");

  const moved = await page.evaluate(() => (window as unknown as { shifts: number[] }).shifts.reduce((sum, one) => sum + one, 0));
  expect(moved).toBeLessThan(0.01);
});

test("hostile words of a customer and in an address stay words", async ({ page, server }) => {
  const hostile = `"'><img src=x onerror=alert(1)><script>alert(2)</script>`;
  await signIn(page, server.customer({ name: hostile }));
  await expect(page.getByText(`Signed in as ${hostile}`)).toBeVisible();

  const tries = [
    `/?q=${encodeURIComponent(hostile)}`, `/?category=${encodeURIComponent(hostile)}`, `/?notice=${encodeURIComponent(hostile)}&app=x`,
    `/?notice=connected&app=${encodeURIComponent(hostile)}`, `/apps/${encodeURIComponent(hostile)}`, `/refused/${encodeURIComponent(hostile)}`,
    `/oauth/callback/x?error=${encodeURIComponent(hostile)}&error_description=${encodeURIComponent(hostile)}`,
    `/?theme=${encodeURIComponent(hostile)}&parent=${encodeURIComponent(hostile)}`,
  ];
  for (const address of tries) {
    await page.goto(server.url + address);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await expect(page.locator("img[src=x], script:not([src])")).toHaveCount(0);
  }
});

test("a provider's hostile words stay words", async ({ page, server }) => {
  await page.addInitScript(() => {
    window.open = () => null;
  });
  await signIn(page, server.customer());
  await openApp(page, "HubSpot");
  await goOn(page, "HubSpot").click();
  await expect(page.getByRole("button", { name: "Allow" })).toBeVisible();
  const asked = new URL(page.url());
  const callback = new URL(asked.searchParams.get("redirect_uri") ?? "");
  callback.searchParams.set("state", asked.searchParams.get("state") ?? "");
  callback.searchParams.set("error", "<img src=x onerror=alert(1)>");
  callback.searchParams.set("error_description", `"><script>alert(2)</script>`);

  await page.goto(callback.href);

  await expect(page.getByRole("heading", { name: "HubSpot was not connected" })).toBeVisible();
  await expect(page.locator("img[src=x], script:not([src])")).toHaveCount(0);
});

test.describe("what a page weighs", () => {
  let server: Server;
  test.beforeAll(async () => {
    const integrations = Array.from({ length: 48 }, (_, i): [string, string] => [`${APPS[i % APPS.length]}-${i}`, APPS[i % APPS.length]]);
    server = await Server.start({ integrations });
  });
  test.afterAll(() => server.stop());

  test("with 48 cards: HTML under 15 KB, style under 8 KB, script under 6 KB, all compressed", async ({ page }) => {
    await signIn(page, server.customer());
    await expect(page.locator("#results .grid > li")).toHaveCount(48);
    const cookie = (await page.context().cookies(server.url)).map(({ name, value }) => `${name}=${value}`).join("; ");
    const style = await page.locator("link[rel=stylesheet]").evaluateAll((all) => all.map((one) => one.getAttribute("href") ?? ""));
    const script = await page.locator("script[src]").evaluateAll((all) => all.map((one) => one.getAttribute("src") ?? ""));

    for (const encoding of ["br", "gzip", "gzip, deflate, br, zstd"]) {
      const weigh = async (paths: string[]) => {
        let sum = 0;
        for (const path of paths) sum += (await weight(server.bound + path, cookie, encoding)).sent;
        return sum;
      };
      const sizes = { html: await weigh(["/"]), css: await weigh(style), js: await weigh(script) };
      test.info().annotations.push({ type: `bytes as ${encoding}`, description: JSON.stringify(sizes) });
      console.log(`page / with 48 cards as ${encoding}: ${JSON.stringify(sizes)}`);
      expect.soft(sizes.html, `HTML as ${encoding}`).toBeLessThan(15_000);
      expect.soft(sizes.css, `CSS as ${encoding}`).toBeLessThan(8_000);
      expect.soft(sizes.js, `JS as ${encoding}`).toBeLessThan(6_000);
    }
  });

  test("assets are kept for ever and pages never", async ({ page }) => {
    await signIn(page, server.customer());
    const cached: Record<string, string> = {};
    page.on("response", (response) => {
      cached[new URL(response.url()).pathname] = response.headers()["cache-control"] ?? "";
    });
    await page.goto(server.url);
    await page.waitForLoadState("networkidle");

    expect(cached["/"]).toBe("no-store");
    const assets = Object.entries(cached).filter(([path]) => path.startsWith("/assets/"));
    expect(assets.filter(([, value]) => value !== "public, max-age=31536000, immutable")).toEqual([]);
  });
});

/** Bytes on the wire and after unpacking. */
async function weight(address: string, cookie: string, encoding: string): Promise<{ sent: number; whole: number }> {
  const answered = await new Promise<IncomingMessage>((done, fail) => {
    get(address, { headers: { cookie, accept: "text/html,*/*", "accept-encoding": encoding } }, done).on("error", fail);
  });
  const parts: Buffer[] = [];
  for await (const part of answered) parts.push(part as Buffer);
  const bytes = Buffer.concat(parts);
  expect(answered.statusCode).toBe(200);
  const packed = answered.headers["content-encoding"] ?? "";
  expect(["br", "gzip", "zstd"]).toContain(packed);
  const whole = packed === "br" ? brotliDecompressSync(bytes) : packed === "gzip" ? gunzipSync(bytes) : bytes;
  return { sent: bytes.length, whole: whole.length };
}
