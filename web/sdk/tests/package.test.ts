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

// Gzipped, without Firebase and scrypt, which are packages of their own. What loads at import joins
// and seals; calls come while a client's page does other things; what a link needs once it stands
// (its heart, channels, tracks that come and go, repair) while it opens; rooms with the first that is
// entered, words with the first code, and what listens (with the larger part of Firebase) once a
// session is made. Whoever has a key signs in by our own request, which is among these; Firebase's
// sign-in comes for anonymous accounts alone.
const ENTRY_BYTES = 14_000;
const CALLS_BYTES = 11_700;
const STANDING_BYTES = 8_400;
const ROOMS_BYTES = 11_100;
const WORDS_BYTES = 7_100;
const LISTENING_BYTES = 1_000;
const RESUMING_BYTES = 1_500;
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

/** What loads with the first of these, but not with the others: a chunk and all that it imports. */
function loadedWith(
  chunks: Rolldown.OutputChunk[],
  isFirst: (chunk: Rolldown.OutputChunk) => boolean,
  others: Rolldown.OutputChunk[] = [],
): Rolldown.OutputChunk[] {
  const loaded = chunks.filter(isFirst);
  for (const { imports } of loaded) {
    const more = chunks.filter(
      (chunk) => imports.includes(chunk.fileName) && !loaded.includes(chunk),
    );
    loaded.push(...more);
  }
  return loaded.filter((chunk) => !others.includes(chunk));
}

const holds =
  (module: string) =>
  ({ moduleIds }: Rolldown.OutputChunk): boolean =>
    moduleIds.some((id) => id.endsWith(`/firertc/dist/${module}.js`));

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
     import { sendFiles } from "firertc/files";
     export async function main(): Promise<Call> {
       const client = new Client({ project: "demo", key: "key" });
       const call = await client.waitAtCode({ onCode: (code) => console.log(code) });
       call.link.on("message", (body: unknown) => console.log(body));
       await sendFiles(call.link, [new File(["a"], "a.txt")]);
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

test("it is small, and calls, rooms and words come when they are needed", async () => {
  await writeFile(join(project, "main.ts"), 'export * from "firertc";');
  const chunks = await bundle(project, [/^@?firebase\//, /^@noble\//]);
  const parts: Rolldown.OutputChunk[][] = [];
  const load = (isFirst: (chunk: Rolldown.OutputChunk) => boolean): void => {
    parts.push(loadedWith(chunks, isFirst, parts.flat()));
  };
  load(({ isEntry }) => isEntry);
  load(holds("oneOff"));
  load((chunk) => holds("linkParts")(chunk) || holds("mending")(chunk));
  for (const module of ["room", "words", "listening"]) load(holds(module));
  const sizes = parts.map(gzipped);
  console.log(
    `SDK, gzipped: ${String(sizes[0])} bytes at import, ${String(sizes[1])} more with calls, ` +
      `${String(sizes[2])} while a link opens, ${String(sizes[3])} with rooms, ` +
      `${String(sizes[4])} with the words, ${String(sizes[5])} with listening`,
  );
  for (const part of parts) expect(part.length).toBeGreaterThan(0);
  // Looking into a room without going in takes a part of it.
  const looking = loadedWith(chunks, holds("looking"), parts.flat());
  // So does going on with a call after its page was loaded anew.
  const resuming = loadedWith(chunks, holds("resuming"), parts.flat());
  expect(gzipped(resuming)).toBeLessThanOrEqual(RESUMING_BYTES);
  // Without a key, anonymous accounts take Firebase's sign-in.
  const anonymous = loadedWith(chunks, holds("anonymous"), parts.flat());
  // And what shows App Check's token, where a site key is set.
  const appCheck = loadedWith(chunks, holds("appCheck"), parts.flat());
  const rest = [...looking, ...resuming, ...anonymous, ...appCheck];
  expect(new Set([...parts.flat(), ...rest]).size).toBe(chunks.length);
  const most = [
    ...[ENTRY_BYTES, CALLS_BYTES, STANDING_BYTES],
    ...[ROOMS_BYTES, WORDS_BYTES, LISTENING_BYTES],
  ];
  sizes.forEach((size, at) => {
    expect(size).toBeLessThanOrEqual(most[at] ?? 0);
  });
});

test("what is not used is left out", async () => {
  await writeFile(join(project, "main.ts"), 'export { encodeId } from "firertc";');
  const chunks = await bundle(project, []);
  expect(gzipped(chunks)).toBeLessThanOrEqual(SHAKEN_BYTES);
});
