//! What reads and binds pipelines.
#![no_main]

use std::cell::LazyCell;

#[path = "../properties.rs"]
#[expect(dead_code, reason = "each target has one of the properties")]
mod properties;

thread_local! {
    static PIPELINES: LazyCell<properties::Pipelines> = LazyCell::new(properties::Pipelines::new);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| PIPELINES.with(|pipelines| pipelines.check(bytes)));
