// A page of the product that is made of the vendors' hooks: lists, pages of lists, and one connection.
import type { Customer } from "./server.ts";
import type { Sites } from "./tls.ts";
import { options, productPage, reactBundle, type Vendor } from "./vendor-bundle.ts";

/** Puts the page on the product's site and says its address; `first` is the connection it shows. */
export async function hooksPage(product: Sites, vendor: Vendor, customer: Customer, first: { id: string }): Promise<string> {
  const script = `${await reactBundle(vendor)}
    const { IntegrationAppProvider, useIntegrations, useConnections, useConnection, useIntegration } = Vendor;
    const e = React.createElement;
    const list = (id, items) => e("ul", { id }, items.map((text) => e("li", { key: text }, text)));
    function Page() {
      const integrations = useIntegrations({ limit: 5 });
      const connections = useConnections();
      const pages = useConnections({ limit: 2 });
      const { integration } = useIntegration("hubspot");
      const one = useConnection(${JSON.stringify(first.id)});
      const shown = one.connection;
      return e("div", null,
        list("integrations", integrations.items.map((item) => item.key)),
        e("button", { onClick: () => integrations.loadMore() }, "More integrations"),
        list("connections", connections.items.map((item) => item.integration.key)),
        e("button", { onClick: () => connections.refresh() }, "Refresh connections"),
        list("pages", pages.items.map((item) => item.id)),
        e("button", { onClick: () => pages.loadMore() }, "More connections"),
        e("p", { id: "connection" }, shown ? shown.name + (shown.archivedAt ? ", archived" : "") : ""),
        e("button", { onClick: () => one.patch({ name: "Renamed by a hook" }) }, "Rename"),
        e("button", { onClick: () => one.archive() }, "Archive"),
        e("p", { id: "one" }, integration ? integration.name : ""));
    }
    createRoot(document.getElementById("app")).render(e(IntegrationAppProvider, ${JSON.stringify(options(product, customer))}, e(Page)));`;
  return productPage(product, script);
}
