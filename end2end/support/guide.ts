// Samples of the guide about connecting, to be run as they stand.
import { readFileSync } from "node:fs";

/** A sample of the guide, with other names in it. */
export function sample(id: string, names: Record<string, string>): string {
  const guide = readFileSync(new URL("../../docs/connect.md", import.meta.url), "utf8");
  const found = guide.split(`<!-- test: ${id} -->\n`)[1]?.match(/^```\w+\n([^]*?)\n```/)?.[1];
  if (!found) throw new Error(`the guide has no sample ${id}`);
  return Object.entries(names).reduce((text, [name, value]) => text.replaceAll(name, value), found);
}
