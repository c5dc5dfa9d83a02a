import type { FullResult, Reporter, TestCase, TestResult } from "@playwright/test/reporter";

/** Ends a run with one line that a script can read. */
export default class Summary implements Reporter {
  private readonly outcomes = new Map<string, boolean>();
  private errors = 0;

  onTestEnd(test: TestCase, result: TestResult): void {
    if (result.status !== "skipped") this.outcomes.set(test.id, test.outcome() === "expected");
  }

  // What breaks outside of a test, such as the scan after the last one.
  onError(): void {
    this.errors += 1;
  }

  onEnd(result: FullResult): void {
    const all = [...this.outcomes.values()];
    const passed = all.filter(Boolean).length;
    const failed = all.length - passed + this.errors;
    console.log(`${passed} passed, ${result.status === "passed" ? failed : Math.max(failed, 1)} failed`);
  }

  printsToStdio(): boolean {
    return true;
  }
}
