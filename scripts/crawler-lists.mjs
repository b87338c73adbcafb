// Refreshes store/data/crawlers.txt and the agents in store/tests/data/agents from four npm
// packages: `node scripts/crawler-lists.mjs`. Only data is taken from them, no code; licences and
// authors stand in store/data/THIRD-PARTY.md. Raise the versions here.
import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const VERSIONS = {
  "crawler-user-agents": "1.60.0",
  isbot: "5.2.3",
  "top-user-agents": "2.1.138",
  "user-agents": "2.1.198",
};
// crawler-user-agents takes names in bulk from lists of others (#430, #445, #446: 893 names, most of
// them on 2026-06-01), and among them were agents of people's phones and desktop apps. A pattern is
// none of a crawler's where each of its examples is a browser inside a program of people (Android's
// WebView, Electron), without an address and without a robot's word.
const INSIDE = /; wv\)|\bVersion\/\d+\.\d+ Chrome\/|\bElectron\//;
const ROBOT = /https?:|www\.|@|compatible;|bot|crawl|spider|scrap|fetch|preview|scan|check|monitor/i;
const isOfPeople = ({ instances }) =>
  instances.length > 0 && instances.every((one) => INSIDE.test(one) && !ROBOT.test(one));
// Fluid turns a site into a Mac application: ua-parser/uap-core and matomo have it as a browser.
const BROWSERS = ["Fluid"];
const root = new URL("..", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "crawler-lists-"));
const day = new Date().toISOString().slice(0, 10);

function unpack(name) {
  const spec = `${name}@${VERSIONS[name]}`;
  const out = execFileSync("npm", ["pack", "--silent", spec], { cwd: folder, encoding: "utf8" });
  const at = join(folder, name);
  mkdirSync(at);
  execFileSync("tar", ["xzf", join(folder, out.trim().split("\n").pop()), "-C", at, "--strip-components=1"]);
  return at;
}

const json = (...path) => JSON.parse(readFileSync(join(...path), "utf8"));

/** The text that a pattern stands for, or null where it is a real pattern. */
function literal(pattern) {
  const text = pattern.replace(/\\([./\-() !])/g, "\0$1").replace(/\\[^]/g, "\u0001");
  if (/[\u0001^$|?*+()[\]{}.\\]/.test(text.replace(/\0[^]/g, ""))) return null;
  return text.replace(/\0/g, "");
}

// Rust's `regex` looks neither ahead nor behind. What isbot looks for there are plain texts, so it
// can be written out: "the text beside here is none of these", letter by letter.
const escape = (text) => text.replace(/[\\^$.|?*+()[\]{}\/]/g, "\\$&");

function tree(texts) {
  const node = new Map();
  for (const text of texts) {
    let at = node;
    for (const letter of text) {
      if (!at.has(letter)) at.set(letter, new Map());
      at = at.get(letter);
    }
    at.set("end", true);
  }
  return node;
}

function none(node, behind) {
  const letters = [...node.keys()];
  const parts = [behind ? "^" : "$", `[^${letters.map((l) => (/[\w ]/.test(l) ? l : `\\${l}`)).join("")}]`];
  for (const [letter, next] of node) {
    if (next.has("end")) continue;
    const rest = none(next, behind);
    parts.push(behind ? rest + escape(letter) : escape(letter) + rest);
  }
  return `(?:${parts.join("|")})`;
}

function spelledOut(pattern) {
  const texts = (group) => group.replace(/^\(\?:(.*)\)$/, "$1").split("|");
  // Nor does it take a range that begins with a class.
  const turned = pattern.replace(/\\d-\./g, "\\d.\\-")
    .replace(/\(\?<!([^()]*)\)/g, (_, group) =>
      none(tree(texts(group).map((text) => [...text].reverse().join(""))), true))
    .replace(/\(\?!((?:\(\?:[^()]*\)|[^()]*))\)/g, (_, group) => none(tree(texts(group)), false));
  if (/\(\?<?[!=]/.test(turned)) throw new Error(`cannot write out ${pattern}`);
  return turned;
}

function write(path, head, lines) {
  const text = [...head.map((line) => `# ${line}`), ...lines].join("\n") + "\n";
  writeFileSync(join(root, path), text);
  console.log(`${path}: ${lines.length} lines`);
}

try {
  const listed = json(unpack("crawler-user-agents"), "crawler-user-agents.json");
  const isDropped = (one) => isOfPeople(one) || BROWSERS.includes(one.pattern);
  const dropped = listed.filter(isDropped).map((one) => one.pattern);
  const crawlers = listed.filter((one) => !isDropped(one));
  const isbot = (await import(pathToFileURL(join(unpack("isbot"), "index.mjs")).href)).list;
  const top = json(unpack("top-user-agents"), "src/index.json");
  const people = json(unpack("user-agents"), "dist/user-agents.json");

  const lines = ["[crawler-user-agents]"];
  for (const { pattern } of crawlers) {
    const text = literal(pattern);
    lines.push(text === null ? `~${pattern}` : `=${text}`);
  }
  lines.push("[isbot]");
  for (const pattern of isbot) {
    const text = literal(pattern);
    lines.push(text === null ? `i~${spelledOut(pattern)}` : `i=${text.toLowerCase()}`);
  }
  write("store/data/crawlers.txt", [
    `Crawlers, by parts of their agents. Made by scripts/crawler-lists.mjs on ${day}; not to be edited.`,
    `Sources: npm crawler-user-agents ${VERSIONS["crawler-user-agents"]} (MIT)`,
    `without ${dropped.join(", ")}, which people's programs send;`,
    `npm isbot ${VERSIONS.isbot} (Unlicense), what it looks for ahead and behind written out.`,
    "=text and ~pattern tell upper and lower case apart, i=text and i~pattern do not.",
  ], lines);

  const instances = [...new Set(crawlers.flatMap((one) => one.instances))];
  write("store/tests/data/agents/crawlers.txt", [
    `Agents of crawlers: the instances of npm crawler-user-agents ${VERSIONS["crawler-user-agents"]} (MIT), fetched ${day}.`,
  ], instances);

  const agents = [...new Set(people.map((one) => one.userAgent))].sort();
  write("store/tests/data/agents/browsers.txt", [
    `Agents of ordinary browsers and apps, fetched ${day}: npm top-user-agents ${VERSIONS["top-user-agents"]} (MIT), all of it;`,
    `npm user-agents ${VERSIONS["user-agents"]} (BSD-2-Clause), all of it.`,
  ], [...new Set([...top, ...agents])]);
} finally {
  rmSync(folder, { recursive: true });
}
