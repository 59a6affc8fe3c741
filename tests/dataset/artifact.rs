//! Artifacts: what is written is read back, and what breaks the format is refused by name.

use std::fs;
use std::path::Path;

use phytotron::artifact::ArtifactType;
use phytotron::dataset::{
    CARD_FILE, Card, Dataset, FORMAT, Fit, IMAGES_FILE, INDEX_FILE, Images, Testset, validate,
};
use phytotron::net::Shape;
use tempfile::TempDir;

const SHAPE: Shape = Shape { channels: 3, height: 2, width: 2 };

fn images(labels: &[u16]) -> Images {
    let pixels =
        (0_u8..=250).map(|i| i.wrapping_mul(37)).cycle().take(labels.len() * SHAPE.len()).collect();
    Images { pixels, labels: labels.to_vec(), shape: SHAPE }
}

fn card(images: &Images) -> Card {
    let (mean, deviation) = images.statistics();
    Card {
        format: FORMAT,
        source: "made up".to_owned(),
        synthetic: true,
        image: SHAPE,
        classes: vec!["a".to_owned(), "b, c".to_owned()],
        mean,
        deviation,
        fit: Fit::Crop,
        broken: vec![("x.png".to_owned(), "empty file".to_owned())],
    }
}

fn dataset() -> Dataset {
    let training = images(&[0, 1, 0, 1]);
    Dataset { card: card(&training), validation: images(&[1, 0]), training }
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{i}.png")).collect()
}

fn written() -> TempDir {
    let dir = TempDir::new().unwrap();
    dataset().write(dir.path(), &names(6)).unwrap();
    dir
}

fn edit(dir: &Path, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(dir.join(file)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(dir.join(file), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_dataset_round_trips_with_the_same_bytes() {
    let (first, second) = (written(), written());
    assert_eq!(Dataset::open(first.path()).unwrap(), dataset());
    for file in [CARD_FILE, IMAGES_FILE, INDEX_FILE] {
        let read = |dir: &TempDir| fs::read(dir.path().join(file)).unwrap();
        assert_eq!(read(&first), read(&second), "{file}");
    }
}

#[test]
fn a_test_set_round_trips_and_is_no_dataset() {
    let dir = TempDir::new().unwrap();
    let images = images(&[1, 0, 1]);
    let card = Card { mean: Vec::new(), deviation: Vec::new(), ..card(&images) };
    let testset = Testset { card, images };
    testset.write(dir.path(), &names(3)).unwrap();
    assert_eq!(Testset::open(dir.path()).unwrap(), testset);
    validate(ArtifactType::Testset, dir.path()).unwrap();
    let error = validate(ArtifactType::Dataset, dir.path()).unwrap_err();
    assert!(error.to_string().contains("a `testset` artifact of their own"), "{error}");
    assert!(validate(ArtifactType::Testset, written().path()).is_err());
}

#[test]
fn a_script_needs_only_three_facts_and_any_order() {
    let dir = TempDir::new().unwrap();
    let training = images(&[0, 0, 0, 1, 1, 1]);
    let sorted = Dataset { card: card(&training), validation: images(&[0, 1]), training };
    sorted.write(dir.path(), &names(8)).unwrap();
    let text = r#"{"format": 1, "image": {"channels": 3, "height": 2, "width": 2},
                   "classes": ["a", "b, c"]}"#;
    fs::write(dir.path().join(CARD_FILE), text).unwrap();
    let read = Dataset::open(dir.path()).unwrap();
    assert_eq!(read.training.labels, [0, 1, 0, 1, 0, 1]);
    assert_eq!(read.training.image(1), sorted.training.image(3));
    assert_eq!((read.card.mean, read.card.deviation), sorted.training.statistics());
}

#[test]
fn fractions_are_prefixes_and_finals_get_everything() {
    let dataset = dataset();
    assert_eq!(dataset.training_fraction(0.5), dataset.training.prefix(2));
    assert_eq!(dataset.training_fraction(0.6).len(), 2);
    assert_eq!(dataset.training_fraction(0.63).len(), 3);
    assert_eq!(dataset.training_fraction(1.0), dataset.training);
    let all = dataset.training_and_validation();
    assert_eq!(all.labels, [0, 1, 0, 1, 1, 0]);
    assert_eq!(all.image(4), dataset.validation.image(0));
}

#[test]
fn statistics_are_exact_and_safe_to_divide_by() {
    let shape = Shape { channels: 2, height: 1, width: 2 };
    let images = Images { pixels: vec![0, 9, 255, 9], labels: vec![0], shape };
    assert_eq!(images.statistics(), (vec![127.5, 9.0], vec![127.5, 1.0]));
}

#[test]
fn whatever_breaks_the_format_is_named() {
    type Damage = fn(&Path);
    let cases: [(Damage, &str); 12] = [
        (|dir| fs::remove_file(dir.join(INDEX_FILE)).unwrap(), "cannot read `"),
        (|dir| fs::write(dir.join(INDEX_FILE), "").unwrap(), "`index.csv` is empty"),
        (|dir| edit(dir, INDEX_FILE, "label,", "number,"), "must begin with the line"),
        (|dir| edit(dir, INDEX_FILE, "0,a", "2,a"), "line 2: label `2` is not a class number"),
        (|dir| edit(dir, INDEX_FILE, "0,a", "0,b"), "label 0 is class `a`, not `b`"),
        (|dir| edit(dir, INDEX_FILE, "training", "train"), "split `train` is not"),
        (|dir| edit(dir, INDEX_FILE, "0,a,training,0.png\n", ""), "`images.npy` has shape"),
        (|dir| edit(dir, CARD_FILE, "\"format\": 1", "\"format\": 2"), "has format 2"),
        (|dir| edit(dir, CARD_FILE, "\"width\": 2", "\"width\": 3"), "`images.npy` has shape"),
        (|dir| edit(dir, CARD_FILE, "\"b, c\"", "\"b\""), "is class `b`, not `b, c`"),
        (|dir| edit(dir, CARD_FILE, "\"mean\": [", "\"mean\": [ 300,"), "needs `mean`"),
        (|dir| fs::write(dir.join(IMAGES_FILE), "pixels").unwrap(), "ends inside its header"),
    ];
    for (damage, said) in cases {
        let dir = written();
        damage(dir.path());
        let error = validate(ArtifactType::Dataset, dir.path()).unwrap_err().to_string();
        assert!(error.contains(said), "wanted `{said}`, got `{error}`");
    }
}

#[test]
fn a_lost_byte_is_noticed() {
    let dir = written();
    let path = dir.path().join(IMAGES_FILE);
    let pixels = fs::read(&path).unwrap();
    fs::write(&path, &pixels[..pixels.len() - 1]).unwrap();
    let error = Dataset::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("says shape [6, 2, 2, 3] but holds 71 bytes"), "{error}");
}
