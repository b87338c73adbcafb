// Puts the snippet's wasm, wasm-bindgen's glue and js/ into one classic script, dist/track.js, and
// minifies the embed's stub: node bundle-snippet.mjs FROM TO.
import { readFileSync, writeFileSync, copyFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build, transformSync } from 'esbuild';
import { minify } from 'terser';

const [from, to] = process.argv.slice(2).map(path => resolve(path));
// A byte below 91 is one character, from # on; a blank before it adds 91, an exclamation mark 182. Small
// numbers are what wasm holds most of. `main.js` reads it.
const asText = bytes => Array.from(bytes, byte => ['', ' ', '!'][Math.floor(byte / 91)] + String.fromCharCode(35 + byte % 91)).join('');

// Beside the list of imports that the build made.
copyFileSync('snippet/js/main.js', join(from, 'main.js'));

const { outputFiles: [bundled] } = await build({
  entryPoints: [join(from, 'main.js')],
  write: false,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2020',
  charset: 'ascii',
  logLevel: 'warning',
  define: {
    WASM: 'wasm',
    BASE: JSON.stringify('__MISAR_BASE__'),
  },
  plugins: [{
    name: 'snippet/js',
    setup(build) {
      build.onResolve({ filter: /(browser|identity|json|storage)\.js$/ }, ({ path }) => ({ path: resolve('snippet/js', path) }));
    },
  }],
});

// The text comes last, where it compresses best, and terser takes 70 bytes off what esbuild leaves (measured).
const { code } = await minify(`run=wasm=>{${bundled.text}}`, { ecma: 2020, compress: { passes: 3 }, format: { ascii_only: true } });
const text = JSON.stringify(asText(readFileSync(join(from, 'small.wasm'))));
writeFileSync(join(to, 'track.js'), `(${code.replace(/^run=/, '').replace(/;$/, '')})(${text});`);

const stub = transformSync(readFileSync('snippet/js/stub.js', 'utf8'), { minify: true, target: 'es2020' }).code.trim();
if (stub.length > 450 || stub.includes('\n')) throw new Error(`the stub has ${stub.length} bytes: ${stub}`);
writeFileSync(join(to, 'stub.js'), stub);
