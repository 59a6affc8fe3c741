//! Artifacts of today's kinds, frozen: nobody's cache may lie after a change of meaning.

use serde_json::Value;

use crate::support::TestSpace;

const PIPELINE: &str = include_str!("golden/pipeline.yaml");
const FROZEN: &str = include_str!("golden/pipeline.lock");

/// Where fingerprints are equal, bytes must be. Where they are not, a version or a parameter was changed
/// on purpose: put the new lock file in place of `golden/pipeline.lock`.
#[test]
fn equal_fingerprints_have_equal_bytes_in_every_version() {
    let space = TestSpace::new().pipeline(PIPELINE);
    space.run(&[]).success();
    let lock = space.read("pipeline.lock");
    let (found, frozen) = (stages(&lock), stages(FROZEN));
    for (name, stage) in frozen.as_object().unwrap() {
        if found[name]["fingerprint"] == stage["fingerprint"] {
            assert_eq!(
                found[name]["outputs"], stage["outputs"],
                "`{name}` has other bytes under the same fingerprint: raise the version of the \
                 component whose meaning changed"
            );
        }
    }
    assert_eq!(found, frozen, "new fingerprints: put this into golden/pipeline.lock:\n{lock}");
}

fn stages(lock: &str) -> Value {
    let lock: Value = serde_yaml::from_str(lock).unwrap();
    lock["stages"].clone()
}
