// Several sites on one port: ends TLS for the server, and serves the pages of other sites itself.
import { request as forward } from "node:http";
import { createServer, type Server as HttpsServer } from "node:https";
import { generate } from "selfsigned";
import { Server, type ServerOptions } from "./server.ts";

type Page = { html: string; headers?: Record<string, string> };

const NAMES = ["hitchpost.test", "provider.test", "app.acme.test", "evil.test"];

/** A server behind TLS, its sandbox on another site, a product's site and an attacker's site. */
export class Sites {
  private readonly pages = new Map<string, Page>();
  server!: Server;

  private constructor(private readonly proxy: HttpsServer, readonly port: number) {}

  /** `options` may depend on where the product's page is. */
  static async start(options: ServerOptions | ((product: string) => ServerOptions) = {}): Promise<Sites> {
    const certificate = await generate([{ name: "commonName", value: "hitchpost.test" }], {
      keySize: 2048,
      extensions: [{ name: "subjectAltName", altNames: NAMES.map((value) => ({ type: 2 as const, value })) }],
    });
    const proxy = createServer({ key: certificate.private, cert: certificate.cert });
    await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
    const address = proxy.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const sites = new Sites(proxy, address.port);
    proxy.on("request", (request, response) => {
      const [host] = (request.headers.host ?? "").split(":");
      if (host === "app.acme.test" || host === "evil.test") {
        const page = sites.pages.get(`https://${request.headers.host}${request.url?.split("?")[0]}`);
        response.writeHead(page ? 200 : 404, { "content-type": "text/html; charset=utf-8", ...page?.headers });
        response.end(page?.html ?? "<!doctype html><title>nothing</title>");
        return;
      }
      const to = new URL(request.url ?? "/", sites.server.bound);
      const onward = forward(
        { host: to.hostname, port: to.port, path: request.url, method: request.method, headers: request.headers },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
          answer.pipe(response);
        },
      );
      onward.on("error", () => response.destroy());
      // A page that goes away ends its event stream.
      response.on("close", () => onward.destroy());
      request.pipe(onward);
    });
    sites.server = await Server.start({
      publicUrl: sites.origin("hitchpost.test"),
      sandboxUrl: sites.origin("provider.test"),
      origins: [sites.origin("app.acme.test")],
      ...(typeof options === "function" ? options(sites.product) : options),
    });
    return sites;
  }

  origin(host: string): string {
    return `https://${host}:${this.port}`;
  }

  get ours(): string {
    return this.origin("hitchpost.test");
  }

  get provider(): string {
    return this.origin("provider.test");
  }

  get product(): string {
    return this.origin("app.acme.test");
  }

  get evil(): string {
    return this.origin("evil.test");
  }

  /** Puts a page on one of the other sites and says its address. */
  page(origin: string, path: string, body: string, headers?: Record<string, string>): string {
    const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${new URL(origin).hostname}</title><body>${body}`;
    this.pages.set(origin + path, { html, headers });
    return origin + path;
  }

  /** Puts a script on one of them and says its address. */
  script(origin: string, path: string, code: string): string {
    this.pages.set(origin + path, { html: code, headers: { "content-type": "text/javascript; charset=utf-8" } });
    return origin + path;
  }

  async stop(): Promise<void> {
    await this.server.stop();
    this.proxy.closeAllConnections();
    await new Promise((done) => this.proxy.close(done));
  }
}

