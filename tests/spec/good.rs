//! What a good pipeline file means.

use std::time::Duration;

use phytotron::spec::{Node, Pipeline, Reference, Stage, Value};

use super::Space;

/// A tree in one line.
fn flat(node: &Node) -> String {
    match &node.value {
        Value::Map(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, node)| format!("{}: {}", key.name, flat(node))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::List(items) => {
            format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(", "))
        }
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(text) => format!("{text:?}"),
    }
}

fn stage<'p>(pipeline: &'p Pipeline, id: &str) -> &'p Stage {
    let found = pipeline.stages.iter().find(|stage| stage.id.to_string() == id);
    found.unwrap_or_else(|| panic!("no stage {id} in {:?}", ids(pipeline)))
}

fn ids(pipeline: &Pipeline) -> Vec<String> {
    pipeline.stages.iter().map(|stage| stage.id.to_string()).collect()
}

/// `with` of the only stage of a pipeline with these lines under `with:`, and these parameters.
fn with(params: &str, lines: &str, given: &[&str]) -> String {
    let text = format!("params: {params}\nstages:\n  a:\n    use: search\n    with:\n{lines}\n");
    flat(&Space::new(&text).good(given).stages[0].with)
}

fn reference(reference: &Reference) -> String {
    let cells: Vec<String> = reference.cells.iter().map(ToString::to_string).collect();
    format!("{}{cells:?} {} {:?}", reference.stage, reference.gathered, reference.output)
}

#[test]
fn a_whole_pipeline_is_read() {
    let pipeline = Space::new(
        "name: demo\ndescription: a demo\nseed: 7\nparams: {trials: 20}\nstages:\n  \
         leaves: {use: dataset, with: {size: 64}, publish: true, description: made up}\n  \
         search:\n    use: search\n    inputs: {data: leaves.dataset}\n    needs: leaves\n    \
         resources: {gpu: 1, memory: 8 GiB}\n    retries: 2\n    timeout: 1h30m\n    frozen: true\n",
    )
    .good(&[]);
    assert_eq!((pipeline.name.as_str(), pipeline.seed), ("demo", 7));
    assert_eq!(pipeline.description.as_deref(), Some("a demo"));
    assert_eq!(ids(&pipeline), ["leaves", "search"]);
    let search = stage(&pipeline, "search");
    assert_eq!((search.kind.as_str(), flat(&search.with)), ("search", "{}".to_owned()));
    assert_eq!(search.inputs[0].0.name, "data");
    assert_eq!(reference(&search.inputs[0].1[0]), r#"leaves[""] false Some("dataset")"#);
    assert_eq!(reference(&search.needs[0]), r#"leaves[""] false None"#);
    let settings = &search.settings;
    assert_eq!(settings.resources["memory"], 8 << 30);
    assert_eq!((settings.retries, settings.timeout), (2, Some(Duration::from_mins(90))));
    assert!(settings.frozen && !settings.publish);
    let leaves = stage(&pipeline, "leaves");
    assert!(leaves.settings.publish);
    assert_eq!(leaves.settings.description.as_deref(), Some("made up"));
    let files: Vec<&str> = pipeline.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(files, ["pipeline.yaml"]);
}

#[test]
fn a_pipeline_without_name_is_called_like_its_file() {
    let pipeline = Space::new("stages: {a: {use: dataset}}\n").good(&[]);
    assert_eq!((pipeline.name.as_str(), pipeline.seed), ("pipeline", 0));
}

#[test]
fn an_expression_keeps_its_type_and_a_text_is_filled() {
    let params = "{n: 20, x: 0.5, t: word, l: [1, 2], m: {k: [8, 16]}, on: true}";
    let lines = "      a: ${{ params.n }}\n      b: \"${{ params.n * 2 }}\"\n      \
                 c: n is ${{ params.n }}, x is ${{ params.x }}\n      d: ${{ params.m }}\n      \
                 e: ${{ params.l + [3] }}\n      f: ${{ params.n | string }}\n      \
                 g: ${{ params.n / 8 }}\n      h: ${{ params.m.k[1] }}\n      \
                 i: '${{ {\"a\": {\"b\": params.on}} }}'\n      j: ${{ '${{' }} $HOME ${x}\n      \
                 k: ${{ params.t if params.on else none }}\n      l: ${{ params.seed | default(3) }}";
    assert_eq!(
        with(params, lines, &[]),
        r#"{a: 20, b: 40, c: "n is 20, x is 0.5", d: {k: [8, 16]}, e: [1, 2, 3], f: "20", g: 2.5, h: 16, i: {a: {b: true}}, j: "${{ $HOME ${x}", k: "word", l: 3}"#
    );
}

#[test]
fn a_parameter_chooses_among_lists_of_parameters() {
    let params =
        "{size: hour, hour: {n: 1, m: {k: [8]}}, paper: {n: 20, m: {k: [16]}}, l: [5, 6], i: 1}";
    let lines = "      a: ${{ params[params.size].n }}\n      b: ${{ params[ params.size ].m }}\n      \
                 c: ${{ params.l[params.i] }}\n      d: ${{ params[params.size].no | default(3) }}";
    assert_eq!(with(params, lines, &[]), "{a: 1, b: {k: [8]}, c: 6, d: 3}");
    assert_eq!(with(params, lines, &["size=paper"]), "{a: 20, b: {k: [16]}, c: 6, d: 3}");
}

#[test]
fn parameters_are_typed_by_their_defaults() {
    let params = "{n: 20, x: 0.5, t: word, l: [1, 2], m: {k: 8}, on: true, any: ~}";
    let lines = "      all: ${{ params }}";
    let given =
        ["n=2e1", "x=1", "t=2024", "l=[3,\"a\"]", "m.k=-1", "on=false", "any=text", "n=7", "t=a=b"];
    assert_eq!(
        with(params, lines, &given),
        r#"{all: {n: 7, x: 1, t: "a=b", l: [3, "a"], m: {k: -1}, on: false, any: "text"}}"#
    );
}

#[test]
fn expressions_see_the_pipeline_and_its_head_sees_parameters() {
    let pipeline = Space::new(
        "params: {s: 5}\nname: x\nseed: ${{ params.s }}\nstages:\n  a:\n    use: search\n    \
         with: {s: \"${{ pipeline.seed }}\", n: \"${{ pipeline.name }}\"}\n    use: search\n",
    );
    assert_eq!(pipeline.code(&[]), "spec::duplicate_key");
    let pipeline = Space::new(
        "params: {s: 5}\nname: x\nseed: ${{ params.s }}\nstages:\n  a:\n    use: search\n    \
         with: {s: \"${{ pipeline.seed }}\", n: \"${{ pipeline.name }}\"}\n",
    )
    .good(&["s=9"]);
    assert_eq!(pipeline.seed, 9);
    assert_eq!(flat(&pipeline.stages[0].with), r#"{s: 9, n: "x"}"#);
}

#[test]
fn a_matrix_gives_a_cell_for_each_choice() {
    let pipeline = Space::new(
        "params: {repeats: [1, 2]}\nstages:\n  search:\n    use: search\n    matrix:\n      \
         strategy: [ppo, random]\n      repeat: ${{ params.repeats }}\n      \
         exclude: [{strategy: random, repeat: 2}]\n      include: [{strategy: evolution, repeat: 9}]\n    \
         with: {s: \"${{ matrix.strategy }}\", seed: \"${{ matrix.repeat }}\"}\n",
    )
    .good(&[]);
    assert_eq!(
        ids(&pipeline),
        [
            "search[repeat=1,strategy=ppo]",
            "search[repeat=2,strategy=ppo]",
            "search[repeat=1,strategy=random]",
            "search[repeat=9,strategy=evolution]",
        ]
    );
    assert_eq!(flat(&pipeline.stages[1].with), r#"{s: "ppo", seed: 2}"#);
}

#[test]
fn values_of_a_matrix_may_be_maps() {
    let pipeline = Space::new(
        "stages:\n  a:\n    use: search\n    matrix:\n      net:\n        \
         - {name: small, filters: [8, 8]}\n        - {name: big, filters: [64]}\n      \
         lr: [{rate: 0.1, decay: 1e-4}, {rate: 1, decay: 0}]\n    with:\n      \
         filters: ${{ matrix.net.filters }}\n      lr: ${{ matrix.lr }}\n",
    )
    .good(&[]);
    assert_eq!(ids(&pipeline)[0], "a[lr=rate-0.1_decay-0.0001,net=small]");
    assert_eq!(ids(&pipeline)[3], "a[lr=rate-1_decay-0,net=big]");
    assert_eq!(flat(&pipeline.stages[3].with), "{filters: [64], lr: {rate: 1, decay: 0}}");
}

#[test]
fn a_key_that_only_an_input_uses_is_used() {
    let pipeline = Space::new(
        "stages:\n  a: {use: search, matrix: {r: [1, 2]}, with: {seed: \"${{ matrix.r }}\"}}\n  \
         b: {use: report, matrix: {r: [1, 2]}, inputs: {x: \"a[r=${{ matrix.r }}]\"}}\n  \
         c: {use: search, matrix: {r: [1, 2]}, with: {all: \"${{ matrix | items | list }}\"}}\n",
    )
    .good(&[]);
    assert_eq!(reference(&stage(&pipeline, "b[r=2]").inputs[0].1[0]), r#"a["r=2"] true None"#);
}

#[test]
fn references_name_stages_outputs_and_cells() {
    let pipeline = Space::new(
        "stages:\n  a: {use: dataset}\n  m:\n    use: search\n    matrix: {x: [1, 2], y: [\"p,q\", r]}\n    \
         with: {x: \"${{ matrix.x }}\", y: \"${{ matrix.y }}\"}\n  z:\n    use: report\n    inputs:\n      \
         one: a.testset\n      bare: m\n      all: m[*].trials\n      some: m[x=2]\n      \
         quoted: m[y=\"p,q\", x=1]\n      list: [a, \"m[x=1,y=r]\"]\n      single: a[*]\n      \
         none:\n    needs: [a, m]\n",
    );
    assert_eq!(pipeline.code(&[]), "spec::bad_reference");
    let text = std::fs::read_to_string(pipeline.path("pipeline.yaml")).unwrap();
    let pipeline = Space::new(&text.replace("      none:\n", "")).good(&[]);
    let z = stage(&pipeline, "z");
    let inputs: Vec<String> = z
        .inputs
        .iter()
        .map(|(key, references)| {
            let references: Vec<String> = references.iter().map(reference).collect();
            format!("{}: {}", key.name, references.join(" + "))
        })
        .collect();
    assert_eq!(
        inputs,
        [
            r#"one: a[""] false Some("testset")"#,
            r#"bare: m["x=1,y=p,q", "x=1,y=r", "x=2,y=p,q", "x=2,y=r"] false None"#,
            r#"all: m["x=1,y=p,q", "x=1,y=r", "x=2,y=p,q", "x=2,y=r"] true Some("trials")"#,
            r#"some: m["x=2,y=p,q", "x=2,y=r"] true None"#,
            r#"quoted: m["x=1,y=p,q"] true None"#,
            r#"list: a[""] false None + m["x=1,y=r"] true None"#,
            r#"single: a[""] true None"#,
        ]
    );
    assert_eq!(z.needs.len(), 2);
}

#[test]
fn a_file_extends_others() {
    let pipeline = Space::new(
        "extends: [one.yaml, two.yaml]\nparams: {b: 20}\nstages:\n  a: {with: {l: [9], gone: ~}}\n  \
         drop: ~\n  b: {use: report, with: {y: 1}}\n",
    )
    .file(
        "one.yaml",
        "name: base\nseed: 1\nparams: {a: 1, b: 2}\nstages:\n  a:\n    use: search\n    \
         with: {l: [1, 2], gone: 3, from: one, a: \"${{ params.a }}\", b: \"${{ params.b }}\"}\n  \
         drop: {use: dataset}\n  b: {use: search, with: {x: 1}, retries: 3}\n",
    )
    .file("two.yaml", "extends: three.yaml\nseed: 2\nstages: {a: {with: {from: two}}}\n")
    .file("three.yaml", "stages: {a: {with: {from: three, deep: 1}}, c: {use: dataset}}\n")
    .good(&["a=5"]);
    assert_eq!((pipeline.name.as_str(), pipeline.seed), ("pipeline", 2));
    assert_eq!(ids(&pipeline), ["a", "b", "c"]);
    assert_eq!(flat(&stage(&pipeline, "a").with), r#"{l: [9], from: "two", a: 5, b: 20, deep: 1}"#);
    let b = stage(&pipeline, "b");
    assert_eq!(
        (b.kind.as_str(), flat(&b.with), b.settings.retries),
        ("report", "{y: 1}".into(), 0)
    );
    let files: Vec<&str> = pipeline.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(files, ["pipeline.yaml", "one.yaml", "two.yaml", "three.yaml"]);
}

const PRESET: &str = "use: search\nretries: 1\ninputs: {data: leaves}\nwith:\n  \
                      strategy: {kind: ppo, clip: 0.2}\n  trials: ${{ params.trials }}\n";

#[test]
fn a_stage_uses_presets() {
    let pipeline = Space::new(
        "params: {trials: 3}\nstages:\n  leaves: {use: dataset}\n  a: {use: mine}\n  \
         b: {use: mine, with: {strategy: {kind: random}}, retries: 5}\n  \
         c: {use: mine, with: {strategy: {clip: 0.1}}}\n  d: {use: presets/other.yaml}\n  \
         e:\n    use: mine\n    matrix: {s: [ppo, random]}\n    with: {strategy: \"${{ matrix.s }}\"}\n",
    )
    .file("stages/mine.yaml", PRESET)
    .file("presets/other.yaml", "use: mine\nwith: {trials: 9, strategy: {clip: 0.5}}\n")
    .good(&[]);
    let with = |id| flat(&stage(&pipeline, id).with);
    assert_eq!(with("a"), r#"{strategy: {kind: "ppo", clip: 0.2}, trials: 3}"#);
    assert_eq!(with("b"), r#"{strategy: {kind: "random"}, trials: 3}"#);
    assert_eq!(with("c"), r#"{strategy: {kind: "ppo", clip: 0.1}, trials: 3}"#);
    assert_eq!(with("d"), r#"{strategy: {kind: "ppo", clip: 0.5}, trials: 9}"#);
    assert_eq!(with("e[s=ppo]"), r#"{strategy: {kind: "ppo", clip: 0.2}, trials: 3}"#);
    assert_eq!(with("e[s=random]"), r#"{strategy: "random", trials: 3}"#);
    let d = stage(&pipeline, "d");
    assert_eq!((d.kind.as_str(), d.settings.retries), ("search", 1));
    assert_eq!(d.presets, ["presets/other.yaml", "mine (stages/mine.yaml)"]);
    assert_eq!(stage(&pipeline, "b").settings.retries, 5);
    assert_eq!(d.inputs[0].1[0].stage, "leaves");
}

#[test]
fn values_of_a_preset_know_where_they_are_used() {
    let space =
        Space::new("params: {trials: 3}\nstages:\n  leaves: {use: dataset}\n  a: {use: mine}\n")
            .file("stages/mine.yaml", PRESET);
    let pipeline = space.good(&["trials=8"]);
    let words = |span| pipeline.sources.words(span).to_owned();
    let with = &stage(&pipeline, "a").with;
    let clip = with.get("strategy").unwrap().get("clip").unwrap();
    assert_eq!((words(clip.used.unwrap()), words(clip.span)), ("mine".into(), "0.2".into()));
    let trials = with.get("trials").unwrap();
    assert_eq!(words(trials.used.unwrap()), "${{ params.trials }}");
    assert_eq!((words(trials.span), trials.value.clone()), ("8".into(), Value::Int(8)));
}

#[test]
fn equal_cells_do_not_repeat_a_mistake() {
    let mistakes = Space::new(
        "stages:\n  a:\n    use: search\n    matrix: {r: [1, 2, 3]}\n    with: {r: \"${{ matrix.r }}\"}\n    \
         timeout: 6x\n    inputs: {x: nobody}\n",
    )
    .load(&[])
    .unwrap_err();
    assert_eq!(mistakes.list.len(), 2, "{mistakes}");
}

#[test]
fn beside_mistakes_the_good_stages_are_still_given_for_binding() {
    let space = Space::new(
        "stages:\n  a: {use: search, with: {x: 1}}\n  b: {use: search, wiht: {}}\n  \
         c: {use: search, with: {y: \"${{ params.no }}\"}}\n  d: {use: nowhere}\n  \
         e: {use: search, inputs: {x: d}}\n",
    );
    let project = phytotron::spec::Project::open(&space.path("")).unwrap();
    let file = space.path("pipeline.yaml");
    let invalid = phytotron::spec::load(&project, &file, &[], &super::KINDS).unwrap_err();
    let codes: Vec<&str> = invalid.diagnostics.iter().map(|mistake| mistake.code).collect();
    assert_eq!(codes, ["spec::unknown_key", "spec::bad_expression", "spec::unknown_kind"]);
    assert_eq!(ids(&invalid.pipeline), ["a", "b", "c", "d", "e"]);
}
