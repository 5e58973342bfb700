// Build the modules, then one file for a script tag of the SDK and of each system's words.
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const scripts = `${root}src/compat/scripts`;
const names = existsSync(scripts)
  ? readdirSync(scripts).map((name) => name.replace(/\.ts$/, ""))
  : [];

for (const mode of ["production", "firertc", ...names]) {
  await build({ root, mode, logLevel: "warn" });
}
