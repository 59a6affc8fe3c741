//! What unpacks bundles.
#![no_main]

use std::cell::LazyCell;

#[path = "../properties.rs"]
#[expect(dead_code, reason = "each target has one of the properties")]
mod properties;

thread_local! {
    static BUNDLES: LazyCell<properties::Bundles> = LazyCell::new(properties::Bundles::new);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| BUNDLES.with(|bundles| bundles.check(bytes)));
