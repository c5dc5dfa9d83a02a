import { useConnections, useMembrane } from "@membranehq/react";
import { useState } from "react";

type Connection = ReturnType<typeof useConnections>["items"][number];

interface Props {
  connections: Connection[];
  run: (action: () => Promise<unknown>) => Promise<void>;
}

/** What the customer has connected, with a way to renew and to delete it. */
export function Connections({ connections, run }: Props) {
  return (
    <section>
      <h2 id="connections">Connected</h2>
      {connections.length === 0 && <p className="muted">Nothing yet.</p>}
      <ul aria-labelledby="connections">
        {connections.map((connection) => (
          <Row key={connection.id} connection={connection} run={run} />
        ))}
      </ul>
    </section>
  );
}

function Row({ connection, run }: { connection: Connection; run: Props["run"] }) {
  const client = useMembrane();
  const [asked, setAsked] = useState(false);
  const { id, name, integration, disconnected } = connection;
  const app = integration?.name ?? name;
  return (
    <li className={disconnected ? "broken" : ""}>
      <img src={integration?.logoUri} alt="" />
      <strong>
        {app}
        <small>{disconnected ? "No longer connected" : name}</small>
      </strong>
      <button aria-label={`Reconnect ${app}`} onClick={() => run(() => client.connection(id).openReconnectUI())}>
        Reconnect
      </button>
      {asked ? (
        <button autoFocus aria-label={`Really delete ${app}`} onBlur={() => setAsked(false)} onClick={() => run(() => client.connection(id).archive())}>
          Really delete?
        </button>
      ) : (
        <button aria-label={`Delete ${app}`} onClick={() => setAsked(true)}>
          Delete
        </button>
      )}
    </li>
  );
}
