// Builds ../static from src. No time, path or random number enters the output: the same lock gives the same bytes.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";

const root = fileURLToPath(new URL(".", import.meta.url));
const out = fileURLToPath(new URL("../static/", import.meta.url));
const assets = join(out, "assets");

await rm(assets, { recursive: true, force: true });
await mkdir(assets, { recursive: true });

/** `worker:./file.ts` is the code of that file with all that it imports, as text. */
const workers = {
  name: "workers",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^worker:/ }, ({ path, resolveDir }) => ({ path: relative(root, join(resolveDir, path.slice(7))), namespace: "worker" }));
    onLoad({ filter: /./, namespace: "worker" }, async ({ path }) => {
      const made = await build({
        absWorkingDir: root, entryPoints: [path], bundle: true, write: false, minify: true, format: "iife", target: "es2022", charset: "utf8",
      });
      return { contents: made.outputFiles[0].text, loader: "text" };
    });
  },
};

/** The long names of tokens in a letter each: they stand in half of all rules. */
const tokens = {
  name: "tokens",
  setup({ onLoad }) {
    onLoad({ filter: /app\.css$/ }, async ({ path }) => {
      const css = await readFile(path, "utf8");
      const names = [...new Set(css.match(/(?<=^ {2})--[\w-]{4,}(?=:)/gm))];
      const short = new Map(names.map((name, i) => [name, `--${(i + 10).toString(36)}`]));
      return { contents: css.replace(/--[\w-]+/g, (name) => short.get(name) ?? name), loader: "css" };
    });
  },
};

const { metafile } = await build({
  plugins: [workers, tokens],
  absWorkingDir: root,
  entryPoints: ["src/main.tsx", "src/app.css"],
  outdir: assets,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  // Elements as calls with their children behind, which is shorter than children among the properties.
  tsconfigRaw: { compilerOptions: { jsx: "react", jsxFactory: "h", jsxFragmentFactory: "Fragment" } },
  inject: ["src/jsx.ts"],
  entryNames: "[name]-[hash]",
  // Short, for a name stands in every file that imports what it names.
  chunkNames: "[hash]",
  metafile: true,
});

// A second look at each file finds a hundredth more to leave out, which names and hashes do not depend on.
for (const file of Object.keys(metafile.outputs).filter((file) => file.endsWith(".js"))) {
  const path = join(root, file);
  const { code } = await minify(await readFile(path, "utf8"), { module: true, ecma: 2020, compress: { passes: 2 } });
  await writeFile(path, code);
}

const built = (entry) =>
  basename(Object.keys(metafile.outputs).find((file) => metafile.outputs[file].entryPoint === entry));
// What the first script imports comes with it, not after it.
const { imports } = metafile.outputs[Object.keys(metafile.outputs).find((file) => metafile.outputs[file].entryPoint === "src/main.tsx")];
const preload = imports.filter(({ kind }) => kind === "import-statement")
  .map(({ path }) => `\n    <link rel="modulepreload" href="assets/${basename(path)}">`).join("");
const page = await readFile(join(root, "src/index.html"), "utf8");
await writeFile(
  join(out, "index.html"),
  page.replace("{{script}}", built("src/main.tsx")).replace("{{style}}", built("src/app.css")).replace("{{preload}}", preload),
);

// Licences ask that their text go with copies: one file for every package that is in the bundle, each text once,
// whatever its lines are broken at.
const packages = new Set(
  Object.keys(metafile.inputs)
    .map((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1])
    .filter(Boolean),
);
const owners = new Map();
for (const name of [...packages].sort()) {
  const folder = join(root, "node_modules", name);
  const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const lines = (file ? await readFile(join(folder, file), "utf8") : "").trim().split(/\r?\n/);
  const text = lines.filter((line) => !/^copyright/i.test(line)).join("\n").trim();
  const owner = [`${name} ${version} (${license})`, ...lines.filter((line) => /^copyright/i.test(line))].join("\n");
  const key = text.replace(/\s+/g, " ");
  const known = owners.get(key) ?? { text, of: [] };
  owners.set(key, { ...known, of: [...known.of, owner] });
}
const notices = [...owners.values()].map(({ text, of }) => `${of.join("\n")}\n${text && `\n${text}\n`}`);
await writeFile(join(assets, "LICENSES.txt"), notices.join("\n----\n\n"));
