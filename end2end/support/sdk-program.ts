// What the types of our own SDK have to let through, and what they have to refuse. Checked, never run.
import { configure, connect, HitchpostClient, HitchpostError, type Connection, type Integration } from "@hitchpost/sdk";

configure({ url: "https://hitchpost.acme.com", timeout: 60_000 });
// @ts-expect-error: the address is a text
configure({ url: 5 });
// @ts-expect-error: there is no such setting
configure({ uri: "https://hitchpost.acme.com" });

const client = new HitchpostClient({ fetchToken: async () => "a.b.c", fetchCredentials: () => ({ apiKey: "k" }) });
new HitchpostClient({ token: "a.b.c", apiUri: "https://hitchpost.acme.com", uiUri: "https://hitchpost.acme.com" });
// @ts-expect-error: there is no such option
new HitchpostClient({ tokn: "a.b.c" });

export async function page(): Promise<Integration[]> {
  const { items, cursor } = await client.integrations.find({ search: "hub", limit: 5 });
  const next: string | undefined = cursor;
  const all: Integration[] = await client.integrations.findAll();
  const connections: Connection[] = (await client.connections.find({ integrationKey: "hubspot", cursor: next })).items;
  // @ts-expect-error: a name is not a number
  const name: number = items[0].name;
  const broken: boolean[] = connections.map((one) => one.disconnected);
  return broken.length > name ? items : all;
}

export async function connecting(): Promise<string | undefined> {
  const made = await client.integration("hubspot").connect({ input: { a: 1 }, connectorParameters: { scopes: ["a"] }, theme: "dark" });
  // @ts-expect-error: it may have been called off
  made.id;
  // @ts-expect-error: there is no such theme
  await client.integration("hubspot").openNewConnection({ theme: "pink" });
  const shown: Connection | null = await client.ui.connect({ integrationKey: "hubspot", allowMultipleConnections: true });
  await client.ui.connection({ connectionId: shown?.id ?? "" });
  // @ts-expect-error: which one?
  await client.ui.connection({});
  await client.connection("hubspot").openReconnectUI({ theme: "auto" });
  const contacts = await client.connection("hubspot").proxy.get<{ results: { id: string }[] }>("/crm/v3/objects/contacts");
  await client.connection("hubspot").proxy.post("/crm/v3/objects/contacts", { properties: {} });
  try {
    await client.connection("hubspot").archive();
  } catch (error) {
    if (error instanceof HitchpostError && error.key === "not_found") return error.data.data?.reason;
  }
  return contacts.results[0]?.id;
}

// As the documents of Munity have it, with their missing quotes and brackets added.
const promise: Promise<boolean> = connect("jira", "secret", (data: { status: string; message: any }): void => {
  console.log(data.status, data.message);
}, {});
connect("jira", "secret", (data) => console.log(data.type === "READY", data.message)).close();
connect("jira", "secret").then((result) => console.log("Integration is ready:", result)).catch((error) => console.error("Error occurred:", error));
// @ts-expect-error: a connector is named by its key
connect(5, "secret");
// @ts-expect-error: settings are texts
connect("jira", "secret", null, { deep: {} });

async function handleConnect() {
  try {
    const result = await connect("jira", "secret", () => {}, { subdomain: "acme" });
    console.log("Integration is ready:", result);
  } catch (error) {
    console.error("Error occurred:", error);
  }
}
void handleConnect().then(() => promise).then(() => window.Hitchpost.configure({}));
