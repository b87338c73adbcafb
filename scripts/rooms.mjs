// Checks that the rooms of a crate lean one way: a module may use those of its own line of the drawing in
// ARCHITECTURE.md, and those of the lines below. The compiler keeps the crates apart; inside one it does not.
//
//   node scripts/rooms.mjs [FOLDER]   FOLDER holds ARCHITECTURE.md and the crates; . without it
import { readFileSync, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";

// Where the drawing begins; a code block follows: a line `CRATE/`, then one line a room, `module module  words`.
const HEADING = "## The rooms";

/** The crates of the drawing: `{ name, rooms }`, a room being the names of its modules, from top to bottom. */
export function drawing(text) {
  const section = text.split(`\n${HEADING}\n`)[1];
  const block = section?.match(/```\w*\n([\s\S]*?)```/)?.[1];
  if (block === undefined) throw new Error(`ARCHITECTURE.md has no drawing under "${HEADING}"`);
  const crates = [];
  for (const line of block.split("\n")) {
    const crate = line.match(/^(\w+)\/(\s|$)/);
    const room = line.match(/^ +(\w+(?: \w+)*)(?: {2,}|$)/);
    if (crate) crates.push({ name: crate[1], rooms: [] });
    else if (room) crates.at(-1).rooms.push(room[1].split(" "));
  }
  return crates;
}

/** The modules right under a crate's root that a file's code names: `[module, line number]`. Tests do not count. */
export function uses(source, path) {
  const code = withoutTests(withoutWords(source));
  const found = [];
  const note = (name, index) => found.push([name, code.slice(0, index).split("\n").length]);
  for (const match of code.matchAll(/\bcrate::(\{|\w+)/g)) {
    if (match[1] === "{") for (const name of heads(code, match.index + match[0].length)) note(name, match.index);
    else note(match[1], match.index);
  }
  // From `a::b::c`, `super::super::super::` is the crate's root.
  const depth = path.length;
  for (const match of code.matchAll(/(?<![\w:])((?:super::)+)(\w+)/g)) {
    if (match[1].length / "super::".length === depth) note(match[2], match.index);
  }
  return found;
}

// Comments and texts as blanks, so that places stay as they are.
function withoutWords(source) {
  const blank = (text) => text.replace(/[^\n]/g, " ");
  return source.replace(/\/\/.*|\/\*[\s\S]*?\*\/|r(#*)"[\s\S]*?"\1|"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\\n]|\\.[^'\n]*)'/g, blank);
}

// Without what stands behind `#[cfg(test)]`: an item up to its `;` or its last brace.
function withoutTests(code) {
  const mark = "#[cfg(test)]";
  for (let at = code.indexOf(mark); at >= 0; at = code.indexOf(mark, at + 1)) {
    let depth = 0;
    let end = at + mark.length;
    for (; end < code.length; end += 1) {
      if (code[end] === "{") depth += 1;
      if (code[end] === "}" && (depth -= 1) === 0) break;
      if (code[end] === ";" && depth === 0) break;
    }
    code = code.slice(0, at) + code.slice(at, end + 1).replace(/[^\n]/g, " ") + code.slice(end + 1);
  }
  return code;
}

// The first names of what stands in a group `{a, b::{c, d}}`, from behind its brace.
function heads(code, from) {
  const names = [];
  let depth = 1;
  let name = "";
  let isHead = true;
  for (let at = from; depth > 0 && at < code.length; at += 1) {
    const char = code[at];
    if (depth === 1 && (char === "," || char === "}")) {
      if (name) names.push(name);
      name = "";
      isHead = true;
    } else if (depth === 1 && isHead && /\w/.test(char)) name += char;
    else if (!/\s/.test(char)) isHead = false;
    if (char === "{") depth += 1;
    if (char === "}") depth -= 1;
  }
  return names;
}

/** What leans the wrong way, or stands in no line of the drawing, as sentences. */
export function wrong(folder) {
  const problems = [];
  for (const { name, rooms } of drawing(readFileSync(join(folder, "ARCHITECTURE.md"), "utf8"))) {
    const root = join(folder, name, "src");
    const level = new Map(rooms.flatMap((modules, place) => modules.map((module) => [module, place])));
    const there = new Set();
    for (const file of files(root)) {
      const path = relative(root, file).replace(/\.rs$/, "").split(sep);
      const [module] = path;
      if (["lib", "main"].includes(module) || path.some((part) => /^(tests|.*_tests)$/.test(part))) continue;
      there.add(module);
      if (!level.has(module)) continue;
      for (const [used, line] of uses(readFileSync(file, "utf8"), path)) {
        if (level.get(used) < level.get(module)) {
          problems.push(`${relative(folder, file)}:${line}: ${module} stands below ${used} and must not use it`);
        }
      }
    }
    for (const module of there) if (!level.has(module)) problems.push(`${name}: ${module} is missing from the drawing`);
    for (const module of level.keys()) if (!there.has(module)) problems.push(`${name}: there is no ${module}`);
  }
  return problems;
}

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return files(path);
    return entry.name.endsWith(".rs") ? [path] : [];
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const problems = wrong(process.argv[2] ?? ".");
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) {
    console.error(`The drawing is in ARCHITECTURE.md, under "${HEADING}": what is used by two rooms belongs below both.`);
    process.exitCode = 1;
  }
}
