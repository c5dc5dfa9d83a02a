// The product's backend: signs a token for whoever is signed in, and sends the page.
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const TYPES = { "/index.html": "text/html", "/main.js": "text/javascript", "/main.css": "text/css", "/style.css": "text/css" };

function signToken(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ iss: "acme", iat: now, exp: now + 600, ...claims })}`;
  return `${signed}.${createHmac("sha256", process.env.ACME_SECRET).update(signed).digest("base64url")}`;
}

createServer(async (request, response) => {
  const path = request.url === "/" ? "/index.html" : request.url;
  if (path === "/api/hitchpost-token") {
    const token = signToken({ id: "customer-42", name: "Northwind Trading" });
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" }).end(JSON.stringify({ token }));
  } else if (TYPES[path]) {
    response.writeHead(200, { "content-type": `${TYPES[path]}; charset=utf-8` }).end(await readFile(new URL(`public${path}`, import.meta.url)));
  } else {
    response.writeHead(404).end();
  }
}).listen(process.env.PORT ?? 3000, "localhost");
