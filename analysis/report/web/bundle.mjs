// Makes vega.js (the libraries of the figures as one script) and licences.txt from npm packages:
//   node bundle.mjs NPM OUTPUT_DIRECTORY
// Installs the packages of package-lock.json in the output directory, once for each lock file. What
// cannot be installed is said, and both files are empty: the report then has pictures only.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const source = dirname(fileURLToPath(import.meta.url));
const [npm, output] = process.argv.slice(2);
const text = (...path) => readFileSync(join(...path), "utf8");
const inPackage = (...path) => join(output, "node_modules", ...path);

function install() {
  const lock = join(output, "package-lock.json");
  const done = inPackage(".package-lock.json");
  if (existsSync(done) && existsSync(lock) && text(lock) === text(source, "package-lock.json")) return true;
  mkdirSync(output, { recursive: true });
  copyFileSync(join(source, "package.json"), join(output, "package.json"));
  copyFileSync(join(source, "package-lock.json"), lock);
  const options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
  const run = spawnSync(npm, options, { cwd: output, encoding: "utf8" });
  if (run.status === 0) return true;
  console.error(run.stderr ?? String(run.error));
  return false;
}

// The interpreter comes as a module only. It takes three names from vega-util, which vega has too.
function interpreter() {
  const code = text(inPackage("vega-interpreter", "build", "vega-interpreter.js"))
    .replace(/^import \{([^}]*)\} from 'vega-util';$/m, "const {$1} = vega;")
    .replace(/^export \{ expression as expressionInterpreter \};$/m, "vega.expressionInterpreter = expression;")
    .replace(/^\/\/# sourceMappingURL=.*$/m, "");
  if (/^\s*(import|export)\b/m.test(code)) throw new Error("vega-interpreter has another shape: see interpreter()");
  return `(() => {\n${code}\n})();\n`;
}

function bundle() {
  const withoutMap = (code) => code.replace(/^\/\/# sourceMappingURL=.*$/m, "");
  const code = [
    withoutMap(text(inPackage("vega", "build", "vega.min.js"))),
    interpreter(),
    withoutMap(text(inPackage("vega-lite", "build", "vega-lite.min.js"))),
  ].join("\n;\n");
  // What would end the <script> it stands in, or change under its hash.
  for (const bad of ["</script", "<!--", "\r", "\0"]) {
    if (code.includes(bad)) throw new Error(`the bundle has ${JSON.stringify(bad)}`);
  }
  return code;
}

// Packages that only the command lines of others need: not in the bundle.
const commandLine = new Set(["commander", "iconv-lite", "rw", "yargs", "json-stringify-pretty-compact"]);

function embedded() {
  const names = new Set();
  const visit = (name) => {
    if (names.has(name) || commandLine.has(name)) return;
    names.add(name);
    const own = JSON.parse(text(inPackage(name, "package.json")));
    Object.keys(own.dependencies ?? {}).forEach(visit);
  };
  ["vega", "vega-lite", "vega-interpreter"].forEach(visit);
  return [...names].sort();
}

// Packages with the same licence text stand together.
function licences() {
  const groups = new Map();
  for (const name of embedded()) {
    const own = JSON.parse(text(inPackage(name, "package.json")));
    const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"].map((f) => inPackage(name, f)).find(existsSync);
    const words = (file ? text(file) : `Licensed as ${own.license}.`).replaceAll("\r", "").trim();
    const head = `${own.name} ${own.version} (${own.license})`;
    groups.set(words, [...(groups.get(words) ?? []), head]);
  }
  return [...groups].map(([words, heads]) => `${heads.join(", ")}\n\n${words}\n`).join("\n\n");
}

const installed = install();
if (!installed) {
  console.error("bundle.mjs: the packages cannot be installed; reports will have pictures only. " +
    `Remove ${join(output, "vega.js")} and build again to retry.`);
}
writeFileSync(join(output, "vega.js"), installed ? bundle() : "");
writeFileSync(join(output, "licences.txt"), installed ? licences() : "");
