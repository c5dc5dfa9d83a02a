/** What `configure` takes. */
export interface Settings {
  /** Where the Hitchpost server is. A page that loads `/sdk.js` from it need not say so. */
  url?: string;
  /** How long connecting may take, in milliseconds; 660000 unless you say otherwise. */
  timeout?: number;
}

/** Says where the server is, for every client that is made afterwards. */
export function configure(settings: Settings): void;

/** The first word about an error, as the server says it; the last two are the client's own. */
export type ErrorType =
  | "bad_request" | "connection" | "configuration" | "dependency_error" | "concurrency" | "internal"
  | "network" | "http" | (string & {});

/** The body of a refusal. An app that was called through a connection may answer anything. */
export interface ErrorData {
  type: ErrorType;
  key?: string;
  message: string;
  /** `reason`, and `fields` where parts of the input were wrong. */
  data?: { reason?: string; fields?: Record<string, string>; [more: string]: unknown };
}

/** Whatever goes wrong. */
export class HitchpostError extends Error {
  type: ErrorType;
  /** For programs: `not_found`, `access_denied_by_provider`, `attempt_expired` … */
  key?: string;
  /** The body as it came. */
  data: ErrorData;
  /** HTTP status, when a call was answered. */
  status?: number;
}

/** An app that can be connected. */
export interface Integration {
  id: string;
  key: string;
  name: string;
  logoUri?: string;
  description?: string;
  connection?: Connection;
  [more: string]: unknown;
}

/** A customer's tie to an app. */
export interface Connection {
  id: string;
  name: string;
  integrationId: string;
  integrationKey?: string;
  integration?: Integration;
  connected: boolean;
  /** The provider said that it is over; the customer has to reconnect. */
  disconnected: boolean;
  createdAt: string;
  updatedAt: string;
  [more: string]: unknown;
}

/** Whose token it is. */
export interface Customer {
  id: string;
  name: string;
  internalId: string;
  fields?: Record<string, unknown>;
  [more: string]: unknown;
}

/** A part of a list. `cursor` leads to the next. */
export interface Page<Item> {
  items: Item[];
  cursor?: string;
}

/** What every list takes. */
export interface ListQuery {
  search?: string;
  limit?: number;
  cursor?: string;
  includeArchived?: boolean;
  [more: string]: unknown;
}

/** Which connections are wanted. */
export interface ConnectionQuery extends ListQuery {
  integrationKey?: string;
  integrationId?: string;
  disconnected?: boolean;
}

/** A list of the API. */
export interface List<Item, Query = ListQuery> {
  /** One page of it. */
  find(query?: Query): Promise<Page<Item>>;
  /** All of it. */
  findAll(query?: Query): Promise<Item[]>;
}

export type Theme = "light" | "dark" | "auto";

/** How a connection is made. */
export interface ConnectOptions {
  /** What the customer would type, by field name. Without it a page of the server's asks. */
  input?: Record<string, unknown>;
  /** The older name of `input`. */
  parameters?: Record<string, unknown>;
  /** What you decide and the customer never sees. */
  connectorParameters?: Record<string, unknown>;
  /** Which way to sign in; the first that is set up unless you say so. */
  authOptionKey?: string;
  /** Name of the connection. */
  name?: string;
  /** Makes a further connection instead of renewing the one there is. */
  allowMultipleConnections?: boolean;
  /** Your own name for the attempt: 16 characters or more that nobody can guess, used once. */
  requestId?: string;
  /** The whole page goes to the provider and comes back to `redirectUri`. */
  sameWindow?: boolean;
  /** Where to, with `connectionId`, or `error` and `errorData`, in its query. */
  redirectUri?: string;
  /** Comes back to `redirectUri` as it is, up to 2048 bytes. */
  customState?: string;
  /** What would be asked on a page ends the attempt with `invalid_input` instead. */
  noUi?: boolean;
  theme?: Theme;
}

/** The same, of any integration or connection. One of the first three is needed. */
export interface ConnectTo extends ConnectOptions {
  integrationKey?: string;
  integrationId?: string;
  /** The connection to renew. */
  connectionId?: string;
}

/** How a page of the server's is shown in a frame. */
export interface FrameOptions {
  theme?: Theme;
  [more: string]: unknown;
}

/** How a page on which a customer connects is shown in a frame. */
export interface ConnectFrameOptions extends FrameOptions {
  name?: string;
  authOptionKey?: string;
  allowMultipleConnections?: boolean;
  connectorParameters?: Record<string, unknown>;
}

/** One integration. */
export interface IntegrationAccessor {
  get(): Promise<Integration>;
  /** Shows its page in a frame. Settles with a connection that was made, or with null. */
  open(options?: FrameOptions): Promise<Connection | null>;
  /** Lets the customer connect in a frame. Null when they closed it. */
  openNewConnection(options?: ConnectFrameOptions): Promise<Connection | null>;
  /** Connects without a page of ours where nothing has to be asked. Null when it was cancelled. */
  connect(options?: ConnectOptions): Promise<Connection | null>;
}

/** Calls of the app through a connection, with its credentials. The app's answer comes back as it is. */
export interface Proxy {
  get<Answer = any>(path: string): Promise<Answer>;
  post<Answer = any>(path: string, body?: unknown): Promise<Answer>;
  put<Answer = any>(path: string, body?: unknown): Promise<Answer>;
  patch<Answer = any>(path: string, body?: unknown): Promise<Answer>;
  delete<Answer = any>(path: string, body?: unknown): Promise<Answer>;
}

/** One connection. */
export interface ConnectionAccessor {
  proxy: Proxy;
  get(): Promise<Connection>;
  patch(changes: { name?: string; [more: string]: unknown }): Promise<Connection>;
  /** Ends it: the provider is told, the credentials are erased. */
  archive(): Promise<unknown>;
  refreshCredentials(): Promise<Connection>;
  /** Lets the customer connect again in a frame; same id, new credentials. */
  openReconnectUI(options?: FrameOptions): Promise<Connection | null>;
  /** The same without a page of ours where nothing has to be asked. */
  reconnect(options?: ConnectOptions): Promise<Connection | null>;
}

/** What a client is made with. One of `token` and `fetchToken` is needed. */
export interface ClientOptions {
  /** A customer's token, a JWT that your backend signs. */
  token?: string;
  accessToken?: string;
  /** Fetches one from your backend: when it is first needed, before it ends, and once when it is refused. */
  fetchToken?: () => Promise<string> | string;
  /** Credentials of this customer for your own API; stored before the first call. */
  credentials?: unknown;
  fetchCredentials?: () => Promise<unknown> | unknown;
  /** Where the server is. */
  url?: string;
  /** The older name of `url`. */
  apiUri?: string;
  /** Not needed: pages and API have one address. */
  uiUri?: string;
}

export class HitchpostClient {
  constructor(options?: ClientOptions);
  readonly url: string;
  self: { get(): Promise<Customer>; patch(changes: Record<string, unknown>): Promise<Customer> };
  integrations: List<Integration>;
  connections: List<Connection, ConnectionQuery>;
  /** By id or key. */
  integration(selector: string): IntegrationAccessor;
  /** By id, by its own key, or by the key of its integration if that has one connection. */
  connection(selector: string): ConnectionAccessor;
  ui: {
    /** The page on which a customer connects; without an integration, the catalog. */
    connect(options?: ConnectFrameOptions & Omit<ConnectTo, keyof ConnectOptions>): Promise<Connection | null>;
    /** The page of one connection. */
    connection(options: FrameOptions & { connectionId: string }): Promise<Connection | null>;
  };
  /** The whole integrations page in a frame. */
  open(options?: FrameOptions): Promise<Connection | null>;
  connect(options: ConnectTo): Promise<Connection | null>;
  setCredentials(credentials: unknown): Promise<Customer>;
  /** A token that is still good. */
  getToken(): Promise<string>;
  /** Any call of the API. */
  request<Answer = any>(method: string, path: string, body?: unknown, query?: Record<string, unknown>): Promise<Answer>;
}

/** What the callback of `connect` gets. `status` and `type` are the same. */
export interface ConnectEvent {
  status: string;
  type: "READY" | "error" | "IMPORT_DONE";
  /** The connection's id, or what went wrong. */
  message: any;
}

/**
 * Connects in the way of Munity's `connect`. True when the connection is ready; every other end rejects with
 * a `HitchpostError`. `secret` is a JWT with `workspace_id`, `customer_id` and, to renew, `integration_id`.
 * After READY the callback hears of every IMPORT_DONE until `close` is called or the page is left.
 */
export function connect(
  connector: string,
  secret: string,
  callback?: ((event: ConnectEvent) => void) | null,
  config?: { [name: string]: string },
): Promise<boolean> & { close(): void };

declare global {
  interface Window {
    /** What `/sdk.global.js` defines. */
    Hitchpost: {
      HitchpostClient: typeof HitchpostClient;
      HitchpostError: typeof HitchpostError;
      configure: typeof configure;
      connect: typeof connect;
    };
  }
}
