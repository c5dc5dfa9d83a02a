import { useConnections } from "@membranehq/react";
import { useState } from "react";
import { Catalog } from "./Catalog";
import { Connections } from "./Connections";

/** The integrations page: what the customer has, and what there is. */
export function App() {
  const connections = useConnections({ limit: 100 });
  const [problem, setProblem] = useState("");

  /** Runs what a button does, then shows what became of it. */
  async function run(action: () => Promise<unknown>) {
    setProblem("");
    try {
      await action();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    await connections.refresh();
  }

  return (
    <>
      <h1>Integrations</h1>
      {problem && <p role="alert">{problem}</p>}
      <Connections connections={connections.items} run={run} />
      <Catalog connected={new Set(connections.items.map((one) => one.integrationId))} run={run} />
    </>
  );
}
