//! Tests of binding, on trees built by hand: no YAML is read here.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::bind;
use super::shape::{Shape, Shapes};
use crate::span::{Sources, Span};
use crate::spec::{Key, Node, Value};

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Study {
    /// Trials in all.
    #[schemars(range(min = 1, max = 1000))]
    trials: u64,
    #[serde(default)]
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    decay: Option<f64>,
    strategy: Strategy,
    #[serde(default)]
    fallback: Option<Strategy>,
    #[serde(default)]
    order: Order,
    #[serde(default = "three")]
    kernels: Vec<u8>,
    #[serde(default)]
    size: Option<(u32, u32)>,
    #[serde(default)]
    filters: BTreeMap<u32, u32>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    limit: Option<Limit>,
    #[serde(default)]
    retries: u8,
    #[serde(default)]
    run: Option<Run>,
    #[serde(default)]
    nested: Vec<Nested>,
    #[serde(default)]
    watch: bool,
    #[serde(default)]
    seed: i64,
}

fn three() -> Vec<u8> {
    vec![3]
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "kind")]
enum Strategy {
    /// Tabular.
    QLearning(QLearning),
    /// A struct that forgot `deny_unknown_fields`.
    Evolution(Evolution),
    Annealing {
        start: f64,
    },
    Random,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QLearning {
    steps: u32,
    #[serde(default)]
    alpha: f64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Evolution {
    #[serde(default)]
    population: u32,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// As they come.
    #[default]
    Given,
    Sorted,
    Shuffled,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nested {
    name: String,
    #[serde(default)]
    inner: Vec<Nested>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Limit(Duration);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hours = text.strip_suffix('h').and_then(|hours| hours.parse::<u64>().ok());
        let hours = hours.ok_or_else(|| de::Error::custom(format!("`{text}` is no time")))?;
        Ok(Self(Duration::from_secs(hours * 3600)))
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(untagged)]
enum Run {
    Shell(String),
    Argv(Vec<String>),
}

impl<'de> Deserialize<'de> for Run {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = Run;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text or a list")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Run, E> {
                Ok(Run::Shell(text.to_owned()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Run, A::Error> {
                let mut argv = Vec::new();
                while let Some(item) = items.next_element()? {
                    argv.push(item);
                }
                Ok(Run::Argv(argv))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Builds nodes from JSON; each value and key gets the next number as its place.
struct Planter {
    span: Span,
}

impl Planter {
    fn next(&mut self) -> Span {
        self.span.start += 1;
        self.span.end += 1;
        self.span
    }

    fn plant(&mut self, json: &serde_json::Value) -> Node {
        use serde_json::Value as Json;
        let span = self.next();
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(n) => match n.as_i64() {
                Some(n) => Value::Int(n),
                None => Value::Float(n.as_f64().unwrap()),
            },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(|item| self.plant(item)).collect()),
            Json::Object(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(name, value)| {
                        let span = self.next();
                        (Key { name: name.clone(), span }, self.plant(value))
                    })
                    .collect(),
            ),
        };
        Node { value, span, used: None }
    }
}

fn node(json: &serde_json::Value) -> Node {
    let source = Sources::default().add("test", "");
    Planter { span: Span { source, start: 0, end: 1 } }.plant(json)
}

/// Binds a study that is valid but for `changes`.
fn study(changes: &serde_json::Value) -> Result<Study, Vec<String>> {
    let mut json = serde_json::json!({"trials": 5, "strategy": {"kind": "random"}});
    for (key, value) in changes.as_object().unwrap() {
        json[key] = value.clone();
    }
    bind(&node(&json)).map_err(|mistakes| {
        mistakes
            .iter()
            .map(|m| {
                let label = &m.labels[0];
                let help = m.help.as_deref().unwrap_or("-");
                format!("{} | {} | {} | {help}", m.code, m.message, label.text)
            })
            .collect()
    })
}

macro_rules! json {
    ($($json:tt)+) => { &serde_json::json!($($json)+) };
}

#[test]
fn schemars_tag_alone_gives_an_internally_tagged_shape() {
    let shapes = Shapes::of::<Strategy>();
    let Shape::Tagged(kinds) = shapes.follow(&shapes.root) else { panic!("{:?}", shapes.root) };
    let summary: Vec<String> = kinds
        .iter()
        .map(|(name, shape)| {
            let Shape::Fields(fields) = shape else { panic!("{shape:?}") };
            let known: Vec<&str> = fields.known.iter().map(|(key, _)| key.as_str()).collect();
            let closed = fields.others.is_none();
            format!("{name} {known:?} needs {:?} closed {closed}", fields.required)
        })
        .collect();
    assert_eq!(
        summary,
        [
            r#"q_learning ["steps", "alpha"] needs ["steps"] closed true"#,
            r#"evolution ["population"] needs [] closed true"#,
            r#"annealing ["start"] needs ["start"] closed true"#,
            "random [] needs [] closed true",
        ]
    );
}

#[test]
fn enums_are_read_by_kind() {
    let strategy = |json: &serde_json::Value| study(json!({"strategy": json})).unwrap().strategy;
    assert_eq!(strategy(json!({"kind": "random"})), Strategy::Random);
    assert_eq!(strategy(json!("random")), Strategy::Random);
    assert_eq!(strategy(json!("evolution")), Strategy::Evolution(Evolution { population: 0 }));
    assert_eq!(
        strategy(json!({"steps": 2e1, "kind": "q_learning", "alpha": 1})),
        Strategy::QLearning(QLearning { steps: 20, alpha: 1.0 })
    );
    assert_eq!(
        strategy(json!({"kind": "annealing", "start": 2})),
        Strategy::Annealing { start: 2.0 }
    );
}

#[test]
fn every_form_of_value_is_read() {
    let read = study(json!({
        "trials": 1000.0, "decay": null, "fallback": {"kind": "evolution"}, "order": "sorted",
        "kernels": [1, 3], "size": [32, 64], "filters": {"1": 16, "2": 32}, "env": {"A": "b"},
        "limit": "6h", "run": ["a", "b"], "nested": [{"name": "x", "inner": [{"name": "y"}]}],
    }))
    .unwrap();
    assert_eq!((read.trials, read.decay, read.order), (1000, None, Order::Sorted));
    assert_eq!((read.kernels, read.size), (vec![1, 3], Some((32, 64))));
    assert_eq!(read.filters, BTreeMap::from([(1, 16), (2, 32)]));
    assert_eq!(read.limit, Some(Limit(Duration::from_hours(6))));
    assert_eq!(read.run, Some(Run::Argv(vec!["a".into(), "b".into()])));
    assert_eq!(read.nested[0].inner[0].name, "y");
}

#[test]
fn what_is_written_for_a_worker_is_read_back() {
    let read = study(json!({
        "strategy": {"kind": "q_learning", "steps": 3}, "size": [1, 2], "filters": {"7": 1},
    }))
    .unwrap();
    let strategy = serde_json::to_value(&read.strategy).unwrap();
    assert_eq!(strategy, serde_json::json!({"q_learning": {"steps": 3, "alpha": 0.0}}));
    assert_eq!(serde_json::from_value::<Strategy>(strategy).unwrap(), read.strategy);
}

#[test]
fn each_mistake_says_what_would_be_right() {
    let first = |changes: &serde_json::Value| study(changes).unwrap_err().remove(0);
    let cases = [
        first(json!({"trails": 1})),
        first(json!({"trials": 0})),
        first(json!({"trials": 2.5})),
        first(json!({"trials": "5"})),
        first(json!({"decay": 0})),
        first(json!({"decay": 1.5})),
        first(json!({"retries": 300})),
        first(json!({"retries": -1})),
        first(json!({"order": "sortde"})),
        first(json!({"order": 3})),
        first(json!({"size": [1]})),
        first(json!({"size": [1, "x"]})),
        first(json!({"env": {"A": 1}})),
        first(json!({"filters": {"x": 1}})),
        first(json!({"filters": [1]})),
        first(json!({"kernels": 3})),
        first(json!({"run": {"shell": "x"}})),
        first(json!({"run": ["a", 1]})),
        first(json!({"limit": "6x"})),
        first(json!({"watch": "yes"})),
        first(json!({"seed": 1e300})),
        first(json!({"nested": [{"name": "a"}, {"inner": []}]})),
    ];
    insta::assert_snapshot!(cases.join("\n"), @r#"
    spec::unknown_key | unknown key `trails` | no such key | did you mean `trials`? its keys are `trials`, `decay`, `strategy`, `fallback`, `order`, `kernels`, `size`, `filters`, `env`, `limit`, `retries`, `run`, `nested`, `watch` and `seed`
    spec::out_of_range | `trials` is 0, but must be from 1 to 1000 | must be from 1 to 1000 | -
    spec::wrong_type | `trials` must be a whole number, from 1 to 1000, not 2.5 | expected a whole number, from 1 to 1000 | -
    spec::wrong_type | `trials` must be a whole number, from 1 to 1000, not the text `5` | expected a whole number, from 1 to 1000 | take the quotes away: 5
    spec::out_of_range | `decay` is 0, but must be above 0 and at most 1 | must be above 0 and at most 1 | -
    spec::out_of_range | `decay` is 1.5, but must be above 0 and at most 1 | must be above 0 and at most 1 | -
    spec::out_of_range | `retries` is 300, but must be from 0 to 255 | must be from 0 to 255 | -
    spec::out_of_range | `retries` is -1, but must be from 0 to 255 | must be from 0 to 255 | -
    spec::unknown_word | `order` cannot be `sortde` | no such word | did you mean `sorted`? choose `sorted`, `shuffled` or `given`
    spec::wrong_type | `order` must be `sorted`, `shuffled` or `given`, not a whole number | expected `sorted`, `shuffled` or `given` | -
    spec::wrong_length | `size` has 1 item | must have 2 items | -
    spec::wrong_type | `size[1]` must be a whole number, not the text `x` | expected a whole number | -
    spec::wrong_type | `env.A` must be text, not a whole number | expected text | put it in quotes: "1"
    spec::bad_value | key `x` is no whole number that fits | here | -
    spec::wrong_type | `filters` must be a map, not a list | expected a map | -
    spec::wrong_type | `kernels` must be a list, not a whole number | expected a list | put it in brackets: `[…]`
    spec::wrong_type | `run` must be text or a list, not a map | expected text or a list | -
    spec::wrong_type | `run[1]` must be text, not a whole number | expected text | put it in quotes: "1"
    spec::bad_value | `6x` is no time | here | -
    spec::wrong_type | `watch` must be `true` or `false`, not the text `yes` | expected `true` or `false` | write `true`
    spec::out_of_range | `seed` is 1e300, but must be small enough to be exact | must be small enough to be exact | -
    spec::missing_key | `nested[1]` needs `name` | has no `name` | add `name:` with text
    "#);
}

#[test]
fn each_mistake_in_a_kind_says_what_would_be_right() {
    let first =
        |strategy: &serde_json::Value| study(json!({"strategy": strategy})).unwrap_err().remove(0);
    let cases = [
        first(json!({"kind": "randon"})),
        first(json!("qlearning")),
        first(json!("q_learning")),
        first(json!({"kind": "q_learning"})),
        first(json!({"steps": 3})),
        first(json!({"kind": 3})),
        first(json!({"kind": "random", "steps": 3})),
        first(json!({"kind": "evolution", "populatoin": 3})),
        first(json!({"kind": "q_learning", "steps": -3})),
        first(json!(7)),
        first(json!(null)),
    ];
    insta::assert_snapshot!(cases.join("\n"), @r#"
    spec::unknown_kind | `strategy` has no kind `randon` | no such kind | did you mean `random`? choose `q_learning`, `evolution`, `annealing` or `random`
    spec::unknown_kind | `strategy` has no kind `qlearning` | no such kind | did you mean `q_learning`? choose `q_learning`, `evolution`, `annealing` or `random`
    spec::missing_key | `q_learning` needs `steps` | has no `steps` | add `steps:` with a whole number
    spec::missing_key | `q_learning` needs `steps` | has no `steps` | add `steps:` with a whole number
    spec::missing_key | `strategy` needs `kind` | has no `kind` | add `kind:` with `q_learning`, `evolution`, `annealing` or `random`
    spec::wrong_type | `strategy` must be `q_learning`, `evolution`, `annealing` or `random`, not a whole number | expected `q_learning`, `evolution`, `annealing` or `random` | -
    spec::unknown_key | unknown key `steps` of `random` | no such key | `steps` is a key of kind `q_learning`; no key may stand here
    spec::unknown_key | unknown key `populatoin` of `evolution` | no such key | did you mean `population`? its keys are `population`
    spec::out_of_range | `strategy.steps` is -3, but must be at least 0 | must be at least 0 | -
    spec::wrong_type | `strategy` must be a map with `kind`: `q_learning`, `evolution`, `annealing` or `random`, not a whole number | expected a map with `kind`: `q_learning`, `evolution`, `annealing` or `random` | -
    spec::wrong_type | `strategy` must be a map with `kind`: `q_learning`, `evolution`, `annealing` or `random`, not nothing | expected a map with `kind`: `q_learning`, `evolution`, `annealing` or `random` | give it a value, or take the key out
    "#);
}

#[test]
fn all_mistakes_are_found_at_once_in_the_order_of_the_file() {
    let mistakes = bind::<Study>(&node(json!({
        "trials": 0, "strategy": {"kind": "q_learning", "step": 1}, "kernels": [1, "x", 900],
        "extra": 1,
    })))
    .unwrap_err();
    let codes: Vec<&str> = mistakes.iter().map(|m| m.code).collect();
    assert_eq!(
        codes,
        [
            "spec::out_of_range",
            "spec::unknown_key",
            "spec::missing_key",
            "spec::wrong_type",
            "spec::out_of_range",
            "spec::unknown_key",
        ]
    );
}

#[test]
fn a_mistake_in_a_preset_stands_at_its_use_and_in_the_preset() {
    let mut sources = Sources::default();
    let (file, preset) = (sources.add("a.yaml", ""), sources.add("preset", ""));
    let used = Span { source: file, start: 5, end: 9 };
    let span = Span { source: preset, start: 2, end: 3 };
    let mut tree = node(json!({"trials": 1, "strategy": "random"}));
    let Value::Map(entries) = &mut tree.value else { unreachable!() };
    entries[0].1 = Node { value: Value::Text("many".into()), span, used: Some(used) };
    let mistakes = bind::<Study>(&tree).unwrap_err();
    let places: Vec<Span> = mistakes[0].labels.iter().map(|label| label.span).collect();
    assert_eq!(places, [used, span]);
}

#[test]
#[should_panic(expected = "BUG: an enum with content lacks")]
fn an_enum_without_its_tag_is_found_by_the_first_test_that_binds_it() {
    #[derive(Debug, Deserialize, JsonSchema)]
    enum Untagged {
        #[expect(dead_code, reason = "only its schema matters")]
        A(QLearning),
        #[expect(dead_code, reason = "only its schema matters")]
        B(Evolution),
    }
    let _ = bind::<Untagged>(&node(json!({"A": {"steps": 1}})));
}
