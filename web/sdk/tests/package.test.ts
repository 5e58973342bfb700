// What is published: its size, and that it works in an empty Vite project.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build, type Rolldown } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";

const MOST_BYTES = 15_000;
const SHAKEN_BYTES = 1_500;
const PACK_MILLISECONDS = 60_000;

const run = promisify(execFile);
const sdk = fileURLToPath(new URL("..", import.meta.url));
const modules = fileURLToPath(new URL("../../../node_modules", import.meta.url));

/** Bundle a program that uses the package, as a user's production build does. */
async function bundle(root: string, external: RegExp[]): Promise<Rolldown.OutputChunk[]> {
  const built = (await build({
    root,
    logLevel: "error",
    build: {
      write: false,
      target: "es2022",
      rolldownOptions: {
        input: join(root, "main.ts"),
        external,
        preserveEntrySignatures: "strict",
      },
    },
  })) as Rolldown.RolldownOutput;
  return built.output.filter((part) => part.type === "chunk");
}

const gzipped = (chunks: Rolldown.OutputChunk[]): number =>
  chunks.reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0);

let project: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "firertc-package-"));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", project], {
    cwd: sdk,
  });
  expect(stdout).toContain("dist/index.js");
  const [archive = ""] = (await readdir(project)).filter((name) => name.endsWith(".tgz"));
  // An installation without a registry: the package from its archive, what it asks for from here.
  const place = join(project, "node_modules", "firertc");
  await mkdir(place, { recursive: true });
  await run("tar", ["-xzf", join(project, archive), "-C", place, "--strip-components=1"]);
  for (const name of ["firebase", "@firebase", "@noble/hashes"]) {
    const link = join(project, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(modules, name), link);
  }
  await writeFile(join(project, "package.json"), '{ "type": "module", "private": true }');
}, PACK_MILLISECONDS);

afterAll(async () => {
  await rm(project, { recursive: true, force: true });
});

test("it works in an empty Vite project, with types", async () => {
  await writeFile(
    join(project, "main.ts"),
    `import { Client, FireRTCError, type Call } from "firertc";
     export async function main(): Promise<Call> {
       const client = new Client({ project: "demo", key: "key" });
       const call = await client.waitAtCode({ onCode: (code) => console.log(code) });
       call.link.on("message", (body: unknown) => console.log(body));
       return call;
     }
     export const isOurs = (error: unknown): boolean => error instanceof FireRTCError;
    `,
  );
  const compilerOptions = {
    ...{ strict: true, noEmit: true, target: "es2022", module: "esnext", types: [] },
    ...{ moduleResolution: "bundler", lib: ["es2022", "dom"], skipLibCheck: true },
  };
  const tsconfig = { compilerOptions, files: ["main.ts"] };
  await writeFile(join(project, "tsconfig.json"), JSON.stringify(tsconfig));
  await run(join(modules, ".bin", "tsc"), ["-p", project]).catch((error: unknown) => {
    throw new Error((error as { stdout: string }).stdout); // where tsc says what is wrong
  });
  const chunks = await bundle(project, []);
  expect(chunks.some(({ code }) => code.includes("abandon ability"))).toBe(true);
  expect(chunks.find(({ isEntry }) => isEntry)?.exports).toContain("main");
});

test("without Firebase it is small, and words and scrypt come when they are needed", async () => {
  await writeFile(join(project, "main.ts"), 'export * from "firertc";');
  const chunks = await bundle(project, [/^@?firebase\//, /^@noble\//]);
  const first = chunks.filter(({ isEntry }) => isEntry);
  const lazy = chunks.filter(({ isEntry }) => !isEntry);
  console.log(
    `SDK: ${String(gzipped(first))} bytes gzipped, ${String(gzipped(lazy))} more with the words`,
  );
  expect(gzipped(first)).toBeLessThanOrEqual(MOST_BYTES);
  expect(lazy.map(({ code }) => code.includes("abandon ability"))).toContain(true);
  expect(first[0]?.code).not.toContain("abandon ability");
});

test("what is not used is left out", async () => {
  await writeFile(join(project, "main.ts"), 'export { encodeId } from "firertc";');
  const chunks = await bundle(project, []);
  expect(gzipped(chunks)).toBeLessThanOrEqual(SHAKEN_BYTES);
});
