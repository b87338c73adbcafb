//! Says what to do where the files that the binary embeds have not been built yet.

use std::path::Path;

/// Made from our Rust code for browsers, and not checked in.
const BUILT: [&str; 4] = ["track.js", "stub.js", "www.js", "www_bg.wasm"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in BUILT {
        // A missing file counts as changed, so that this runs again once it is there.
        println!("cargo::rerun-if-changed=../dist/{name}");
        if !Path::new("../dist").join(name).exists() {
            println!("cargo::error=dist/{name} is missing: run ./dev build (or just web)");
        }
    }
}
