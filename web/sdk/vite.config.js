import { defineConfig } from "vite";

// Twice: modules for bundlers, which keep Firebase and the lazy parts apart, and with
// `--mode script` one file with everything in it for a script tag.
export default defineConfig(({ mode }) => ({
  build:
    mode === "script"
      ? {
          target: "es2022",
          emptyOutDir: false,
          lib: {
            entry: "src/index.ts",
            formats: ["iife"],
            name: "firertc",
            fileName: () => "firertc.js",
          },
        }
      : {
          target: "es2022",
          sourcemap: true,
          lib: { entry: "src/index.ts", formats: ["es"] },
          rolldownOptions: {
            external: [/^firebase\//, /^@noble\//],
            // A module for each source: what a program doesn't use, its bundler leaves out.
            output: {
              preserveModules: true,
              preserveModulesRoot: "src",
              entryFileNames: "[name].js",
            },
          },
        },
}));
