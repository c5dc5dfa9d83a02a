import { existsSync } from "node:fs";
import { beginRun } from "./run.ts";
import { binary } from "./server.ts";

export default function setUp(): void {
  if (!existsSync(binary())) {
    throw new Error(`${binary()} is not there: run \`cargo build\` first, or name one with HITCHPOST_BIN`);
  }
  beginRun();
}
