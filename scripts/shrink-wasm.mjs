// Makes the snippet's wasm small and lists its imports: node shrink-wasm.mjs IN.wasm OUT.wasm IMPORTS.js.
//
// Four things that no optimiser may do by itself: a panic becomes a bare trap (its message would
// bring Rust's formatting, 2 KB of it, and nobody could read it in a page), exports that nobody calls
// go, the texts of the messages become zeros, and imports get names of one letter.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import binaryen from 'binaryen';

const [input, output, list] = process.argv.slice(2);
const panics = /panicking|handle_alloc_error|alloc_error_handler|capacity_overflow|_fail|raw_vec.*handle_error/;
const called = /^(memory|start|record|restore|restored|flush|hide|answered|room)$/;

const module = binaryen.readBinary(readFileSync(input));
let traps = 0;
for (let index = 0; index < module.getNumFunctions(); index += 1) {
  const wasmFunction = module.getFunctionByIndex(index);
  const { name, module: imported } = binaryen.getFunctionInfo(wasmFunction);
  if (!imported && panics.test(name)) {
    binaryen.Function.setBody(wasmFunction, module.unreachable());
    traps += 1;
  }
}
if (traps == 0) throw new Error('no panic was found in the wasm: have its functions lost their names?');
const exported = Array.from({ length: module.getNumExports() },
  (_, index) => binaryen.getExportInfo(module.getExportByIndex(index)).name);
for (const name of exported) if (!called.test(name)) module.removeExport(name);
const middle = `${output}.middle`;
writeFileSync(middle, module.emitBinary());

// What stable Rust emits; every browser since Safari 15 has them.
const features = ['bulk-memory', 'bulk-memory-opt', 'sign-ext', 'mutable-globals', 'nontrapping-float-to-int', 'multivalue', 'reference-types']
  .map(feature => `--enable-${feature}`);
execFileSync('node_modules/.bin/wasm-opt', [
  middle, '-o', middle, ...features,
  // Rust's statics begin at 1 MB, and nothing but the exports is reached from outside.
  '--low-memory-unused', '--closed-world', '-Oz', '--gufa-optimizing', '-Oz', '--converge',
  '--strip-debug', '--strip-producers', '--strip-target-features',
]);
// The optimiser's passes and this one must not share a run: it would print its map more than once.
const map = JSON.parse(execFileSync('node_modules/.bin/wasm-opt',
  [middle, '-o', output, ...features, '--minify-imports-and-exports-and-modules'], { encoding: 'utf8' }));
// What only the removed messages read. Zeros compress to nothing; no optimiser looks inside a segment.
const dead = /\/rustc\/[0-9a-f]{40}\/[a-z_/]+\.rs|memory allocation of | bytes failed|capacity overflow|00010203(\d\d){96}/g;
const bytes = readFileSync(output, 'latin1');
writeFileSync(output, bytes.replace(dead, text => '\0'.repeat(text.length)), 'latin1');
// The same names for JavaScript: what wasm imports, and what it exports under its old name.
const functions = map.imports.map(([module, long, short]) => {
  if (!module.endsWith('browser.js')) throw new Error(`the engine imports ${long} from ${module}: glue that is not in the bundle`);
  return `${short}: browser.${long}`;
});
const exports = map.exports.map(([long, short]) => `${long}: exports.${short}`);
writeFileSync(list, `import * as browser from './browser.js';
export const imports = { a: { ${functions.join(', ')} } };
export const named = exports => ({ ${exports.join(', ')} });
`);
