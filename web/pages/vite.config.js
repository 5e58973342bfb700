import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { parts } from "./parts.js";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

// Into the folder that Hosting serves, beside what is written by hand there.
const hosting = at("../public");
const assets = "pages";

const appCheck = process.env.FIRERTC_PAGES_APP_CHECK === "true";

export default defineConfig({
  publicDir: false,
  resolve: {
    alias: [
      { find: /^firertc$/, replacement: at("../sdk/src/index.ts") },
      { find: /^firertc\/(.+)$/, replacement: at("../sdk/src/$1.ts") },
    ],
  },
  plugins: [
    parts({ appCheck }),
    {
      name: "remove-old-assets",
      buildStart: () => {
        rmSync(`${hosting}/${assets}`, { recursive: true, force: true });
      },
    },
  ],
  worker: { format: "es" },
  build: {
    target: "es2022",
    outDir: hosting,
    emptyOutDir: false,
    assetsDir: assets,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
    rollupOptions: {
      input: ["call.html", "chat.html", "conference.html", "console.html", "files.html"].map(at),
    },
  },
});
