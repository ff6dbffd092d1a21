// Checks specifications of `bethany report --figures`: each is valid by the schema of the Vega-Lite
// that the build has, compiles without a warning, and draws marks.
//   node check.mjs DIRECTORY_OF_THE_BUILD'S_web FILE.vl.json...
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [web, ...files] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(resolve(web), "package.json")));
const load = (name) => import(pathToFileURL(join(resolve(web), "node_modules", name)).href);
const vega = await load("vega/build/vega.module.js");
const vegaLite = await load("vega-lite/build/index.js");
const Ajv = require("ajv");

const schema = JSON.parse(readFileSync(join(web, "node_modules/vega-lite/build/vega-lite-schema.json"), "utf8"));
const validate = new Ajv({ allErrors: false, strict: false, validateFormats: false }).compile(schema);

let failed = 0;
const complain = (file, what) => {
  ++failed;
  console.error(`${file}: ${what}`);
};
for (const file of files) {
  const spec = JSON.parse(readFileSync(file, "utf8"));
  if (!validate(spec)) {
    complain(file, JSON.stringify(validate.errors.slice(0, 3)));
    continue;
  }
  const warn = (...words) => {
    const what = words.join(" ");
    if (!what.includes("event source: window")) complain(file, what);  // there is no window here
  };
  const logger = { level: () => logger, error: (...w) => (warn(...w), logger), warn: (...w) => (warn(...w), logger), info: () => logger, debug: () => logger };
  const compiled = vegaLite.compile(spec, { logger }).spec;
  const view = new vega.View(vega.parse(compiled), { renderer: "none", logger });
  const svg = await view.toSVG();
  const marks = svg.match(/<path aria-roledescription|<path aria-label|class="mark-/g) ?? [];
  if (marks.length === 0) complain(file, "draws nothing");
  if (/NaN|undefined/.test(svg.replace(/>[^<]*</g, "><"))) complain(file, "draws NaN");
}
console.log(`${files.length} specifications, ${failed} complaints`);
process.exit(failed === 0 && files.length > 0 ? 0 : 1);
