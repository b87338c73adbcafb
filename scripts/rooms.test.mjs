// The check of rooms: that it finds what leans the wrong way, and nothing else.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { drawing, uses, wrong } from "./rooms.mjs";

const ARCHITECTURE = `# Architecture

## The rooms

Words.

\`\`\`
house/            the crate
  roof attic      what is seen
  cellar          what carries
\`\`\`
`;

const used = (source, ...path) => uses(source, path).map(([module]) => module);

test("the drawing is read line by line", () => {
  assert.deepEqual(drawing(ARCHITECTURE), [{ name: "house", rooms: [["roof", "attic"], ["cellar"]] }]);
});

test("a module is found in every way of naming it", () => {
  assert.deepEqual(used("use crate::roof::Tile;", "cellar"), ["roof"]);
  assert.deepEqual(used("use crate::{\n  attic::{self, Box},\n  roof\n};", "cellar"), ["attic", "roof"]);
  assert.deepEqual(used("fn f() -> crate::roof::Tile { g() }", "cellar"), ["roof"]);
  assert.deepEqual(used("use super::roof::Tile;", "cellar"), ["roof"]);
  assert.deepEqual(used("use super::super::roof::Tile;", "cellar", "shelf"), ["roof"]);
});

test("what is no use is not found", () => {
  assert.deepEqual(used("use super::jar::Lid;", "cellar", "shelf"), []);
  assert.deepEqual(used("// crate::roof\n/// [`crate::roof`]", "cellar"), []);
  assert.deepEqual(used('let text = "crate::roof";', "cellar"), []);
  assert.deepEqual(used("#[cfg(test)]\nmod tests { use crate::roof; }\nuse crate::attic;", "cellar"), ["attic"]);
  assert.deepEqual(used("#[cfg(test)]\nuse crate::roof;\nuse crate::attic;", "cellar"), ["attic"]);
});

test("what leans up is wrong, and so is what is not drawn", () => {
  const folder = mkdtempSync(join(tmpdir(), "rooms-"));
  const put = (path, text) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  try {
    put("ARCHITECTURE.md", ARCHITECTURE);
    put("house/src/lib.rs", "mod roof; mod attic; mod cellar;");
    put("house/src/roof.rs", "use crate::attic; use crate::cellar;");
    put("house/src/attic.rs", "use crate::roof;");
    put("house/src/cellar.rs", "");
    put("house/src/cellar/tests.rs", "use crate::roof;");
    assert.deepEqual(wrong(folder), []);
    put("house/src/cellar/shelf.rs", "\nuse crate::{roof::Tile};");
    put("house/src/shed.rs", "");
    assert.deepEqual(wrong(folder), [
      "house/src/cellar/shelf.rs:2: cellar stands below roof and must not use it",
      "house: shed is missing from the drawing",
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
