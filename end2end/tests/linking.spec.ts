// Account-linking attacks: an attacker begins, a victim's browser finishes. Two browser contexts are
// two people. Whatever the attacker sends, nothing may be connected and no code exchanged unless the
// victim presses Continue on our own page, which says for whom.
import { test, expect, type BrowserContext, type Page } from "../support/test.ts";
import { answer, choices, goOn, openApp, signIn } from "../support/flows.ts";
import { secret } from "../support/secrets.ts";
import type { Customer } from "../support/server.ts";
import type { Sites } from "../support/tls.ts";

// Being refused is the point here, and the browser says so on its console.
test.use({ strict: false });

interface Scene {
  mallory: Customer;
  victim: Page;
  victimContext: BrowserContext;
}

async function scene(sites: Sites, another: () => Promise<BrowserContext>): Promise<Scene> {
  const mallory = sites.server.customer({ name: "Mallory Malice" });
  const victimContext = await another();
  const victim = await victimContext.newPage();
  // The victim is a customer too, signed in in the same browser.
  await signIn(victim, sites.server.customer({ name: "Victoria Victim" }));
  return { mallory, victim, victimContext };
}

async function tokenCalls(sites: Sites): Promise<number> {
  return (await sites.server.stats()).total.token_code;
}

/** Our page names app, integration, customer and customer id, and asks. */
async function seeConfirmPage(page: Page, mallory: Customer): Promise<void> {
  await expect(page.getByRole("heading", { level: 1, name: "Connect HubSpot to Acme" })).toBeVisible();
  const confirm = page.locator(".confirm");
  await expect(confirm).toContainText("HubSpot");
  await expect(confirm).toContainText("Mallory Malice");
  await expect(confirm).toContainText(mallory.id);
  await expect(confirm).toContainText("Acme");
  await expect(confirm).toContainText("Continue only if you started this yourself");
  await expect(goOn(page, "HubSpot")).toBeVisible();
}

/** Which way the outcome is to leave. */
const ROADS = {
  popup: (_: Sites): Record<string, string> => ({ requestId: crypto.randomUUID() }),
  redirect: (sites: Sites): Record<string, string> => ({ requestId: crypto.randomUUID(), redirectUri: `${sites.product}/done` }),
};

for (const [road, more] of Object.entries(ROADS)) {
  test.describe(`with the outcome by ${road}`, () => {
    for (const path of ["/connect", "/connection-popup"]) {
      test(`a link to ${path} in the attacker's name asks the victim and does nothing`, async ({ sites, another }) => {
        const { mallory, victim } = await scene(sites, another);
        const before = await tokenCalls(sites);

        await victim.goto(mallory.start("hubspot", more(sites), path));

        await seeConfirmPage(victim, mallory);
        expect(victim.url()).not.toContain("token=");
        expect(await mallory.connections()).toEqual([]);
        expect(await tokenCalls(sites)).toBe(before);
      });

      test(`a form that submits itself to ${path} from another site asks the victim and does nothing`, async ({ sites, another }) => {
        const { mallory, victim } = await scene(sites, another);
        const before = await tokenCalls(sites);
        const fields = { token: mallory.token, integrationKey: "hubspot", ...more(sites) };

        await victim.goto(selfSubmitting(sites, sites.evil, `${sites.ours}${path}`, fields));

        await seeConfirmPage(victim, mallory);
        expect(await mallory.connections()).toEqual([]);
        expect(await tokenCalls(sites)).toBe(before);
      });
    }

    test("only the victim's own press on Continue lets it go on", async ({ sites, another }) => {
      const { mallory, victim } = await scene(sites, another);
      sites.page(sites.product, "/done", "<h1>done</h1>");
      const before = await tokenCalls(sites);
      await victim.goto(mallory.start("hubspot", more(sites)));
      await seeConfirmPage(victim, mallory);

      await goOn(victim, "HubSpot").click();
      await answer(victim);

      await expect.poll(async () => (await mallory.connections()).length).toBe(1);
      expect(await tokenCalls(sites)).toBe(before + 1);
    });

    test("a captured provider address connects nothing in another browser", async ({ sites, another, context }) => {
      const { mallory, victim } = await scene(sites, another);
      const before = await tokenCalls(sites);
      const address = await capturedProviderAddress(sites, context, mallory, more(sites));

      await victim.goto(address);
      await answer(victim);

      await expect(victim.getByRole("heading", { name: "Nothing was connected" })).toBeVisible();
      await expect(victim.getByText("started in another browser or by somebody else")).toBeVisible();
      expect(new URL(victim.url()).origin).toBe(sites.ours);
      expect(await mallory.connections()).toEqual([]);
      expect(await tokenCalls(sites)).toBe(before);
    });

    test("the attacker cannot redeem the callback that the victim's browser made", async ({ sites, another, context }) => {
      const { mallory, victim } = await scene(sites, another);
      const before = await tokenCalls(sites);
      const address = await capturedProviderAddress(sites, context, mallory, more(sites));
      let callback = "";
      victim.on("request", (request) => {
        if (request.url().includes("/oauth/callback/")) callback = request.url();
      });
      await victim.goto(address);
      await answer(victim);
      await expect(victim.getByRole("heading", { name: "Nothing was connected" })).toBeVisible();

      const attacker = await context.newPage();
      await attacker.goto(callback);

      await expect(attacker.getByRole("heading", { name: "Nothing was connected" })).toBeVisible();
      expect(await mallory.connections()).toEqual([]);
      expect(await tokenCalls(sites)).toBe(before);
    });

    test("a captured confirm address asks the victim and does nothing", async ({ sites, another, context }) => {
      const { mallory, victim } = await scene(sites, another);
      const before = await tokenCalls(sites);
      const address = await capturedConfirmAddress(context, mallory, more(sites));

      await victim.goto(address);

      await seeConfirmPage(victim, mallory);
      expect(await mallory.connections()).toEqual([]);
      expect(await tokenCalls(sites)).toBe(before);
    });

    test("a confirm address that the attacker already went on from does not lose its question", async ({ sites, another, context }) => {
      const { mallory, victim } = await scene(sites, another);
      const before = await tokenCalls(sites);
      const attacker = await context.newPage();
      await attacker.goto(mallory.start("hubspot", more(sites)));
      const address = attacker.url();
      await goOn(attacker, "HubSpot").click();
      await expect(attacker.getByRole("button", { name: "Allow" })).toBeVisible();

      await victim.goto(address);

      // Either it is over, or it still asks: never a page that only shows a button.
      const over = victim.getByRole("heading", { name: "This page has done its work" });
      await expect(over.or(victim.locator(".confirm"))).toBeVisible();
      expect(await mallory.connections()).toEqual([]);
      expect(await tokenCalls(sites)).toBe(before);
    });
  });
}

test.describe("forms that other sites make", () => {
  const ACTIONS: [string, (scene: { session: string; ticket: string }) => Record<string, string>][] = [
    ["connect", ({ session }) => ({ session, integration: "hubspot", option: "oauth2", request_id: crypto.randomUUID() })],
    ["submit_input", ({ ticket }) => ({ ticket })],
    ["choose", ({ session, ticket }) => ({ session, ticket, item: "sandbox-alice" })],
    ["reconnect", ({ session }) => ({ session, connection: crypto.randomUUID() })],
    ["delete", ({ session }) => ({ session, connection: crypto.randomUUID() })],
  ];

  for (const [action, fields] of ACTIONS) {
    for (const from of ["evil", "provider", "product", "nowhere"] as const) {
      test(`a form from ${from === "nowhere" ? "a page without an origin" : `the ${from}'s site`} to ${action} is refused`, async ({ sites, another, context }) => {
        const { mallory, victim } = await scene(sites, another);
        const before = await sites.server.stats();
        const session = await sessionOf(context, mallory);
        const ticket = (await capturedConfirmAddress(context, mallory, ROADS.popup(sites))).split("/").at(-1) ?? "";
        const to = `${sites.ours}/_actions/${action}`;
        const body = fields({ session, ticket });

        if (from === "nowhere") {
          await victim.goto(sites.page(sites.evil, "/opaque", opaque(to, body)));
          await expect.poll(() => victim.frames().some((frame) => frame.name() === "opaque")).toBe(true);
          await victim.waitForLoadState("networkidle");
        } else if (from === "provider") {
          // The sandbox serves its own pages there, so the form is made in one of them.
          await victim.goto(`${sites.provider}/sandbox/stats`);
          await submitFrom(victim, to, body);
        } else {
          await victim.goto(selfSubmitting(sites, sites[from], to, body));
        }

        if (from !== "nowhere") {
          await expect(victim.getByRole("heading", { name: "Nothing was done" })).toBeVisible();
        }
        expect((await sites.server.stats()).total).toEqual(before.total);
        expect(await mallory.connections()).toEqual([]);
      });
    }
  }

  test("a form on the product's own page goes straight to the provider", async ({ sites, page }) => {
    const customer = sites.server.customer();
    const back = sites.page(sites.product, "/done", "<h1>done</h1>");

    await page.goto(
      selfSubmitting(sites, sites.product, `${sites.ours}/connect`, {
        token: customer.token, integrationKey: "hubspot", redirectUri: back,
      }),
    );
    await expect(page).toHaveURL(new RegExp(`^${sites.provider}/sandbox/`));
    await answer(page);

    await expect(page.getByRole("heading", { name: "done" })).toBeVisible();
    const [connection] = await customer.connections();
    expect(new URL(page.url()).searchParams.get("connectionId")).toBe(connection.id);
  });
});

test.describe("frames", () => {
  for (const host of ["evil", "product"] as const) {
    for (const what of ["confirm page", "catalog", "app page"] as const) {
      test(`the ${what} cannot be framed by the ${host}'s site`, async ({ sites, another, context }) => {
        const { mallory, victim } = await scene(sites, another);
        const address =
          what === "confirm page" ? await capturedConfirmAddress(context, mallory, ROADS.popup(sites))
          : what === "catalog" ? `${sites.ours}/`
          : `${sites.ours}/apps/hubspot`;

        await victim.goto(sites.page(sites[host], "/frame", `<iframe name="stolen" src="${address}" width="800" height="600"></iframe>`));

        await expect.poll(() => victim.frame({ name: "stolen" })?.url()).toBe("chrome-error://chromewebdata/");
      });
    }

    test(`the page that lets choose cannot be framed by the ${host}'s site`, async ({ sites, another, context }) => {
      const { mallory, victim } = await scene(sites, another);
      const attacker = await context.newPage();
      await attacker.goto(mallory.start("jira", ROADS.popup(sites)));
      await goOn(attacker, "Jira").click();
      await answer(attacker, { scenario: "several" });
      await expect(choices(attacker)).toHaveCount(2);
      const address = attacker.url();

      await victim.goto(sites.page(sites[host], "/choose-frame", `<iframe name="stolen" src="${address}" width="800" height="600"></iframe>`));

      await expect.poll(() => victim.frame({ name: "stolen" })?.url()).toBe("chrome-error://chromewebdata/");
      expect(await mallory.connections()).toEqual([]);
    });

    test(`a start inside a frame of the ${host}'s site shows nothing and connects nothing`, async ({ sites, another }) => {
      const { mallory, victim } = await scene(sites, another);
      const before = await tokenCalls(sites);
      const address = mallory.start("hubspot", ROADS.popup(sites)).replaceAll("&", "&amp;");

      await victim.goto(sites.page(sites[host], "/start", `<iframe name="start" src="${address}" width="800" height="600"></iframe>`));
      await victim.waitForLoadState("networkidle");

      const frame = victim.frame({ name: "start" });
      expect(await frame?.getByRole("button").count()).toBe(0);
      expect(await mallory.connections()).toEqual([]);
      expect(await tokenCalls(sites)).toBe(before);
    });
  }
});

test("a question that is still open from the attacker's own form names the attacker", async ({ sites, another, context }) => {
  const { mallory, victim } = await scene(sites, another);
  const before = await tokenCalls(sites);
  const attacker = await context.newPage();
  await signIn(attacker, mallory);
  await openApp(attacker, "Zendesk");
  await attacker.getByLabel("Zendesk subdomain").fill("bad.sub");
  await attacker.evaluate(() => {
    window.open = () => null;
  });
  await goOn(attacker, "Zendesk").click();
  await expect(attacker.getByLabel("Zendesk subdomain")).toHaveAttribute("aria-invalid", "true");

  await victim.goto(attacker.url());

  await expect(victim.getByText("Mallory Malice").first()).toBeVisible();
  await expect(victim.getByText(mallory.id).first()).toBeVisible();
  expect(await mallory.connections()).toEqual([]);
  expect(await tokenCalls(sites)).toBe(before);
});

function form(to: string, fields: Record<string, string>, target = ""): string {
  const inputs = Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`);
  return `<form method="post" action="${to}" ${target}>${inputs.join("")}</form><script>document.forms[0].submit()</script>`;
}

function selfSubmitting(sites: Sites, origin: string, to: string, fields: Record<string, string>): string {
  return sites.page(origin, `/form-${crypto.randomUUID()}`, form(to, fields));
}

/** A frame without an origin of its own posts with `Origin: null`. */
function opaque(to: string, fields: Record<string, string>): string {
  const inner = form(to, fields).replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  return `<iframe name="opaque" sandbox="allow-scripts allow-forms allow-top-navigation" srcdoc="${inner}"></iframe>`;
}

async function submitFrom(page: Page, to: string, fields: Record<string, string>): Promise<void> {
  await page.evaluate(
    ([address, pairs]) => {
      const made = document.createElement("form");
      made.method = "post";
      made.action = address;
      for (const [name, value] of pairs) {
        const input = document.createElement("input");
        input.name = name;
        input.value = value;
        made.append(input);
      }
      document.documentElement.append(made);
      made.submit();
    },
    [to, Object.entries(fields)] as const,
  );
}

/** The handle that a signed-in page's forms carry. */
async function sessionOf(context: BrowserContext, customer: Customer): Promise<string> {
  const page = await context.newPage();
  await signIn(page, customer);
  await openApp(page, "HubSpot");
  const session = await page.locator("form.connect input[name=session]").inputValue();
  await page.close();
  return secret("session handle", session);
}

async function capturedConfirmAddress(context: BrowserContext, mallory: Customer, more: Record<string, string>): Promise<string> {
  const page = await context.newPage();
  await page.goto(mallory.start("hubspot", more));
  await seeConfirmPage(page, mallory);
  const address = page.url();
  await page.close();
  return address;
}

/** The attacker confirms, and keeps the provider's address instead of going there. */
async function capturedProviderAddress(sites: Sites, context: BrowserContext, mallory: Customer, more: Record<string, string>): Promise<string> {
  const page = await context.newPage();
  await page.goto(mallory.start("hubspot", more));
  await goOn(page, "HubSpot").click();
  await expect(page.getByRole("button", { name: "Allow" })).toBeVisible();
  const address = page.url();
  expect(new URL(address).origin).toBe(sites.provider);
  await page.close();
  return address;
}
