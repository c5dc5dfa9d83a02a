// The browser's side of Hitchpost, for pages of your own: lists, calls through connections, and windows in
// which a customer connects. In Node everything works but the windows.
//
// What became of an attempt is asked of the server. A window's message is only faster, and a window that
// looks closed means nothing: a provider's Cross-Origin-Opener-Policy makes it look so while the customer
// is still there.
//
// The server sends this file too, as /sdk.js and /sdk.global.js, without comments and indentation. So a line
// that begins with two slashes is a comment, and no text runs over several lines.

// The server that sends this file writes its own address here.
let server = "";
// An attempt lives ten minutes; nothing can come long after that.
let timeout = 660_000;

// Where the server is, and how long an attempt may take, in milliseconds.
const configure = (settings) => {
  server = settings.url ?? server;
  timeout = settings.timeout ?? timeout;
};

// Whatever goes wrong. `data` is the body as the server sent it: { type, key, message, data }.
class HitchpostError extends Error {
  constructor(body, status) {
    super(body.message || `The server answered ${status}.`);
    const { type = "http", key } = body;
    Object.assign(this, { name: "HitchpostError", type, key, data: body, status });
  }
}

const refusal = (key, message, type = "bad_request") => new HitchpostError({ type, key, message });

const claimsOf = (token) => {
  try {
    const bytes = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(decodeURIComponent(escape(bytes)));
  } catch {
    throw refusal("not_authenticated", "The token is not a JWT.");
  }
};

// Seconds that a token must have left to be worth sending.
const SKEW = 30;

const isEnding = (token) => {
  try {
    return claimsOf(token).exp - SKEW < Date.now() / 1000;
  } catch {
    return false;
  }
};

class HitchpostClient {
  #held;
  #fetch;
  #fetching;
  #shared;

  constructor(options = {}) {
    this.url = (options.url || options.apiUri || server).replace(/\/+$/, "");
    if (!this.url) throw refusal("no_url", "Where is the server? Say configure({ url }) first.");
    this.#held = options.token || options.accessToken;
    this.#fetch = options.fetchToken;
    const get = (path) => () => this.request("GET", path);
    const list = (path) => ({
      find: (query) => this.request("GET", path, undefined, query),
      findAll: async (query) => {
        const items = [];
        let page = { cursor: "0" };
        while (page.cursor) {
          page = await this.request("GET", path, undefined, { limit: 1000, ...query, cursor: page.cursor });
          items.push(...page.items);
        }
        return items;
      },
    });
    this.self = { get: get("/self"), patch: (changes) => this.request("PATCH", "/self", changes) };
    this.integrations = list("/integrations");
    this.connections = list("/connections");
    this.integration = (name) => {
      const path = `/integrations/${encodeURIComponent(name)}`;
      return {
        get: get(path),
        open: (options) => this.#show(`/embed${path}`, options),
        openNewConnection: (options) => this.#show(`/embed${path}/connect`, options),
        connect: (options) => this.connect({ integrationKey: name, ...options }),
      };
    };
    this.connection = (name) => {
      const path = `/connections/${encodeURIComponent(name)}`;
      const proxy = {};
      for (const method of ["get", "post", "put", "patch", "delete"]) {
        proxy[method] = (to, body) => this.request(method.toUpperCase(), `${path}/proxy/${to.replace(/^\//, "")}`, body);
      }
      return {
        proxy,
        get: get(path),
        patch: (changes) => this.request("PATCH", path, changes),
        archive: () => this.request("DELETE", path),
        refreshCredentials: () => this.request("POST", `${path}/refresh-credentials`),
        openReconnectUI: (options) => this.#show(`/embed${path}/refresh`, options),
        reconnect: async (options) => this.connect({ connectionId: (await get(path)()).id, ...options }),
      };
    };
    this.open = (options) => this.#show("/embed/main", options);
    this.ui = {
      connect: (options) => this.#show("/screens/connect", options, "post"),
      connection: (options) => this.#show("/screens/connection", options, "post"),
    };
    if (options.credentials || options.fetchCredentials) {
      // What is called later finds them there. Whoever waits for nothing still reads what went wrong.
      this.#shared = (async () => {
        const credentials = options.fetchCredentials ? await options.fetchCredentials() : options.credentials;
        await this.#call("PATCH", "/self", { credentials });
      })().catch((error) => console.error("Hitchpost: the credentials were not taken.", error));
    }
  }

  // A token that is still good; `refused` is one that the server did not take.
  getToken(refused) {
    const held = this.#held;
    if (held && held !== refused && !(this.#fetch && isEnding(held))) return Promise.resolve(held);
    if (!this.#fetch) return Promise.reject(refusal("not_authenticated", "Give the client `token` or `fetchToken`."));
    this.#fetching ||= (async () => {
      try {
        return (this.#held = await this.#fetch());
      } finally {
        this.#fetching = null;
      }
    })();
    return this.#fetching;
  }

  setCredentials(credentials) {
    return this.self.patch({ credentials });
  }

  // Any call of the API. The answer is read as JSON where it is JSON.
  async request(...call) {
    await this.#shared;
    return this.#call(...call);
  }

  async #call(...call) {
    const token = await this.getToken();
    try {
      return await this.#send(token, ...call);
    } catch (error) {
      // An app's own 401 has another key.
      if (!this.#fetch || error.key !== "not_authenticated") throw error;
      return this.#send(await this.getToken(token), ...call);
    }
  }

  async #send(token, method, path, body, query) {
    const url = new URL(this.url + path);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value != null && value !== "") url.searchParams.set(name, value);
    }
    const headers = { Authorization: `Bearer ${token}`, Accept: "application/json, */*" };
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
      body = JSON.stringify(body);
    }
    const answer = await fetch(url, { method, headers, body }).catch(() => {
      throw refusal("unreachable", "The server cannot be reached.", "network");
    });
    const text = await answer.text();
    let read = text;
    try {
      read = JSON.parse(text);
    } catch {
      // Not every app answers JSON.
    }
    if (!answer.ok) throw new HitchpostError(read ?? "", answer.status);
    return read;
  }

  // Connects in a window of the provider's. Settles with the connection, or with null when it was cancelled.
  connect(options) {
    return begin(this, options);
  }

  async #show(path, options, method = "get") {
    const fields = { ...options, token: await this.getToken() };
    for (const [name, value] of Object.entries(fields)) {
      if (value === true) fields[name] = "1";
      else if (value == null || value === false) delete fields[name];
      else if (typeof value === "object") fields[name] = JSON.stringify(value);
    }
    return frame(new URL(this.url + path), fields, method);
  }
}

const randomName = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte + 256).toString(16).slice(1)).join("");

// Styles are set one by one: a page's policy may forbid style sheets of others.
const make = (tag, style, ...children) => {
  const made = document.createElement(tag);
  made.style.cssText = style;
  made.append(...children);
  return made;
};

const submit = (action, fields, target, method = "post") => {
  const inputs = Object.entries(fields).map(([name, value]) => Object.assign(make("input", ""), { type: "hidden", name, value }));
  const form = Object.assign(make("form", "display:none", ...inputs), { action, target, method });
  form.setAttribute("rel", "opener");
  document.body.append(form);
  form.submit();
  form.remove();
};

// A sentence over the page, with a way out.
const layer = (words, theme, cancel) => {
  const scheme = theme === "light" || theme === "dark" ? theme : "light dark";
  const text = make("p", "all:revert;margin:0 0 20px", words);
  text.setAttribute("role", "status");
  const button = (label, press) => {
    const made = make("button", "all:revert;font:inherit;padding:8px 18px;margin:0 4px;border:1px solid;border-radius:8px;background:none;color:inherit;cursor:pointer", label);
    made.type = "button";
    made.onclick = press;
    return made;
  };
  const panel = `padding:28px 36px;border-radius:14px;text-align:center;background:Canvas;color:CanvasText;color-scheme:${scheme};font:16px/1.5 system-ui,sans-serif`;
  const said = make("div", panel, text, button("Cancel", cancel));
  const dialog = make("dialog", "all:revert;inset:0;width:100%;height:100%;max-width:none;max-height:none;margin:0;padding:0;border:0;display:grid;place-items:center;background:#0a0c128c", said);
  dialog.setAttribute("aria-label", "Connect");
  dialog.oncancel = (event) => {
    event.preventDefault();
    cancel();
  };
  document.body.append(dialog);
  dialog.showModal();
  return {
    dialog,
    said,
    say: (words) => (text.textContent = words),
    offer: (label, press) => {
      const made = button(label, press);
      text.after(made);
      made.focus();
      return made;
    },
    close() {
      dialog.close();
      dialog.remove();
    },
  };
};

// A page of the server's in a frame. It says when it is ready, what was connected, and when it is done.
const frame = (url, fields, method) =>
  new Promise((settle) => {
    const name = `hitchpost-${randomName()}`;
    const iframe = make("iframe", "position:absolute;inset:0;width:100%;height:100%;border:0;color-scheme:light;visibility:hidden");
    Object.assign(iframe, { name, title: "Connect", allow: "clipboard-write *" });
    const quit = () => {
      clearTimeout(late);
      removeEventListener("message", hear);
      over.close();
      settle(null);
    };
    const over = layer("Loading…", fields.theme, quit);
    const late = setTimeout(over.say, 10_000, "This cannot be shown right now.");
    const methods = {
      handshake() {
        clearTimeout(late);
        // The page brings a dialog of its own, and all around it shows through.
        over.said.remove();
        over.dialog.style.background = "none";
        iframe.style.visibility = "";
        iframe.focus();
      },
      onSuccess: settle,
      onClose() {},
      close: quit,
    };
    const hear = ({ data, origin, source }) => {
      if (origin !== url.origin || source !== iframe.contentWindow) return;
      const tell = (message) => source.postMessage(message, origin);
      if (data?.penpal === "syn") tell({ penpal: "synAck", methodNames: Object.keys(methods) });
      if (data?.penpal === "call" && Object.hasOwn(methods, data.methodName)) {
        tell({ penpal: "reply", id: data.id, resolution: "fulfilled" });
        methods[data.methodName](...data.args);
      }
    };
    addEventListener("message", hear);
    over.dialog.append(iframe);
    if (method === "get") {
      for (const [name, value] of Object.entries(fields)) url.searchParams.set(name, value);
      iframe.src = url;
    } else submit(url, fields, name);
  });

// Everything the server says about an attempt, until the listener is ended by what this returns.
const listen = (client, requestId, all, hear) => {
  let events;
  let again;
  let last = "";
  const open = () => {
    events = new EventSource(`${client.url}/sse/connection-events/${encodeURIComponent(requestId)}${all ? `?events=all&last=${last}` : ""}`);
    events.onmessage = (event) => {
      last = event.lastEventId;
      hear(JSON.parse(event.data));
    };
    events.onerror = () => {
      // Refused; a stream that broke off is asked for again by the browser itself.
      if (events.readyState === 2) again = setTimeout(open, 2_000);
    };
  };
  open();
  return () => {
    clearTimeout(again);
    events.close();
  };
};

// A window for an attempt. Where the browser keeps it closed, or it seems to be gone, the page says so.
const openWindow = (client, options, go, settle) => {
  const { requestId, connectionId, integrationId, integrationKey, theme } = options;
  const features = `popup,width=520,height=720,left=${screenX + (outerWidth - 520) / 2},top=${screenY + (outerHeight - 720) / 2}`;
  let popup = null;
  let over = null;
  let gone = 0;
  const open = () => {
    popup = window.open("about:blank", `hitchpost-${requestId}`, features);
    if (popup) go(`hitchpost-${requestId}`);
    return popup;
  };
  const show = (words) => {
    over ||= layer(words, theme, () => settle(null));
    over.say(words);
  };
  const wait = async () => {
    show("Waiting…");
    const found = client[connectionId ? "connection" : "integration"](connectionId || integrationId || integrationKey).get();
    const name = await found.then((found) => found.integration?.name || found.name, () => "");
    if (name) over.say(`Waiting for ${name} …`);
  };
  const hear = ({ data, origin, source }) => {
    if (origin === new URL(client.url).origin && source === popup && data?.requestId === requestId) settle(data);
  };
  const watch = setInterval(() => {
    gone = popup?.closed ? gone + 1 : 0;
    if (gone === 2) wait();
  }, 500);
  addEventListener("message", hear);
  if (!open()) {
    show("Your browser blocked the window.");
    const button = over.offer("Open it", () => {
      button.remove();
      if (!open()) go("_blank");
      wait();
    });
  }
  return () => {
    clearInterval(watch);
    removeEventListener("message", hear);
    over?.close();
    popup?.close();
  };
};

// Waits for the outcome of an attempt that goes on in a window. `later` is told what comes after it.
const inWindow = (client, options, go, later) =>
  new Promise((resolve, reject) => {
    const { requestId } = options;
    const settle = (told) => {
      if (told?.type === "IMPORT_DONE") return later?.(told);
      clearTimeout(late);
      close();
      if (told?.connection) {
        resolve(told.connection);
        if (later) return (later.stop = stop);
      } else if (told) reject(new HitchpostError(told.errorData));
      else resolve(null);
      stop();
      // Nothing is to come of what nobody waits for.
      if (!told?.source) client.request("POST", "/connect/cancel", { requestId }).catch(() => {});
    };
    const stop = listen(client, requestId, later, settle);
    const expire = () => settle({ errorData: refusal("attempt_expired", "Connecting took too long. Please try again.", "connection").data });
    const late = setTimeout(expire, timeout);
    const close = openWindow(client, options, go, settle);
    if (later) later.stop = () => settle(null);
  });

// Connects: at once where nothing has to be asked, else in a window.
const begin = async (client, { sameWindow, theme, parameters, ...wanted }, later, config) => {
  if (!globalThis.document) throw refusal("no_page", "Connecting needs a browser.");
  const ways = () => {
    const { integrationKey, integrationId, connectionId, authOptionKey, connectorParameters } = wanted;
    return client.request("POST", "/connection-options", { integrationKey, integrationId, connectionId, authOptionKey, connectorParameters });
  };
  const way = (await ways()).find(({ key }) => key === wanted.authOptionKey);
  wanted.input ??= parameters;
  wanted.requestId ||= randomName();
  for (const name in config) {
    const kind = way?.inputSchema?.properties?.[name] ? "input" : "connectorParameters";
    (wanted[kind] ??= {})[name] = config[name];
  }
  // Parameters that cannot be used are refused before a window opens.
  if (config && wanted.connectorParameters) await ways();
  const post = async (target) => submit(`${client.url}/connect`, { payload: JSON.stringify({ ...wanted, token: await client.getToken() }) }, target);
  if (sameWindow) {
    await post("_self");
    // The page is leaving.
    return new Promise(() => {});
  }
  const options = { ...wanted, theme };
  if (["oauth2", "oauth1", "proxy"].includes(way?.type)) return inWindow(client, options, post, later);
  // What is given is meant to be complete; where nothing is, a page of the server's asks.
  const { connection, redirectUrl } = await client.request("POST", "/connect", { noUi: !!wanted.input, ...wanted });
  if (!connection) return inWindow(client, options, (target) => submit(redirectUrl, {}, target, "get"), later);
  if (later) later.stop = listen(client, wanted.requestId, later, later);
  return connection;
};

// Munity's way: true when the connection is ready, or an error. `secret` is a token that names the customer
// and, to renew a connection, its `integration_id`.
const connect = (connector, secret, callback, config) => {
  const tell = (status, message) => {
    try {
      callback?.({ status, type: status, message });
    } catch (error) {
      // Theirs, and no reason to stop.
      console.error(error);
    }
  };
  const later = ({ type, connection }) => type === "IMPORT_DONE" && tell(type, connection.id);
  const close = () => later.stop?.();
  const run = async () => {
    const { customer_id, integration_id, name } = claimsOf(secret);
    if (customer_id !== undefined && !/^[\w-]{1,256}$/.test(customer_id)) {
      throw refusal("invalid_input", "`customer_id` has letters, digits, _ and - only.");
    }
    const wanted = { integrationKey: connector, connectionId: integration_id, name };
    const connection = await begin(new HitchpostClient({ token: secret }), wanted, later, config);
    if (!connection) throw refusal("cancelled", "Connecting was cancelled.", "connection");
    tell("READY", connection.id);
    if (!callback) close();
    return true;
  };
  const promise = run();
  promise.catch((error) => tell("error", error.message));
  return Object.assign(promise, { close });
};

export { HitchpostClient, HitchpostError, configure, connect };
