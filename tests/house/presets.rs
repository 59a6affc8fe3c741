//! The presets of `stages/`: each fits its schema, says the same in search and score, and runs.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::shipped::{phytotron, project, root, stem, text, yaml_files};

/// The parsed preset.
fn read(file: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Those of searches leave out what a pipeline must add.
#[test]
fn presets_of_trainings_fit_their_kinds_schema() {
    let mut checked = 0;
    for file in yaml_files("stages") {
        let preset = read(&file);
        let kind = preset["use"].as_str().unwrap();
        if !["evaluate", "retrain"].contains(&kind) {
            continue;
        }
        let schema = root().join(format!("schemas/{kind}.schema.json"));
        let schema: Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mistakes: Vec<String> = validator
            .iter_errors(&preset["with"])
            .map(|mistake| format!("{}: {mistake}", mistake.instance_path()))
            .collect();
        assert!(mistakes.is_empty(), "{}: {}", file.display(), mistakes.join("\n"));
        checked += 1;
    }
    assert_eq!(checked, 5);
}

/// A search trains its children as the paper in question does, and a second look at them does the same.
#[test]
fn a_search_trains_as_its_papers_score_does() {
    let evaluator = |preset: &str| {
        read(&root().join(format!("stages/{preset}.yaml")))["with"]["evaluator"].clone()
    };
    for (search, score) in [
        ("metaqnn-search", "metaqnn-score"),
        ("zoph-search", "zoph-score"),
        ("nasnet-search", "nasnet-score"),
        ("reinforce-cells", "nasnet-score"),
    ] {
        assert_eq!(evaluator(search), evaluator(score), "{search}");
        assert_eq!(evaluator(search)["kind"], "train", "{search}");
    }
    let metaqnn = evaluator("metaqnn-search");
    assert_eq!(metaqnn["score"], "best", "the reward of section 4.3");
    assert_eq!(metaqnn["recipe"]["init"], "xavier");
    assert_eq!(metaqnn["recipe"]["schedule"]["at"], serde_json::json!([0.25, 0.5, 0.75]));
    let zoph = evaluator("zoph-search");
    assert_eq!(zoph["recipe"]["optimizer"]["nesterov"], true);
    assert_eq!((&zoph["score"], &zoph["recipe"]["lr"]), (&"max_last_5".into(), &0.1.into()));
}

/// A comment on its line, on the line of the map that it stands in, or on the line above.
#[test]
fn every_number_of_a_preset_has_a_source() {
    let depth = |line: &str| line.len() - line.trim_start().len();
    for file in yaml_files("stages") {
        let text = fs::read_to_string(&file).unwrap();
        let (_, with) = text.split_once("\nwith:\n").unwrap();
        let lines: Vec<&str> = with.lines().collect();
        for (place, line) in lines.iter().enumerate() {
            let value = line.split_once(": ").map_or(*line, |(_, value)| value);
            let has_number =
                value.split([' ', ',', '[', ']']).any(|word| word.parse::<f64>().is_ok());
            let above = lines[..place].iter().rev();
            let parent = above.clone().find(|above| depth(above) < depth(line));
            let before =
                lines[..place].last().filter(|before| before.trim_start().starts_with('#'));
            let has_source = [Some(line), parent, before].into_iter().flatten();
            assert!(
                !has_number || has_source.into_iter().any(|line| line.contains('#')),
                "{}: {line}",
                stem(&file)
            );
        }
    }
}

/// Trains with every preset in turn, on few small images and with few filters.
const EVERY: &str = "\
name: every-preset
seed: 7
params:
  image: { kind: leaves, images: 120, size: 16 }
  effort: { kind: train, epochs: 1, recipe: { batch: 16 } }
stages:
  leaves:
    use: dataset
    with: { source: \"${{ params.image }}\", split: { validation: 0.2, test: 40 } }
  chains:
    use: metaqnn-search
    inputs: { data: leaves }
    with:
      space: { filters: [4], fc_sizes: [16], layers_max: 4 }
      budget: { trials: 2 }
      evaluator: ${{ params.effort }}
  layers:
    use: zoph-search
    inputs: { data: leaves }
    with:
      space: { filters: [4], layers: 3, growth: { start: 2, plus: 1, every: 1 } }
      budget: { trials: 2 }
      evaluator: ${{ params.effort }}
  cells:
    use: nasnet-search
    inputs: { data: leaves }
    with:
      space: { cells: 1, filters: 2, blocks: 2 }
      budget: { trials: 2 }
      evaluator: ${{ params.effort }}
  moving:
    use: reinforce-cells
    inputs: { data: leaves }
    with:
      space: { filters: 2, blocks: 2 }
      budget: { trials: 2 }
      evaluator: ${{ params.effort }}
  again-chains:
    use: metaqnn-score
    inputs: { trials: chains, data: leaves }
    with: { top: 1, evaluator: \"${{ params.effort }}\" }
  again-layers:
    use: zoph-score
    inputs: { trials: layers, data: leaves }
    with: { top: 1, evaluator: \"${{ params.effort }}\" }
  again-cells:
    use: nasnet-score
    inputs: { trials: [cells, moving], data: leaves }
    with: { top: 1, evaluator: \"${{ params.effort }}\", space: { cells: 1, filters: 2 } }
  final-chains:
    use: metaqnn-retrain
    inputs: { trials: chains, data: leaves, test: leaves }
    with: { top: 2, ensemble: 2, epochs: 1, recipe: { batch: 16 } }
  final-cells:
    use: nasnet-retrain
    inputs: { trials: cells, data: leaves, test: leaves }
    with: { top: 1, epochs: 1, space: { cells: 1, filters: 4 }, recipe: { batch: 16 } }
";

#[test]
fn every_preset_runs_at_its_smallest() {
    for file in yaml_files("stages") {
        let preset = stem(&file);
        assert!(EVERY.contains(&format!("use: {preset}\n")), "{preset} is not tried");
    }
    let project = project();
    let file = "pipelines/every-preset.yaml";
    fs::write(project.path().join(file), EVERY).unwrap();
    let output = phytotron(project.path(), &["run", file]);
    assert!(output.status.success(), "{}", text(&output));
    let trained = project.path().join("out/every-preset/final-cells");
    assert!(trained.is_dir(), "the last preset's finals are there");
}
