import { MembraneProvider } from "@membranehq/react";
import { createRoot } from "react-dom/client";
import { App } from "./App";

const hitchpost = "http://localhost:7080";

async function fetchToken(): Promise<string> {
  const answer = await fetch("/api/hitchpost-token");
  const { token } = await answer.json();
  return token;
}

createRoot(document.getElementById("root")!).render(
  <MembraneProvider fetchToken={fetchToken} apiUri={hitchpost} uiUri={hitchpost}>
    <App />
  </MembraneProvider>,
);
