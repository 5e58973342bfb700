import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** What programs import: the SDK, where a hosted page finds its project, files, other systems' words. */
const modules = [
  "src/index.ts",
  "src/hosting.ts",
  "src/files.ts",
  "src/hashingWorker.ts",
  ...(existsSync(at("src/compat")) ? readdirSync(at("src/compat")) : [])
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `src/compat/${name}`),
];

// Modules for bundlers, which keep Firebase and the lazy parts apart; and with `--mode NAME` one
// file with everything in it for a script tag: the SDK (`firertc`) or a system's words, whose entry
// in `src/compat/scripts` sets its globals.
export default defineConfig(({ mode }) => ({
  build:
    mode === "production"
      ? {
          target: "es2022",
          sourcemap: true,
          lib: { entry: modules.map(at), formats: ["es"] },
          rolldownOptions: {
            external: [/^[^./]/],
            // A module for each source: what a program doesn't use, its bundler leaves out.
            output: {
              preserveModules: true,
              preserveModulesRoot: "src",
              entryFileNames: "[name].js",
            },
          },
        }
      : {
          target: "es2022",
          emptyOutDir: false,
          lib: {
            entry: mode === "firertc" ? "src/index.ts" : `src/compat/scripts/${mode}.ts`,
            formats: ["iife"],
            name: mode === "firertc" ? "firertc" : `firertc_${mode}`,
            fileName: () => (mode === "firertc" ? "firertc.js" : `script/${mode}.js`),
          },
        },
}));
