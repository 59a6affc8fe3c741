//! The reader of tar and zip.
#![no_main]

#[path = "../properties.rs"]
#[expect(dead_code, reason = "each target has one of the properties")]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::archive(bytes));
