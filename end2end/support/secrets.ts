// Collects every secret that passes through a browser of the suite, and looks for them afterwards
// in whatever the servers wrote.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContext, Request } from "@playwright/test";
import { lines, note, runFolder } from "./run.ts";

/** Shorter ones would be found by chance. */
const SHORTEST = 12;

const known = new Set<string>();

/** Notes a secret once. */
export function secret<T extends string | null | undefined>(kind: string, value: T): T {
  if (value && value.length >= SHORTEST && !known.has(value)) {
    known.add(value);
    note(kind, value);
  }
  return value;
}

let serial = 0;

/** A key of which there is only one, so that finding it means something. `word` decides whether the sandbox takes it. */
export function apiKey(prefix: string, word: string): string {
  serial += 1;
  const key = `${prefix}${word}_${process.pid}x${serial}x${Math.random().toString(36).slice(2)}`;
  return secret("API key", key);
}

const PARAMETERS: Record<string, string> = {
  token: "customer token",
  session: "session handle",
  ticket: "ticket",
  state: "state",
  code: "authorization code",
  parked: "parked answer",
  id_token: "id token",
  oauth_token: "temporary token",
  oauth_verifier: "verifier",
  "input[api_key]": "API key",
  "input[api_token]": "API token",
  "input[password]": "password",
  "input[client_secret]": "client secret",
  "input[consumer_secret]": "client secret",
  "input[token]": "token",
  "input[token_secret]": "token secret",
  "input[private_key]": "private key",
};

function fromPairs(pairs: URLSearchParams): void {
  for (const [name, value] of pairs) {
    const kind = PARAMETERS[name];
    if (kind) secret(kind, value);
  }
}

function fromAddress(address: string): void {
  const url = new URL(address);
  fromPairs(url.searchParams);
  const ticket = /^\/(?:connect\/(?:continue|result)|link)\/([^/]+)$/.exec(url.pathname);
  if (ticket) secret("ticket", ticket[1]);
}

function fromRequest(request: Request): void {
  if (!/^https?:/.test(request.url())) return;
  fromAddress(request.url());
  const body = request.postData();
  if (body && (request.headers()["content-type"] ?? "").includes("urlencoded")) fromPairs(new URLSearchParams(body));
}

/** Collects from everything a context sends and is sent. */
export function watchSecrets(context: BrowserContext): void {
  context.on("request", fromRequest);
  context.on("response", (response) => {
    const headers = response.headers();
    if (headers.location) fromAddress(new URL(headers.location, response.url()).href);
    for (const cookie of (headers["set-cookie"] ?? "").split("\n")) {
      const value = /^[^=]+=([^;]+)/.exec(cookie);
      if (value) secret("cookie", value[1]);
    }
  });
}

export interface Hit {
  kind: string;
  file: string;
  at: number;
}

export interface Scan {
  servers: number;
  files: number;
  bytes: number;
  secrets: number;
  hits: Hit[];
  canaryFound: boolean;
}

/** Looks for many needles in one go: four bytes pick the candidates, which are then compared whole. */
function find(haystack: Buffer, needles: Map<string, string>): { value: string; at: number }[] {
  const byStart = new Map<number, Buffer[]>();
  const maybe = new Uint8Array(1 << 16);
  for (const value of needles.keys()) {
    const bytes = Buffer.from(value);
    const start = bytes.readUInt32LE(0);
    byStart.set(start, [...(byStart.get(start) ?? []), bytes]);
    maybe[bytes.readUInt16LE(0)] = 1;
  }
  const found = [];
  for (let at = 0; at + 4 <= haystack.length; at += 1) {
    if (!maybe[haystack[at] | (haystack[at + 1] << 8)]) continue;
    for (const bytes of byStart.get(haystack.readUInt32LE(at)) ?? []) {
      if (haystack.compare(bytes, 0, bytes.length, at, Math.min(at + bytes.length, haystack.length)) === 0) {
        found.push({ value: bytes.toString(), at });
      }
    }
  }
  return found;
}

/** As it was used, and as somebody might have encoded it. */
function spellings(value: string): string[] {
  const bytes = Buffer.from(value);
  const all = [value, bytes.toString("hex"), encodeURIComponent(value)];
  // Without the last characters, which depend on what follows.
  all.push(bytes.toString("base64").slice(0, -4), bytes.toString("base64url").slice(0, -4));
  return all.filter((one) => one.length >= SHORTEST);
}

function collected(): Map<string, string> {
  const folder = join(runFolder(), "secrets");
  const all = readdirSync(folder).flatMap((name) => lines(join(folder, name)));
  const pairs = all.map((line) => JSON.parse(line) as [string, string]);
  return new Map(pairs.map(([kind, value]) => [value, kind]));
}

/** Scans what the servers of this run wrote. Their key files are where keys belong and are left out. */
export function scanRun(): Scan {
  const folder = runFolder();
  const secrets = collected();
  const canary = `canary-${Math.random().toString(36).slice(2)}-${Date.now()}`;
  const needles = new Map([...secrets].flatMap(([value, kind]) => spellings(value).map((one) => [one, kind] as const)));
  spellings(canary).forEach((one) => needles.set(one, "canary"));
  // Planted where the scan looks last, in a spelling that only the whole machinery finds.
  writeFileSync(join(folder, "canary.log"), `a log line with ${Buffer.from(`${canary}and more`).toString("base64url")} in it\n`);

  const servers = readdirSync(folder).filter((name) => name.startsWith("server-"));
  const files = servers.flatMap((server) =>
    readdirSync(join(folder, server))
      .filter((name) => /\.(db|db-wal|log)$/.test(name))
      .map((name) => join(folder, server, name)),
  );
  const hits: Hit[] = [];
  let bytes = 0;
  let canaryFound = false;
  for (const file of [...files, join(folder, "canary.log")]) {
    bytes += statSync(file).size;
    for (const { value, at } of find(readFileSync(file), needles)) {
      const kind = needles.get(value) ?? "";
      if (kind === "canary") canaryFound = true;
      else hits.push({ kind, file, at });
    }
  }
  return { servers: servers.length, files: files.length, bytes, secrets: secrets.size, hits, canaryFound };
}
