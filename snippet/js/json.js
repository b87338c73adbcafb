// What a page hands over, as JSON that the collector can read whatever libraries have done to the page.

/** As `JSON.stringify`, but arrays stay arrays (Prototype 1.6 gives them a `toJSON` that makes texts of
 * them), and half a character, as in a text that was cut through an emoji, is U+FFFD. */
export const json = value => JSON.stringify(value, function (name, given) {
  return Array.isArray(this[name]) ? this[name] : given;
}).replace(/\\(\\|ud[89a-f]..)/g, (all, what) => what == '\\' ? all : '\\ufffd');

/** PHP writes an empty object as `[]`. */
export const object = given => Array.isArray(given) && !given.length ? {} : given;
