// Tells how large what pages load is, beside other trackers, and fails where the snippet is too large:
// node size.mjs. `just size` calls it.
import { readFileSync, existsSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const MAX_BROTLI = 6_656;

const sizes = (bytes) => ({
  raw: bytes.length,
  gzip: gzipSync(bytes, { level: 9 }).length,
  brotli: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22 } }).length,
});

const rows = [];
const add = (name, size) => rows.push([name, ...['raw', 'gzip', 'brotli'].map((form) => size[form]?.toLocaleString('en') ?? '–')]);

const script = readFileSync('dist/track.js');
const snippet = sizes(script);
add('misar: track.js', snippet);
const wasm = `${process.env.CARGO_TARGET_DIR ?? 'target'}/web/snippet/small.wasm`;
if (existsSync(wasm)) add('misar: the wasm in it', sizes(readFileSync(wasm)));
add('misar: stub in the page', sizes(readFileSync('dist/stub.js')));
for (const name of ['www.js', 'www_bg.wasm']) {
  if (existsSync(`dist/${name}`)) add(`misar: ${name} (live page)`, sizes(readFileSync(`dist/${name}`)));
}
const others = JSON.parse(readFileSync('scripts/size-others.json', 'utf8'));
for (const { name, raw, gzip, brotli } of others.trackers) add(name, { raw, gzip, brotli });

rows.unshift(['bytes', 'raw', 'gzip -9', 'brotli 11']);
const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
for (const [name, ...numbers] of rows) {
  const cells = numbers.map((number, column) => number.padStart(widths[column + 1]));
  console.log([name.padEnd(widths[0]), ...cells].join('  '));
}
console.log(`Others: ${others.source} (${others.date}).`);

if (snippet.brotli > MAX_BROTLI) {
  console.error(`size: track.js has ${snippet.brotli} bytes with brotli, and may have ${MAX_BROTLI}: make it smaller.`);
  process.exit(1);
}
