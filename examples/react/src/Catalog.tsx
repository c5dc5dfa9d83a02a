import { useIntegrations, useMembrane } from "@membranehq/react";
import { useDeferredValue, useState } from "react";

const PAGE = 9;

interface Props {
  /** Ids of the integrations that the customer has connected. */
  connected: Set<string | undefined>;
  run: (action: () => Promise<unknown>) => Promise<void>;
}

/** Searches the apps, and connects one. */
export function Catalog(props: Props) {
  const [search, setSearch] = useState("");
  const settled = useDeferredValue(search);
  return (
    <section>
      <h2 id="apps">Apps</h2>
      <input type="search" aria-label="Search apps" placeholder="Search" value={search} onChange={(event) => setSearch(event.target.value)} />
      <Found key={settled} search={settled} {...props} />
    </section>
  );
}

function Found({ search, connected, run }: Props & { search: string }) {
  const client = useMembrane();
  const { items, loading, loadingMore, loadMore, error } = useIntegrations({ search, limit: PAGE });
  const [pages, setPages] = useState(1);

  async function more() {
    await loadMore();
    setPages(pages + 1);
  }

  if (error) return <p role="alert">The apps cannot be shown: {error.message}</p>;
  if (loading) return <p className="muted">Loading …</p>;
  if (items.length === 0) return <p className="muted">No app is called that.</p>;
  return (
    <>
      <ul className="catalog" aria-labelledby="apps">
        {items.map(({ id, name, logoUri }) => (
          <li key={id}>
            <img src={logoUri} alt="" />
            <strong>{name}</strong>
            {connected.has(id) ? (
              <span className="muted">Connected</span>
            ) : (
              <button className="primary" aria-label={`Connect ${name}`} onClick={() => run(() => client.integration(id).openNewConnection())}>
                Connect
              </button>
            )}
          </li>
        ))}
      </ul>
      {items.length === pages * PAGE && (
        <button className="more" disabled={loadingMore} onClick={more}>
          Show more
        </button>
      )}
    </>
  );
}
