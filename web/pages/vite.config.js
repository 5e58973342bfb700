import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

// Into the folder that Hosting serves, beside what is written by hand there.
const hosting = at("../public");
const assets = "pages";

// App Check runs reCAPTCHA in the pages: its scripts and frames are let in where that is asked for.
const appCheck = process.env.FIRERTC_PAGES_APP_CHECK === "true";
const RECAPTCHA = "https://www.google.com/recaptcha/";

/** The policy of a page that runs reCAPTCHA. */
function withRecaptcha(html) {
  const scripts = `script-src 'self' ${RECAPTCHA} https://www.gstatic.com/recaptcha/`;
  return html.replace(
    "script-src 'self';",
    `${scripts}; frame-src ${RECAPTCHA} https://recaptcha.google.com/recaptcha/; worker-src 'self';`,
  );
}

export default defineConfig({
  publicDir: false,
  resolve: {
    alias: [
      { find: /^firertc$/, replacement: at("../sdk/src/index.ts") },
      { find: /^firertc\/(.+)$/, replacement: at("../sdk/src/$1.ts") },
    ],
  },
  plugins: [
    {
      name: "app-check",
      transformIndexHtml: (html) => (appCheck ? withRecaptcha(html) : html),
    },
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
