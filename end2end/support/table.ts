import { test } from "@playwright/test";
import type { Reporter, TestCase, TestResult } from "@playwright/test/reporter";

/** Our own SDK in the table. */
export const OURS = "@hitchpost/sdk";
/** What a row of the table is made of: call, package and, where a test has several rows, how it went. */
const KIND = "call";

/** Marks a test as one of a vendor's call, made with one of its SDKs. */
export function callOf(call: string, sdk: { name: string }): { annotation: { type: string; description: string } } {
  return { annotation: { type: KIND, description: `${call}\t${sdk.name}` } };
}

/** Marks all tests of a file as ones of a call of our own SDK. */
export function allOf(call: string): void {
  test.beforeEach(() => void test.info().annotations.push({ type: KIND, description: `${call}\t${OURS}` }));
}

/** Runs the check of one row for one package; a test may have several. */
export async function row(call: string, sdk: string, check: () => Promise<void>): Promise<void> {
  const mark = { type: KIND, description: `${call}\t${sdk}\tfailed` };
  test.info().annotations.push(mark);
  await check();
  mark.description = `${call}\t${sdk}\tpassed`;
}

/** Ends a run with one table: call, package, and how many of its checks passed. */
export default class Table implements Reporter {
  private readonly rows = new Map<string, Map<string, { passed: number; all: number }>>();

  onTestEnd(test: TestCase, result: TestResult): void {
    if (result.status === "skipped") return;
    const marks = new Set([...test.annotations, ...result.annotations].filter(({ type }) => type === KIND).map(({ description }) => description ?? ""));
    for (const mark of marks) {
      const [call, named, outcome] = mark.split("\t");
      const sdk = named.split(" ")[0];
      const row = this.rows.get(call) ?? new Map();
      const cell = row.get(sdk) ?? { passed: 0, all: 0 };
      cell.all += 1;
      if (outcome ? outcome === "passed" : test.outcome() === "expected") cell.passed += 1;
      this.rows.set(call, row.set(sdk, cell));
    }
  }

  onEnd(): void {
    if (this.rows.size === 0) return;
    const packages = [...new Set([...this.rows.values()].flatMap((row) => [...row.keys()]))].sort();
    const calls = [...this.rows.keys()].sort();
    const wide = Math.max(...calls.map((call) => call.length));
    const widths = [wide, ...packages.map((name) => Math.max(name.length, "failed 0 of 00".length))];
    const line = (cells: string[]) => console.log(cells.map((cell, i) => cell.padEnd(widths[i])).join("  ").trimEnd());
    const shown = (cell?: { passed: number; all: number }) => {
      if (!cell) return "-";
      return cell.passed === cell.all ? `passed ${cell.all}` : `FAILED ${cell.all - cell.passed} of ${cell.all}`;
    };
    console.log("\nChecks of each call, by package:");
    line(["call", ...packages]);
    for (const call of calls) line([call, ...packages.map((name) => shown(this.rows.get(call)!.get(name)))]);
  }

  printsToStdio(): boolean {
    return true;
  }
}
