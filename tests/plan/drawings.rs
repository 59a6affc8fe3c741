//! Drawings of a study.

use phytotron::plan::{Drawing, draw};

use super::space::TestSpace;

const STUDY: &str = "name: reinforce-vs-random
stages:
  leaves: { use: grow }
  search:
    use: seek
    matrix: { strategy: [reinforce, random], repeat: [1, 2, 3] }
    inputs: { data: leaves }
    with: { strategy: \"${{ matrix.strategy }}\", repeat: \"${{ matrix.repeat }}\" }
  retrain: { use: raise, inputs: { trials: \"search[*]\", data: leaves, test: leaves } }
  report: { use: tell, inputs: { trials: \"search[*]\", models: retrain } }
  clean: { use: shell, needs: [report], with: { run: [\"true\"], outputs: { o: o } } }
";

fn check(name: &str, drawing: Drawing, cells: bool) {
    let study = TestSpace::new().study(STUDY);
    insta::assert_snapshot!(name, draw(&study, drawing, cells));
}

#[test]
fn text_is_indented_by_depth() {
    check("graph-text", Drawing::Text, false);
    check("graph-text-cells", Drawing::Text, true);
}

#[test]
fn mermaid_and_dot_have_every_edge() {
    check("graph-mermaid", Drawing::Mermaid, false);
    check("graph-dot", Drawing::Dot, false);
}

#[test]
fn the_picture_is_one_file_that_an_xml_reader_takes() {
    let study = TestSpace::new().study(STUDY);
    for cells in [false, true] {
        let svg = draw(&study, Drawing::Svg, cells);
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
        assert_eq!(svg.matches("<path class=\"edge").count(), if cells { 21 } else { 6 });
        assert!(!svg.contains("NaN") && !svg.contains(" inf"), "{svg}");
    }
    check("graph-svg", Drawing::Svg, false);
}

#[test]
fn a_study_whose_collapsed_stages_form_a_ring_is_drawn() {
    let study = TestSpace::new().study(
        "stages:\n  a:\n    use: shell\n    matrix: { i: [x, y] }\n    needs: [\"b[i=x]\"]\n    \
         with: { run: [\"${{ matrix.i }}\"], outputs: { o: o } }\n  \
         b: { use: shell, matrix: { i: [x] }, with: { run: [\"${{ matrix.i }}\"], outputs: { o: o } } }\n  \
         c: { use: shell, inputs: { a: \"a[*]\" }, with: { run: [\"true\"], outputs: { o: o } } }\n",
    );
    for drawing in [Drawing::Text, Drawing::Mermaid, Drawing::Dot, Drawing::Svg] {
        assert!(draw(&study, drawing, false).contains('a'));
    }
}
