// What one run of the suite leaves behind for its last check: servers that ran, secrets they saw.
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const VARIABLE = "HITCHPOST_END2END_RUN";

/** Makes the run's folder. Workers inherit its name. */
export function beginRun(): string {
  const folder = mkdtempSync(join(tmpdir(), "hitchpost-end2end-"));
  mkdirSync(join(folder, "secrets"));
  process.env[VARIABLE] = folder;
  return folder;
}

/** The run's folder. */
export function runFolder(): string {
  const folder = process.env[VARIABLE];
  if (!folder) throw new Error("no run has begun");
  return folder;
}

/** One file per process: two workers never write to the same one. */
function file(kind: string): string {
  return join(runFolder(), kind, `${process.pid}.jsonl`);
}

/** Notes a secret that the suite used. */
export function note(kind: string, value: string): void {
  appendFileSync(file("secrets"), `${JSON.stringify([kind, value])}\n`);
}

/** A folder for a server of its own. */
export function serverFolder(): string {
  return mkdtempSync(join(runFolder(), "server-"));
}

/** Lines of a file that may not be there. */
export function lines(path: string): string[] {
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
}
