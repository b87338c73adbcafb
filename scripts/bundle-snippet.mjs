// Puts the snippet's wasm, wasm-bindgen's glue and js/ into one classic script, dist/track.js, and
// minifies the embed's stub: node bundle-snippet.mjs FROM TO.
import { readFileSync, writeFileSync, copyFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build, transformSync } from 'esbuild';

const [from, to] = process.argv.slice(2).map(path => resolve(path));
// Beside the list of imports that the build made.
copyFileSync('snippet/js/main.js', join(from, 'main.js'));

await build({
  entryPoints: [join(from, 'main.js')],
  outfile: join(to, 'track.js'),
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2020',
  charset: 'ascii',
  logLevel: 'warning',
  define: {
    WASM: JSON.stringify(readFileSync(join(from, 'small.wasm')).toString('hex')),
    BASE: JSON.stringify('__MISAR_BASE__'),
  },
  plugins: [{
    name: 'snippet/js',
    setup(build) {
      build.onResolve({ filter: /(browser|identity|storage)\.js$/ }, ({ path }) => ({ path: resolve('snippet/js', path) }));
    },
  }],
});

const stub = transformSync(readFileSync('snippet/js/stub.js', 'utf8'), { minify: true, target: 'es2020' }).code.trim();
if (stub.length > 300 || stub.includes('\n')) throw new Error(`the stub has ${stub.length} bytes: ${stub}`);
writeFileSync(join(to, 'stub.js'), stub);
