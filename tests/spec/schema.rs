//! The schemas that editors use agree with what loading takes.

use std::path::Path;

use phytotron::spec::schema::{kind_schema, pipeline_schema, preset_schema, project_schema};
use phytotron::stage::Registry;
use schemars::Schema;
use serde_json::Value as Json;

fn kinds() -> Vec<(&'static str, Schema)> {
    Registry::standard().iter().map(|kind| (kind.name(), kind.schema())).collect()
}

/// What an editor would say of a YAML text.
fn complaints(schema: &Json, text: &str) -> Vec<String> {
    let yaml: Json = serde_yaml::from_str(text).unwrap();
    let validator = jsonschema::validator_for(schema).unwrap();
    validator
        .iter_errors(&yaml)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect()
}

#[test]
fn every_shipped_file_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (folder, schema) in
        [("pipelines", pipeline_schema(&kinds())), ("stages", preset_schema(&kinds()))]
    {
        for entry in root.join(folder).read_dir().unwrap() {
            let path = entry.unwrap().path();
            let found = complaints(&schema, &std::fs::read_to_string(&path).unwrap());
            assert!(found.is_empty(), "{}: {found:#?}", path.display());
        }
    }
}

#[test]
fn an_editor_finds_mistakes() {
    let schema = pipeline_schema(&kinds());
    let good = "params: {n: 1}\nstages:\n  a:\n    use: command\n    with: {run: \"x\", outputs: [y]}\n    \
                matrix: {r: [1, 2], e: \"${{ params.list }}\", exclude: [{r: 1}]}\n    \
                retries: ${{ params.n }}\n    timeout: 6h\n    resources: {gpu: 1, memory: 8 GiB}\n    \
                inputs: {x: b, y: [b, c]}\n    needs: b\n  b: {use: mine, with: {any: thing}}\n";
    assert_eq!(complaints(&schema, good), [] as [&str; 0]);
    for (from, to) in [
        ("params:", "parms:"),
        ("retries:", "retires:"),
        ("${{ params.n }}", "many"),
        ("6h", "soon"),
        ("gpu: 1", "gpu: -1"),
        ("with: {run: \"x\"", "with: {runn: \"x\""),
        ("use: command", "use: [command]"),
        ("r: [1, 2]", "r: 1"),
        ("needs: b", "needs: {b: c}"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        assert!(!complaints(&schema, &bad).is_empty(), "{to} passes");
    }
}

#[test]
fn a_kind_with_variants_takes_their_plain_names_and_expressions() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    #[schemars(tag = "kind")]
    #[expect(dead_code, reason = "only its schema matters")]
    enum Strategy {
        Ppo(Ppo),
        Random,
    }
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct Ppo {
        clip: f64,
    }
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct With {
        strategy: Strategy,
        trials: u64,
    }
    let schema = kind_schema("search", &schemars::schema_for!(With));
    let takes = |text: &str| complaints(&schema, text).is_empty();
    assert!(takes("{strategy: {kind: ppo, clip: 0.1}, trials: 3}"));
    assert!(takes("{strategy: random, trials: 1_000}"));
    assert!(takes("{strategy: \"${{ matrix.s }}\", trials: \"${{ params.n }}\"}"));
    assert!(takes("{strategy: {kind: ppo, clip: \"${{ params.c }}\"}, trials: 3}"));
    assert!(!takes("{strategy: {kind: ppo, klip: 0.1, clip: 0.1}, trials: 3}"));
    assert!(!takes("{strategy: {kind: pop}, trials: 3}"));
    assert!(!takes("{strategy: pop, trials: 3}"));
    assert!(!takes("{strategy: random, trials: -3}"));
    assert!(!takes("{strategy: random, trials: many}"));
}

#[test]
fn the_project_file_has_a_schema() {
    let schema = project_schema();
    assert!(
        complaints(&schema, "store: x\npools: {gpu: 1, memory: 4 GiB}\nkeep_runs: 3\n").is_empty()
    );
    assert!(!complaints(&schema, "durability: safe\n").is_empty());
    assert!(!complaints(&schema, "stroe: x\n").is_empty());
}
