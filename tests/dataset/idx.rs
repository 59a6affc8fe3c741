//! IDX files: the MNIST family, whole and broken.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};

use super::project::Project;

/// An IDX file of bytes.
pub(crate) fn idx(sizes: &[u32], content: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, u8::try_from(sizes.len()).unwrap()];
    for size in sizes {
        file.extend(size.to_be_bytes());
    }
    file.extend(content);
    file
}

pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `images` pictures of 3 x 2 whose first byte is their number, of `classes` classes by turns.
pub(crate) fn write_pair(project: &Project, part: &str, images: u8, classes: u8) {
    let pixels: Vec<u8> = (0..images).flat_map(|i| [i, 1, 2, 3, 4, 5]).collect();
    let labels: Vec<u8> = (0..images).map(|i| i % classes).collect();
    project.write(&format!("{part}-images"), idx(&[u32::from(images), 3, 2], &pixels));
    project.write(&format!("{part}-labels"), idx(&[u32::from(images)], &labels));
}

fn train_only() -> Json {
    json!({ "source": { "kind": "idx", "images": "train-images", "labels": "train-labels" } })
}

pub(crate) fn with_test() -> Json {
    json!({ "source": {
        "kind": "idx",
        "images": "train-images",
        "labels": "train-labels",
        "test_images": "test-images",
        "test_labels": "test-labels",
    } })
}

fn project() -> Project {
    let project = Project::new();
    write_pair(&project, "train", 40, 4);
    write_pair(&project, "test", 8, 4);
    project
}

#[test]
fn a_given_test_part_is_the_test_set() {
    let outputs = project().run(&with_test()).unwrap();
    let (dataset, testset) = (outputs.dataset(), outputs.testset());
    assert_eq!((dataset.training.len(), dataset.validation.len()), (34, 6));
    assert_eq!(testset.images.labels, [0, 1, 2, 3, 0, 1, 2, 3]);
    assert_eq!(testset.images.image(5), [5, 1, 2, 3, 4, 5]);
    assert_eq!((testset.images.shape.height, testset.images.shape.width), (3, 2));
    assert_eq!(testset.card.classes, ["0", "1", "2", "3"]);
    let mut numbers: Vec<u8> =
        dataset.training_and_validation().pixels.chunks(6).map(|image| image[0]).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..40).collect::<Vec<u8>>());
}

#[test]
fn without_a_test_part_one_is_split_off() {
    let outputs = project().run(&train_only()).unwrap();
    assert_eq!(outputs.dataset().training.len(), 28);
    assert_eq!(outputs.testset().images.len(), 6);
}

#[test]
fn some_of_the_test_part_is_stratified() {
    let mut with = with_test();
    with["split"] = json!({ "test": 4 });
    let mut labels = project().run(&with).unwrap().testset().images.labels;
    labels.sort_unstable();
    assert_eq!(labels, [0, 1, 2, 3]);
    with["split"] = json!({ "test": 9 });
    let error = project().failure(&with);
    assert_eq!(error, "`split.test` asks for 9 images and the source's test part has 8");
    with["split"] = json!({ "test": 3 });
    assert!(project().failure(&with).contains("would have no test image"));
}

#[test]
fn gzipped_files_are_the_same_files() {
    let plain = project();
    let packed = project();
    for file in ["train-images", "train-labels", "test-images", "test-labels"] {
        let bytes = std::fs::read(packed.path(file)).unwrap();
        packed.write(file, gzipped(&bytes));
    }
    let digest = |project: &Project| project.run(&with_test()).unwrap().digest();
    assert_eq!(digest(&plain), digest(&packed));
}

#[test]
fn class_names_are_taken_when_given() {
    let mut with = train_only();
    with["source"]["classes"] = json!(["a", "b", "c", "d"]);
    assert_eq!(project().run(&with).unwrap().dataset().card.classes, ["a", "b", "c", "d"]);
    with["source"]["classes"] = json!(["a", "b", "c", "d", "e"]);
    assert_eq!(project().failure(&with), "class `e` has no image: remove it, or add images");
    with["source"]["classes"] = json!(["a", "b", "c"]);
    let error = project().failure(&with);
    assert_eq!(error, "`train-labels` has label 3 at image 3, but there are 3 classes");
}

#[test]
fn broken_files_say_what_is_wrong() {
    let images = idx(&[2, 1, 1], &[1, 2]);
    let cases: [(&str, Vec<u8>, &str); 10] = [
        ("train-images", b"GIF89a".to_vec(), "`train-images` is not an IDX file"),
        ("train-images", vec![0, 0], "`train-images` is cut off"),
        ("train-images", idx(&[40, 3, 2], &[0; 239]), "is cut off: 239 of 240 bytes are there"),
        ("train-images", idx(&[40, 3, 2], &[0; 241]), "goes on after its 240 bytes"),
        ("train-images", idx(&[40], &[0; 40]), "are images and labels swapped?"),
        ("train-images", [&[0, 0, 13, 3], &images[4..]].concat(), "numbers other than bytes"),
        ("train-images", gzipped(&images)[..20].to_vec(), "`train-images` is cut off"),
        ("train-images", idx(&[u32::MAX, 4000, 4000], &[]), "would take more than 8.0 GiB"),
        ("train-images", idx(&[40, 0, 2], &[]), "has images of 0 x 2 pixels"),
        ("train-labels", idx(&[39], &[0; 39]), "has 39 labels but `train-images` has 40 images"),
    ];
    for (file, bytes, said) in cases {
        let project = project();
        project.write(file, bytes);
        let error = project.failure(&with_test());
        assert!(error.contains(said), "wanted `{said}`, got `{error}`");
    }
}

#[test]
fn a_flipped_bit_in_a_gzip_file_is_noticed() {
    let project = project();
    let mut packed = gzipped(&std::fs::read(project.path("train-images")).unwrap());
    let place = packed.len() - 6;
    packed[place] ^= 1;
    project.write("train-images", packed);
    assert!(project.failure(&train_only()).contains("cannot be unpacked"));
}

#[test]
fn a_missing_file_is_named() {
    let project = project();
    std::fs::remove_file(project.path("test-labels")).unwrap();
    assert_eq!(project.failure(&with_test()), "the project has no file `test-labels`");
}

#[test]
fn one_class_is_none_to_tell_apart() {
    let project = Project::new();
    write_pair(&project, "train", 10, 1);
    assert_eq!(
        project.failure(&train_only()),
        "the number of classes is 1 and must be 2 to 65,535"
    );
}
