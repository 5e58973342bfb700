import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  publicDir: false,
  logLevel: "error",
  resolve: { alias: { firertc: at("../../web/sdk/src/index.ts") } },
  build: {
    target: "es2022",
    outDir: at("dist"),
    emptyOutDir: true,
    chunkSizeWarningLimit: 2000,
    rollupOptions: { input: [at("index.html")] },
  },
});
