// A server of one's own: own database, own port, own log, stopped by its process id.
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, copyFileSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { serverFolder } from "./run.ts";
import { secret } from "./secrets.ts";
import { signToken, type Claims } from "./token.ts";

const HERE = dirname(fileURLToPath(import.meta.url));

/** The server under test. */
export function binary(): string {
  return process.env.HITCHPOST_BIN ? resolve(process.env.HITCHPOST_BIN) : resolve(HERE, "../../target/debug/hitchpost");
}

/** All apps of the catalog, as integrations that the sandbox plays. */
export const APPS = [
  "airtable", "apple", "asana", "bigcommerce", "docusign", "dropbox", "github", "gitlab", "google-drive", "hubspot", "jira", "linear",
  "mailchimp", "netsuite", "notion", "paypal", "quickbooks", "salesforce", "sendgrid", "shopify", "slack", "stripe", "tiktok", "trello",
  "xero", "zendesk", "zoho-crm",
];

export interface ServerOptions {
  /** What browsers call it; without one http://localhost and its port. */
  publicUrl?: string;
  /** Where the sandbox's pages are, when on another site. */
  sandboxUrl?: string;
  /** Origins of pages that may frame and start connections. */
  origins?: string[];
  /** Integrations as `[key, connector]`; all apps of the catalog without. */
  integrations?: [string, string][];
  /** No configuration file: the demo of the first start. */
  demo?: boolean;
  /** Where to listen if that is free, for pictures that show the address. */
  port?: number;
  /** Lines of TOML behind the workspace and its integrations. */
  more?: string;
}

/** What the sandbox counted. */
export interface Stats {
  total: Record<string, number>;
  connectors: Record<string, Record<string, number>>;
}

/** A connection as the API shows it. */
export interface Connection {
  id: string;
  name: string;
  integrationKey: string;
  connected: boolean;
  disconnected: boolean;
  [more: string]: unknown;
}

const running = new Set<ChildProcess>();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

async function freePort(wanted = 0): Promise<number> {
  const probe = createServer();
  const free = await new Promise<boolean>((done) => {
    probe.once("error", () => done(false));
    probe.listen(wanted, "127.0.0.1", () => done(true));
  });
  if (!free) return freePort();
  const address = probe.address();
  await new Promise((done) => probe.close(done));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

let customers = 0;

export class Server {
  readonly workspace: string;
  private constructor(
    private readonly child: ChildProcess,
    readonly folder: string,
    /** Where it listens. */
    readonly bound: string,
    /** What browsers call it. */
    readonly url: string,
    private readonly key: string,
    demo: boolean,
  ) {
    this.workspace = demo ? "demo" : "acme";
  }

  static async start(options: ServerOptions = {}): Promise<Server> {
    const folder = serverFolder();
    const key = secret("workspace secret", randomBytes(32).toString("hex"));
    const port = await freePort(options.port);
    const url = options.publicUrl ?? `http://localhost:${port}`;
    const env: Record<string, string> = {
      PATH: process.env.PATH ?? "",
      HITCHPOST_LISTEN: `127.0.0.1:${port}`,
      HITCHPOST_DATABASE: `sqlite:${join(folder, "hitchpost.db")}`,
      HITCHPOST_PUBLIC_URL: url,
      HITCHPOST_SANDBOX: "true",
      HITCHPOST_LOG: "trace",
      ACME_SECRET: key,
    };
    if (options.sandboxUrl) env.HITCHPOST_SANDBOX_URL = options.sandboxUrl;
    if (!options.demo) {
      env.HITCHPOST_CONFIG = join(folder, "hitchpost.toml");
      writeFileSync(env.HITCHPOST_CONFIG, configuration(options));
    }
    const log = openSync(join(folder, "server.log"), "a");
    const out = openSync(join(folder, "out.txt"), "a");
    const child = spawn(binary(), [], { cwd: folder, env, stdio: ["ignore", out, log] });
    closeSync(log);
    closeSync(out);
    running.add(child);
    const server = new Server(child, folder, `http://127.0.0.1:${port}`, url, key, Boolean(options.demo));
    await server.answers();
    // The file reads `kid:base64`; the database must never hold what it protects itself with.
    secret("encryption key", readFileSync(join(folder, "hitchpost.db.key"), "utf8").trim().split(":")[1]);
    return server;
  }

  private async answers(): Promise<void> {
    const until = Date.now() + 10_000;
    while (Date.now() < until) {
      if (this.child.exitCode !== null) break;
      const ok = await fetch(`${this.bound}/healthz`).then((answer) => answer.ok, () => false);
      if (ok) return;
      await new Promise((done) => setTimeout(done, 25));
    }
    throw new Error(`the server did not start:\n${readFileSync(join(this.folder, "server.log"), "utf8").slice(-2000)}`);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null) {
      // A clean end folds the write-ahead log into the database, so it is kept as it was for the scan.
      const live = join(this.folder, "hitchpost.db-wal");
      if (existsSync(live)) copyFileSync(live, join(this.folder, "before-the-end.db-wal"));
      const ended = new Promise((done) => this.child.once("exit", done));
      this.child.kill("SIGTERM");
      const late = setTimeout(() => this.child.kill("SIGKILL"), 5_000);
      await ended;
      clearTimeout(late);
    }
    running.delete(this.child);
  }

  /** A customer nobody has seen before. */
  customer(claims: Claims = {}): Customer {
    customers += 1;
    const id = claims.id ?? `customer-${process.pid}-${customers}`;
    return new Customer(this, id, signToken(this.workspace, this.key, { ...claims, id }));
  }

  /** A token as its claims say, good or not. */
  token(claims: Claims): string {
    return signToken(this.workspace, this.key, claims);
  }

  /** What the sandbox counted since the start. */
  async stats(): Promise<Stats> {
    return (await fetch(`${this.bound}/sandbox/stats`)).json() as Promise<Stats>;
  }

  /** The link that a demo prints. */
  demoLink(): string {
    const printed = readFileSync(join(this.folder, "out.txt"), "utf8");
    const link = /https?:\/\/\S+\/link\/(\S+)/.exec(printed);
    if (!link) throw new Error(`no link was printed:\n${printed}`);
    secret("ticket", link[1]);
    return link[0];
  }
}

/** A customer, with what its product would know. */
export class Customer {
  constructor(private readonly server: Server, readonly id: string, readonly token: string) {}

  /** The address that signs this customer in. */
  get link(): string {
    return `${this.server.url}/?token=${this.token}`;
  }

  /** An address that starts connecting, as a product's page would have it. */
  start(integration: string, more: Record<string, string> = {}, path = "/connect"): string {
    const query = new URLSearchParams({ token: this.token, integrationKey: integration, ...more });
    return `${this.server.url}${path}?${query}`;
  }

  /** The customer's connections as the API tells them. */
  async connections(): Promise<Connection[]> {
    const answer = await fetch(`${this.server.bound}/connections`, {
      headers: { authorization: `Bearer ${this.token}`, accept: "application/json" },
    });
    if (!answer.ok) throw new Error(`GET /connections: ${answer.status}`);
    return ((await answer.json()) as { items: Connection[] }).items;
  }
}

function configuration(options: ServerOptions): string {
  const origins = options.origins ?? ["http://localhost:*", "http://127.0.0.1:*"];
  const integrations = options.integrations ?? APPS.map((key): [string, string] => [key, key]);
  const blocks = integrations.map(
    ([key, connector]) => `[[workspace.integration]]\nkey = "${key}"\nconnector = "${connector}"\nsandbox = true\n`,
  );
  return `[[workspace]]\nkey = "acme"\nname = "Acme"\nsecret = "\${ACME_SECRET}"\nallowed_origins = ${JSON.stringify(origins)}\n\n${blocks.join("\n")}\n${options.more ?? ""}`;
}
