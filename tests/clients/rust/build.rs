//! Writes the client that progenitor makes of the document that `MISAR_OPENAPI` names.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=MISAR_OPENAPI");
    let document = env::var("MISAR_OPENAPI").expect("scripts/test-clients.sh names the document");
    println!("cargo::rerun-if-changed={document}");
    let text = fs::read_to_string(&document).expect("the script has written it");
    let spec: openapiv3::OpenAPI = serde_json::from_str(&text).expect("/openapi-3.0.json is OpenAPI 3.0");
    let mut settings = progenitor::GenerationSettings::default();
    settings.with_interface(progenitor::InterfaceStyle::Builder);
    let client = progenitor::Generator::new(&settings)
        .generate_tokens(&spec)
        .expect("progenitor makes a client of the document");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("client.rs"), client.to_string()).expect("OUT_DIR can be written");
}
