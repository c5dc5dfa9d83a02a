import type { Reporter, TestCase, TestResult } from "@playwright/test/reporter";

/** Marks a test as one of a vendor's call, made with one of its SDKs. */
export function callOf(call: string, sdk: { name: string }): { annotation: { type: string; description: string } } {
  return { annotation: { type: "call", description: `${call}\t${sdk.name}` } };
}

/** Ends a run with a table: call, SDK, and how many of its tests passed. */
export default class Table implements Reporter {
  private readonly rows = new Map<string, Map<string, { passed: number; all: number }>>();

  onTestEnd(test: TestCase, result: TestResult): void {
    for (const { type, description } of test.annotations) {
      if (type !== "call" || !description || result.status === "skipped") continue;
      const [call, sdk] = description.split("\t");
      const row = this.rows.get(call) ?? new Map();
      const cell = row.get(sdk) ?? { passed: 0, all: 0 };
      cell.all += 1;
      if (test.outcome() === "expected") cell.passed += 1;
      this.rows.set(call, row.set(sdk, cell));
    }
  }

  onEnd(): void {
    if (this.rows.size === 0) return;
    const sdks = [...new Set([...this.rows.values()].flatMap((row) => [...row.keys()]))].sort();
    const wide = Math.max(...[...this.rows.keys()].map((call) => call.length));
    const line = (cells: string[]) => console.log(cells.map((cell, i) => cell.padEnd(i === 0 ? wide : 30)).join("  ").trimEnd());
    console.log("\nTests passed by call of the public SDKs:");
    line(["", ...sdks]);
    for (const [call, row] of this.rows) {
      line([call, ...sdks.map((sdk) => (row.has(sdk) ? `${row.get(sdk)!.passed} of ${row.get(sdk)!.all}` : "-"))]);
    }
  }

  printsToStdio(): boolean {
    return true;
  }
}
