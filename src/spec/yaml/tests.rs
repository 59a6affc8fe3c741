//! Tests of reading YAML.

use std::fmt::Write;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::span::Sources;

fn read(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    let source = Sources::default().add("test.yaml", text);
    let mut mistakes = Vec::new();
    (parse(source, text, &mut mistakes), mistakes)
}

fn good(text: &str) -> Node {
    let (node, mistakes) = read(text);
    assert_eq!(mistakes, []);
    node.expect("valid YAML")
}

/// The tree in one line, for comparing without spans.
fn flat(node: &Node) -> String {
    match &node.value {
        Value::List(items) => {
            format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(", "))
        }
        Value::Map(entries) => {
            let entry = |(key, value): &(Key, Node)| format!("{:?}: {}", key.name, flat(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        value => format!("{value:?}"),
    }
}

/// Each mistake as `code at words`.
fn mistakes(text: &str) -> Vec<String> {
    let mut sources = Sources::default();
    let source = sources.add("test.yaml", text);
    let mut list = Vec::new();
    parse(source, text, &mut list);
    list.iter()
        .map(|mistake| {
            let labels: Vec<&str> =
                mistake.labels.iter().map(|label| sources.words(label.span)).collect();
            format!("{} at {labels:?}", mistake.code)
        })
        .collect()
}

#[test]
fn every_value_and_key_has_the_span_of_its_words() {
    let text = "ä: {b: [1, 'x y'], c: }\nlist:\n  - |\n    two\n    lines\n  - k: v  # c\nend: z\n";
    let mut words = Vec::new();
    collect(&good(text), text, &mut words);
    assert_eq!(
        words,
        [
            "ä",
            "{b: [1, 'x y'], c: }",
            "b",
            "[1, 'x y']",
            "1",
            "'x y'",
            "c",
            "",
            "list",
            "- |\n    two\n    lines\n  - k: v",
            "two\n    lines",
            "k: v",
            "k",
            "v",
            "end",
            "z",
        ]
    );
}

/// The words of every value and key below `node`, in their order.
fn collect<'t>(node: &Node, text: &'t str, words: &mut Vec<&'t str>) {
    match &node.value {
        Value::List(items) => {
            for item in items {
                words.push(&text[item.span.range()]);
                collect(item, text, words);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                words.push(&text[key.span.range()]);
                words.push(&text[value.span.range()]);
                collect(value, text, words);
            }
        }
        _ => {}
    }
}

#[test]
fn quoted_words_are_text() {
    let node = good("a: 1\nb: \"1\"\nc: 'true'\nd: !!str 2\ne: !!float 3\nf: |\n  1\n");
    let flat = flat(&node);
    assert_eq!(
        flat,
        r#"{"a": Int(1), "b": Text("1"), "c": Text("true"), "d": Text("2"), "e": Int(3), "f": Text("1\n")}"#
    );
}

#[test]
fn aliases_and_merges_give_copies_that_know_their_use() {
    let text = "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nalso: *b\n";
    let node = good(text);
    let merged = node.get("use").unwrap();
    assert_eq!(flat(merged), r#"{"y": Int(3), "x": Int(1)}"#);
    let x = merged.get("x").unwrap();
    assert_eq!(&text[x.span.range()], "1");
    assert_eq!(&text[x.used.unwrap().range()], "*b");
}

#[test]
fn an_empty_file_is_nothing() {
    assert_eq!(good("").value, Value::Null);
    assert_eq!(good("# only a comment\n").value, Value::Null);
    assert_eq!(flat(&good("\u{feff}a: 1")), r#"{"a": Int(1)}"#);
}

#[test]
fn mistakes_have_their_place() {
    assert_eq!(mistakes("a: 1\nb: 2\na: 3\n"), [r#"spec::duplicate_key at ["a", "a"]"#]);
    assert_eq!(
        mistakes("stages:\n  a: {}\n  a: {}\n  b: {x: 1, x: 2}\n"),
        [r#"spec::duplicate_key at ["x", "x"]"#, r#"spec::duplicate_stage at ["a", "a"]"#]
    );
    assert_eq!(mistakes("? [a]\n: 1\n"), [r#"spec::bad_key at ["[a]"]"#]);
    assert_eq!(mistakes("a: !secret x\n"), [r#"spec::unknown_tag at ["x"]"#]);
    assert_eq!(mistakes("a: 1\n---\nb: 1\n"), [r#"spec::several_documents at ["---"]"#]);
    assert_eq!(mistakes("a:\n\tb: 1\n"), [r#"spec::tab at ["b"]"#]);
    assert_eq!(mistakes("a: &x [*x]\n"), [r#"spec::bad_alias at ["*x"]"#]);
    assert_eq!(mistakes("a: {<<: 3}\n"), [r#"spec::bad_merge at ["3"]"#]);
    assert_eq!(mistakes("a: [1, 2\nb: 3\n"), [r#"spec::syntax at [":"]"#]);
    assert_eq!(
        mistakes("with: {a: ${{ x }}, b: 1}\n"),
        [r#"spec::unquoted_expression at ["${{ x }}"]"#]
    );
    assert_eq!(
        mistakes("in: {a: search[*].trials}\n"),
        [r#"spec::unquoted_selection at ["search[*].trials"]"#]
    );
}

#[test]
fn quoting_is_shown_on_the_line_itself() {
    let help = |text| read(text).1[0].help.clone().unwrap();
    assert_eq!(help("a:\n  with: {a: ${{ x }}, b: 1}\n"), r#"write: with: {a: "${{ x }}", b: 1}"#);
    assert_eq!(help("a: ${{ {'k': {'l': 1}} }}\n"), r#"write: a: "${{ {'k': {'l': 1}} }}""#);
    assert_eq!(help("with: [${{ x[\"y\"] }}]"), r#"write: with: ['${{ x["y"] }}']"#);
}

#[test]
fn bombs_of_aliases_end_soon_and_small() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        writeln!(text, "a{level}: &a{level} [{}]", vec![alias; 9].join(", ")).unwrap();
    }
    let started = Instant::now();
    assert!(mistakes(&text)[0].starts_with("spec::too_many_values"));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 5000].join(", "));
    assert!(mistakes(&long)[0].starts_with("spec::too_many_values"));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    for text in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000)] {
        assert!(mistakes(&text)[0].starts_with("spec::syntax"), "{:?}", &text[..4]);
    }
}

fn trees() -> impl Strategy<Value = serde_yaml::Value> {
    use serde_yaml::Value as Yaml;
    let leaf = prop_oneof![
        Just(Yaml::Null),
        any::<bool>().prop_map(Yaml::from),
        any::<i64>().prop_map(Yaml::from),
        any::<f64>().prop_filter("NaN equals nothing", |x| !x.is_nan()).prop_map(Yaml::from),
        // Lines end at these in YAML 1.1, whose rules the writer follows and YAML 1.2's the reader.
        "\\PC{0,12}"
            .prop_filter("no line", |text| !text.contains(['\u{85}', '\u{2028}', '\u{2029}']))
            .prop_map(Yaml::from),
        "[-~.0-9a-z:# '\"\n\t${}\\[\\]*&!|>]{0,12}".prop_map(Yaml::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Yaml::Sequence),
            prop::collection::btree_map("[a-z ~:]{0,8}", inner, 0..6).prop_map(|map| {
                Yaml::Mapping(map.into_iter().map(|(k, v)| (Yaml::from(k), v)).collect())
            }),
        ]
    })
}

fn node_of(yaml: &serde_yaml::Value) -> Node {
    use serde_yaml::Value as Yaml;
    let value = match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(*value),
        Yaml::Number(n) => n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap()), Value::Int),
        Yaml::String(text) => Value::Text(text.clone()),
        Yaml::Sequence(items) => Value::List(items.iter().map(node_of).collect()),
        Yaml::Mapping(map) => Value::Map(
            map.iter()
                .map(|(key, value)| {
                    let span = Sources::default().add("", "");
                    let span = Span { source: span, start: 0, end: 0 };
                    (Key { name: key.as_str().unwrap().to_owned(), span }, node_of(value))
                })
                .collect(),
        ),
        Yaml::Tagged(_) => unreachable!("no tags are made"),
    };
    let source = Sources::default().add("", "");
    Node { value, span: Span { source, start: 0, end: 0 }, used: None }
}

proptest! {
    #[test]
    fn a_tree_written_as_yaml_is_read_back(tree in trees()) {
        let text = serde_yaml::to_string(&tree).unwrap();
        let (node, mistakes) = read(&text);
        prop_assert!(mistakes.is_empty(), "{mistakes:?}\n{text}");
        prop_assert_eq!(flat(&node.unwrap()), flat(&node_of(&tree)), "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[-a-c:\\[\\]{},&*!|>'\"# \n\t%@`$?~<]{0,60}") {
        let _ = read(&text);
    }
}
