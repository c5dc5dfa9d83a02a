import { rmSync } from "node:fs";
import { runFolder } from "./run.ts";
import { scanRun } from "./secrets.ts";

// After the last test, when every server has stopped: nothing that was secret was written down.
export default function tearDown(): void {
  const scan = scanRun();
  console.log(
    `secrets: ${scan.secrets} looked for in ${scan.files} files, ${scan.bytes} bytes of databases, write-ahead logs and logs: ` +
      `${scan.hits.length} hits, canary ${scan.canaryFound ? "found" : "NOT FOUND"}`,
  );
  if (!scan.canaryFound) throw new Error("the scan for secrets does not find what was planted for it");
  if (scan.servers === 0 || scan.secrets === 0) throw new Error("the scan for secrets had nothing to look at");
  if (scan.hits.length > 0) {
    const shown = scan.hits.slice(0, 20).map((hit) => `  ${hit.kind} in ${hit.file} at byte ${hit.at}`);
    throw new Error(`secrets were written down:\n${shown.join("\n")}\nkept for a look: ${runFolder()}`);
  }
  if (!process.env.HITCHPOST_KEEP) rmSync(runFolder(), { recursive: true, force: true });
}
