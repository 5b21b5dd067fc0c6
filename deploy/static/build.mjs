// Fills node/web/static/vendor/ from node_modules: style sheet, scripts, icon sprite, and their licenses.
//
//     node deploy/static/build.mjs        (`make setup` does it)
//
// The pages run under a policy without inline styles, inline scripts, eval and data: images, on Chromium 109 and
// later (the last for Windows 7, still common in villages).

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { transform } from "lightningcss";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const VENDOR = join(ROOT, "node/web/static/vendor");
const OLDEST_CHROMIUM = 109;

const read = (path) => readFileSync(join(ROOT, path), "utf8");
const module = (path) => read(join("node_modules", path));
const withoutSourceMap = (code) => code.replace(/\n?\/[/*]# sourceMappingURL=.*$/m, "");

/**
 * Tabler's style sheet without what Chromium 109 lacks: light-dark(), nesting, range queries.
 *
 * color-mix() (Chromium 111) over variables cannot be lowered; a property that uses it is lost. Links, text and
 * backgrounds use it only to honour opacity variables, which we never set: there the plain colour stands in.
 * What stays lost on 109 are tints: hover shades, shadows, pale badges. Our own style sheet must not need them.
 */
function styleSheet() {
  const opacity = /color-mix\(in \w+, *(var\([^()]*(?:\([^()]*\))?\)|\w+) calc\(var\(--tblr-[\w-]*opacity(?:, *1)?\) \* 100%\), transparent\)/g;
  const { code } = transform({
    filename: "tabler.css",
    code: Buffer.from(module("@tabler/core/dist/css/tabler.css").replace(opacity, "$1")),
    minify: true,
    targets: { chrome: OLDEST_CHROMIUM << 16 },
  });
  return code.toString();
}

/** ECharts with only the charts in use, as one script that sets the global `echarts`. */
function charts() {
  const { outputFiles } = buildSync({
    entryPoints: [join(ROOT, "deploy/static/echarts.mjs")],
    bundle: true,
    minify: true,
    format: "iife",
    globalName: "echarts",
    target: `chrome${OLDEST_CHROMIUM}`,
    legalComments: "none", // kept in THIRD-PARTY.txt
    write: false,
  });
  return outputFiles[0].text;
}

/** One <symbol> for each line of icons.txt. */
function sprite() {
  const lines = read("node/web/icons.txt").split("\n").map((line) => line.trim());
  const symbols = lines.filter((line) => line && !line.startsWith("#")).map((line) => {
    const [name, source = `outline/${name}`] = line.split(/\s+/);
    let svg;
    try {
      svg = module(`@tabler/icons/icons/${source}.svg`);
    } catch {
      throw new Error(`node/web/icons.txt names ${source}, which Tabler Icons does not have`);
    }
    const body = svg.match(/<svg[^>]*>(.*)<\/svg>/s)[1].replace(/\s*\n\s*/g, "");
    return `<symbol id="${name}" viewBox="0 0 24 24">${body}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`;
}

/** What is in this folder, in which version, under which license. */
function licenses() {
  const tabler = module("@tabler/core/dist/css/tabler.css").match(/\/\*!?(.*?)\*\//s)[1].replace(/^ \* ?/gm, "");
  const packages = {
    "@tabler/core": [tabler], // ships no license file; it is the text that follows for the icons
    "@tabler/icons": [module("@tabler/icons/LICENSE")],
    "echarts": [module("echarts/LICENSE"), module("echarts/NOTICE")],
    "zrender": [module("zrender/LICENSE")],
    "tslib": [module("tslib/LICENSE.txt")],
    "htmx.org": [module("htmx.org/LICENSE")],
  };
  return Object.entries(packages).map(([name, texts]) => {
    const { version, license } = JSON.parse(module(`${name}/package.json`));
    return `${name} ${version} (${license})\n\n${texts.map((text) => text.trim()).join("\n\n")}\n`;
  }).join(`\n${"=".repeat(100)}\n\n`);
}

// THIRD-PARTY.txt stands last: make takes its date for the date of all.
const files = {
  "tabler.min.css": styleSheet,
  "htmx.min.js": () => withoutSourceMap(module("htmx.org/dist/htmx.min.js")),
  "echarts.min.js": charts,
  "icons.svg": sprite,
  "THIRD-PARTY.txt": licenses,
};
const made = Object.entries(files).map(([name, make]) => [name, make()]); // all or nothing
rmSync(VENDOR, { recursive: true, force: true });
mkdirSync(VENDOR, { recursive: true });
for (const [name, text] of made) {
  writeFileSync(join(VENDOR, name), text);
  const kilobytes = (bytes) => `${(bytes / 1024).toFixed(0).padStart(5)} KB`;
  console.log(`${kilobytes(Buffer.byteLength(text))} ${kilobytes(gzipSync(text).length)} gzip  ${name}`);
}
