//! The study: order, who comes before and after whom, and what feeds what.

use phytotron::plan::{StageIndex, Study};

use super::space::TestSpace;

const SHELL: &str = "use: shell, with: { run: [\"true\"], outputs: { o: o } }";

fn names(study: &Study) -> Vec<String> {
    study.stages.iter().map(|stage| stage.id.to_string()).collect()
}

#[test]
fn stages_come_after_those_that_feed_them_and_else_in_the_order_of_the_file() {
    let pipeline = format!(
        "stages:\n  z: {{ {SHELL}, needs: [c] }}\n  b: {{ {SHELL} }}\n  c: {{ {SHELL}, inputs: {{ x: b }} }}\n  \
         a: {{ {SHELL} }}\n"
    );
    let study = TestSpace::new().study(&pipeline);
    assert_eq!(names(&study), ["b", "c", "z", "a"]);
    assert_eq!(study.stages[2].before, [StageIndex(1)]);
    assert_eq!(study.stages[0].after, [StageIndex(1)]);
}

#[test]
fn needs_order_but_do_not_feed() {
    let pipeline = format!(
        "stages:\n  a: {{ {SHELL} }}\n  b: {{ {SHELL}, needs: [a] }}\n  c: {{ {SHELL}, inputs: {{ x: b }} }}\n"
    );
    let study = TestSpace::new().study(&pipeline);
    assert!(study.stages[0].is_final, "nobody reads what `a` writes");
    assert!(!study.stages[1].is_final);
    assert_eq!(study.stages[1].needs, [StageIndex(0)]);
    assert!(study.stages[1].inputs.is_empty());
}

#[test]
fn a_gathered_input_is_sorted_by_coordinates_however_the_matrix_is_written() {
    let pipeline = |order: &str| {
        format!(
            "stages:\n  leaves: {{ use: grow }}\n  search:\n    use: seek\n    matrix: {{ strategy: {order} }}\n    \
             inputs: {{ data: leaves }}\n    with: {{ strategy: \"${{{{ matrix.strategy }}}}\" }}\n  \
             report: {{ use: tell, inputs: {{ trials: \"search[*]\" }} }}\n"
        )
    };
    let feeds = |order: &str| {
        let study = TestSpace::new().study(&pipeline(order));
        let report = study.stages.last().unwrap();
        let labels = report.inputs[0].1.iter().map(|feed| feed.coordinates.to_string());
        labels.collect::<Vec<_>>()
    };
    assert_eq!(feeds("[b, a, c]"), ["strategy=a", "strategy=b", "strategy=c"]);
    assert_eq!(feeds("[c, b, a]"), ["strategy=a", "strategy=b", "strategy=c"]);
}

#[test]
fn a_port_that_takes_one_sees_no_coordinates() {
    let study = TestSpace::new().study(
        "stages:\n  leaves: { use: grow, matrix: { images: [1, 2] }, with: { images: \"${{ matrix.images }}\" } }\n  \
         search: { use: seek, inputs: { data: \"leaves[images=2]\" } }\n",
    );
    let feed = &study.stages[2].inputs[0].1[0];
    assert_eq!(study.get(feed.stage).id.to_string(), "leaves[images=2]");
    assert!(feed.coordinates.0.is_empty());
}

#[test]
fn a_bare_name_means_the_only_output_of_the_type_that_the_port_takes() {
    let study = TestSpace::new().study(
        "stages:\n  leaves: { use: grow }\n  search: { use: seek, inputs: { data: leaves } }\n  \
         retrain: { use: raise, inputs: { trials: search, data: leaves, test: leaves } }\n",
    );
    let outputs: Vec<&str> =
        study.stages[2].inputs.iter().map(|(_, feeds)| feeds[0].output.as_str()).collect();
    assert_eq!(outputs, ["data", "test", "trials"]);
}

#[test]
fn published_folders_are_those_of_final_and_published_stages() {
    let study = TestSpace::new().study(
        "name: my-study\nstages:\n  leaves: { use: grow, publish: true }\n  \
         search: { use: seek, inputs: { data: leaves } }\n  \
         report: { use: tell, matrix: { i: [a] }, inputs: { trials: \"search\" }, with: { title: \"${{ matrix.i }}\" } }\n",
    );
    let published: Vec<String> = study
        .iter()
        .filter(|&(index, _)| study.is_published(index))
        .map(|(index, _)| study.folder(index).display().to_string())
        .collect();
    assert_eq!(published, ["out/my-study/leaves", "out/my-study/report/i=a"]);
}
