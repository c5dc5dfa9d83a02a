// Samples of the guides in docs/, to be run as they stand.
import { execFile, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { serverFolder } from "./run.ts";
import { binary, type Server } from "./server.ts";

const ROOT = new URL("../../", import.meta.url);

/** A sample of a guide, with other names in it. `guide` is its file in docs/, or the README. */
export function sample(id: string, names: Record<string, string>, guide = "connect"): string {
  const path = guide === "README" ? "README.md" : `docs/${guide}.md`;
  const text = readFileSync(new URL(path, ROOT), "utf8");
  const found = text.split(`<!-- test: ${id} -->\n`)[1]?.match(/^```\w+\n([^]*?)\n```/)?.[1];
  if (!found) throw new Error(`${path} has no sample ${id}`);
  return Object.entries(names).reduce((text, [name, value]) => text.replaceAll(name, value), found);
}

/** What runs a program of a guide, and the file it is written to. */
const LANGUAGES = {
  js: { file: "app.mjs", command: (file: string) => [process.execPath, file] },
  python: { file: "app.py", command: (file: string) => ["python3", "-B", file] },
  php: { file: "app.php", command: (file: string, port: number) => ["php", "-q", "-S", `localhost:${port}`, file] },
};
export type Language = keyof typeof LANGUAGES;

/** A backend of a guide while it runs. */
export interface Program {
  stop(): void;
}

/** Starts a program of a guide, as the backend of a product, in a folder with the files it sends. */
export async function start(language: Language, code: string, port: number, env: Record<string, string>, files: Record<string, string> = {}): Promise<Program> {
  const { file, command } = LANGUAGES[language];
  const folder = serverFolder();
  for (const [name, text] of Object.entries({ ...files, [file]: code })) writeFileSync(join(folder, name), text);
  return listen(command(file, port), port, env, folder);
}

/** Starts a command and waits until it listens. */
export async function listen([name, ...args]: string[], port: number, env: Record<string, string>, cwd?: string): Promise<Program> {
  const child = spawn(name, args, { cwd, env: { PATH: process.env.PATH ?? "", ...env }, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text) => (said += text));
  child.once("error", () => (said += `${name} is not installed`));
  const until = Date.now() + 10_000;
  while (!(await answers(port))) {
    if (child.exitCode !== null || child.pid === undefined || Date.now() > until) throw new Error(`${name} ${args.join(" ")} did not start: ${said}`);
    await new Promise((done) => setTimeout(done, 25));
  }
  return { stop: () => void child.kill() };
}

/** Runs a guide's lines for a shell that knows `hitchpost`, with the files and the secret of a server. */
export async function shell(code: string, server: Server): Promise<string> {
  const env = {
    PATH: process.env.PATH ?? "",
    HITCHPOST_CONFIG: join(server.folder, "hitchpost.toml"),
    HITCHPOST_DATABASE: `sqlite:${join(server.folder, "hitchpost.db")}`,
    ACME_SECRET: server.key,
  };
  const run = ["--norc", "-euc", `hitchpost() { '${binary()}' "$@"; }\n${code}`];
  return (await promisify(execFile)("bash", run, { cwd: server.folder, env })).stdout;
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ port, host: "localhost" });
    socket.once("connect", () => done(true)).once("error", () => done(false));
    socket.once("connect", () => socket.destroy());
  });
}
