//! Folders of classes: what is read, what is refused, what is named.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use phytotron::dataset::read_image;
use phytotron::event::Event;
use serde_json::{Value as Json, json};

use super::project::Project;

pub(crate) fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A PNG of one colour.
pub(crate) fn png(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    let image = RgbImage::from_pixel(width, height, Rgb(colour));
    encoded(&DynamicImage::ImageRgb8(image), ImageFormat::Png)
}

fn with(source: &Json) -> Json {
    let mut with = json!({ "source": { "kind": "folder", "path": "plants" }, "resize": 4 });
    for (key, value) in source.as_object().unwrap() {
        with["source"][key] = value.clone();
    }
    with
}

/// Two classes of ten images, with all that people leave beside them.
pub(crate) fn project() -> Project {
    let project = Project::new();
    for i in 0..10 {
        project.write(&format!("plants/oak/oak{}_{i}.png", i / 2), png(4, 4, [i, 0, 0]));
        project.write(&format!("plants/fir/fir{}_{i}.png", i / 2), png(4, 4, [i, 255, 0]));
    }
    project.write("plants/README.md", "ours");
    project.write("plants/oak/.DS_Store", "mac");
    project.write("plants/oak/Thumbs.db", "windows");
    project
}

#[test]
fn classes_are_folders_in_byte_order() {
    let outputs = project().run(&with(&json!({}))).unwrap();
    let dataset = outputs.dataset();
    assert_eq!(dataset.card.classes, ["fir", "oak"]);
    assert_eq!((dataset.training.len(), dataset.validation.len()), (14, 3));
    assert_eq!(outputs.testset().images.len(), 3);
    assert!(dataset.card.broken.is_empty());
    for i in 0..dataset.training.len() {
        let is_fir = dataset.training.image(i)[1] == 255;
        assert_eq!(dataset.training.labels[i], u16::from(!is_fir));
    }
    let mut names =
        [outputs.names("dataset", "training"), outputs.names("dataset", "validation")].concat();
    names.extend(outputs.names("test", "test"));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 20);
}

#[test]
fn a_broken_image_is_refused_by_name() {
    let whole = png(4, 4, [1, 2, 3]);
    let jpeg = encoded(
        &DynamicImage::ImageRgb8(RgbImage::from_fn(64, 64, |x, y| {
            Rgb((x * y * 9).to_le_bytes()[..3].try_into().unwrap())
        })),
        ImageFormat::Jpeg,
    );
    let cases: [(&str, &[u8], &str); 6] = [
        ("cut.png", &whole[..whole.len() / 2], "damaged"),
        ("cut.jpg", &jpeg[..jpeg.len() * 3 / 4], "damaged: it is cut off"),
        ("empty.png", b"", "empty file"),
        ("text.png", b"not an image at all", "not a PNG or JPEG image: by its first bytes"),
        ("notes.txt", b"remember", "not a PNG or JPEG image: by its name"),
        ("photo.webp", b"RIFF", "not a PNG or JPEG image: by its name"),
    ];
    for (name, bytes, reason) in cases {
        let project = project();
        project.write(&format!("plants/oak/{name}"), bytes);
        let error = project.failure(&with(&json!({})));
        assert!(error.starts_with("1 of 21 images cannot be read: `oak/"), "{error}");
        assert!(error.contains(&format!("`oak/{name}` ({reason}")), "{error}");
        assert!(error.contains("broken: skip"), "{error}");
    }
}

#[test]
fn a_whole_jpeg_is_fine_whatever_its_name() {
    let project = project();
    let image = DynamicImage::ImageRgb8(RgbImage::from_pixel(8, 8, Rgb([200, 100, 50])));
    project.write("plants/oak/renamed.png", encoded(&image, ImageFormat::Jpeg));
    assert_eq!(project.run(&with(&json!({}))).unwrap().dataset().card.broken, []);
}

/// What a trained network is shown later is what it would have been trained on.
#[test]
fn a_single_image_is_read_as_the_dataset_reads_it() {
    let project = project();
    let grain =
        |x: u32, y: u32| Rgb(((x * 31 + y * 57) % 251).to_le_bytes()[..3].try_into().unwrap());
    for (class, sides) in [("oak", (23, 17)), ("fir", (9, 40))] {
        let image = DynamicImage::ImageRgb8(RgbImage::from_fn(sides.0, sides.1, grain));
        project.write(&format!("plants/{class}/odd.png"), encoded(&image, ImageFormat::Png));
    }
    for (fit, grayscale) in [("stretch", false), ("crop", true)] {
        let mut with = with(&json!({}));
        with["fit"] = json!(fit);
        with["grayscale"] = json!(grayscale);
        let outputs = project.run(&with).unwrap();
        let dataset = outputs.dataset();
        assert_eq!(serde_json::to_value(dataset.card.fit).unwrap(), fit);
        for (part, images) in [("training", &dataset.training), ("validation", &dataset.validation)]
        {
            for (place, name) in outputs.names("dataset", part).iter().enumerate() {
                let path = project.path(&format!("plants/{name}"));
                let found = read_image(&path, dataset.card.image, dataset.card.fit).unwrap();
                assert_eq!(found, images.image(place), "{name}, {fit}");
            }
        }
    }
}

#[test]
fn many_broken_images_are_counted() {
    let project = project();
    for i in 0..5 {
        project.write(&format!("plants/fir/x{i}.png"), "");
    }
    let error = project.failure(&with(&json!({})));
    assert!(error.starts_with("5 of 25 images cannot be read"), "{error}");
    assert!(error.contains("and 2 more"), "{error}");
}

#[test]
fn skipped_images_are_named_in_the_card_and_counted() {
    let project = project();
    project.write("plants/oak/empty.png", "");
    project.write("plants/fir/text.jpg", "no");
    let outputs = project.run(&with(&json!({ "broken": "skip" }))).unwrap();
    let mut broken = outputs.dataset().card.broken;
    broken.extend(outputs.testset().card.broken);
    broken.sort();
    let pair = |name: &str, reason: &str| (name.to_owned(), reason.to_owned());
    let expected =
        [pair("fir/text.jpg", "not a PNG or JPEG image"), pair("oak/empty.png", "empty file")];
    assert_eq!(broken, expected);
    assert!((outputs.outcome.metrics["broken"] - 2.0).abs() < 1e-9);
    assert!((outputs.outcome.metrics["images"] - 20.0).abs() < 1e-9);
    let warned = |event: &Event| matches!(event, Event::Warning { text, .. } if text.starts_with("2 images could not be read"));
    assert!(outputs.events.iter().any(warned));
}

#[test]
fn a_class_emptied_by_skipping_is_refused() {
    let project = Project::new();
    for i in 0..10 {
        project.write(&format!("plants/oak/{i}.png"), png(4, 4, [i, 0, 0]));
        project.write(&format!("plants/fir/{i}.png"), "");
    }
    let error = project.failure(&with(&json!({ "broken": "skip" })));
    assert!(error.starts_with("class `fir` would have no training image"), "{error}");
}

#[test]
fn folders_in_the_wrong_place_are_explained() {
    let cases: [(&str, &str); 3] = [
        ("plants/oak/old/a.png", "class `oak` has a folder `old` inside"),
        ("plants/a.png", "image `a.png` lies in no class"),
        ("plants/.hidden/a.png", ""),
    ];
    for (path, said) in cases {
        let project = project();
        project.write(path, png(4, 4, [0; 3]));
        if said.is_empty() {
            project.run(&with(&json!({}))).unwrap();
        } else {
            let error = project.failure(&with(&json!({})));
            assert!(error.starts_with(said), "{error}");
        }
    }
}

#[test]
fn an_empty_class_is_named() {
    let project = project();
    std::fs::create_dir(project.path("plants/yew")).unwrap();
    let error = project.failure(&with(&json!({})));
    assert_eq!(error, "class `yew` has no image: remove it, or add images");
}

#[test]
fn one_class_only_is_refused() {
    let project = Project::new();
    project.write("plants/oak/a.png", png(4, 4, [0; 3]));
    let error = project.failure(&with(&json!({})));
    assert_eq!(error, "the number of classes is 1 and must be 2 to 65,535");
}

#[test]
fn images_of_other_sizes_need_resize() {
    let project = project();
    project.write("plants/oak/wide.png", png(8, 4, [0; 3]));
    let mut with = with(&json!({}));
    with.as_object_mut().unwrap().remove("resize");
    let error = project.failure(&with);
    assert!(error.contains("8 x 4") && error.contains("4 x 4"), "{error}");
    assert!(error.ends_with("set `resize` to give all images one size"), "{error}");
}

#[test]
fn cropping_keeps_the_middle_and_stretching_the_whole() {
    let project = Project::new();
    let striped =
        RgbImage::from_fn(
            12,
            4,
            |x, _| if (4..8).contains(&x) { Rgb([200; 3]) } else { Rgb([0; 3]) },
        );
    for class in ["a", "b"] {
        for i in 0..4 {
            let bytes = encoded(&DynamicImage::ImageRgb8(striped.clone()), ImageFormat::Png);
            project.write(&format!("plants/{class}/{i}.png"), bytes);
        }
    }
    let mut with = with(&json!({}));
    with["split"] = json!({ "validation": 2, "test": 2 });
    with["grayscale"] = json!(true);
    with["fit"] = json!("crop");
    let cropped = project.run(&with).unwrap().dataset();
    assert_eq!(cropped.training.image(0), [200; 16]);
    assert_eq!(cropped.card.image.channels, 1);
    with["fit"] = json!("stretch");
    let stretched = project.run(&with).unwrap().dataset();
    let row = &stretched.training.image(0)[..4];
    assert!(row[0] < row[1] && row[1] == row[2] && row[3] == row[0], "{row:?}");
}

#[test]
fn a_photograph_is_turned_as_its_camera_says() {
    let project = Project::new();
    for class in ["a", "b"] {
        for i in 0..4 {
            project.write(&format!("plants/{class}/{i}.png"), png(16, 8, [i; 3]));
        }
    }
    let tall = DynamicImage::ImageRgb8(RgbImage::from_pixel(8, 16, Rgb([50, 60, 70])));
    let jpeg = encoded(&tall, ImageFormat::Jpeg);
    // A segment with one entry: orientation (0x0112) is 6, a quarter turn to the right.
    let exif =
        b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    project.write("plants/a/photo.jpg", [&jpeg[..2], exif, &jpeg[2..]].concat());
    let with = json!({
        "source": { "kind": "folder", "path": "plants" },
        "split": { "validation": 2, "test": 2 },
    });
    let image = project.run(&with).unwrap().dataset().card.image;
    assert_eq!((image.width, image.height), (16, 8));
}

#[test]
fn transparency_lies_on_white() {
    let project = Project::new();
    let clear = RgbaImage::from_pixel(4, 4, Rgba([0, 0, 0, 0]));
    for class in ["a", "b"] {
        for i in 0..4 {
            let bytes = encoded(&DynamicImage::ImageRgba8(clear.clone()), ImageFormat::Png);
            project.write(&format!("plants/{class}/{i}.png"), bytes);
        }
    }
    let mut with = with(&json!({}));
    with["split"] = json!({ "validation": 2, "test": 2 });
    assert_eq!(project.run(&with).unwrap().dataset().training.image(0), [255; 48]);
}

#[test]
fn a_limit_holds_for_every_class() {
    let mut with = with(&json!({}));
    with["limit"] = json!(6);
    let outputs = project().run(&with).unwrap();
    let mut labels = outputs.dataset().training_and_validation().labels;
    labels.extend(outputs.testset().images.labels);
    labels.sort_unstable();
    assert_eq!(labels, [[0; 6], [1; 6]].concat());
}

/// Names of each part without their numbers: one for each tree.
fn groups_by_part(outputs: &super::project::Outputs) -> [Vec<String>; 3] {
    [("dataset", "training"), ("dataset", "validation"), ("test", "test")].map(|(output, split)| {
        let mut groups: Vec<String> = outputs
            .names(output, split)
            .iter()
            .map(|name| name.rsplit_once('_').unwrap().0.to_owned())
            .collect();
        groups.sort();
        groups.dedup();
        groups
    })
}

#[test]
fn near_duplicates_share_a_split_by_prefix_or_table() {
    let project = project();
    let table: String = (0..10)
        .flat_map(|i| {
            ["oak", "fir"].map(|tree| format!("{tree}{}, {tree}/{tree}{}_{i}.png\n", i / 2, i / 2))
        })
        .collect();
    project.write("groups.csv", format!("group,file\n{table}"));
    for group in [
        json!({ "kind": "prefix", "before": "_" }),
        json!({ "kind": "table", "path": "groups.csv" }),
    ] {
        let mut with = with(&json!({ "group": group }));
        with["split"] = json!({ "validation": 0.2, "test": 0.2 });
        let outputs = project.run(&with).unwrap();
        let [training, validation, test] = groups_by_part(&outputs);
        assert_eq!((training.len(), validation.len(), test.len()), (6, 2, 2));
        assert!(!training.iter().any(|group| validation.contains(group) || test.contains(group)));
    }
}

#[test]
fn a_groups_table_must_fit() {
    let cases = [
        ("", "is empty"),
        ("file\n", "has no column `group`"),
        ("file,group\noak/oak0_0.png,1\n", "does not name `fir/fir0_0.png`"),
        ("file,group\na,1\na,2\n", "names `a` again in line 3"),
        ("file,group\na\n", "has too few fields in line 2"),
        ("file,group\n\"a,1\n", "has a quote out of place in line 2"),
    ];
    for (table, said) in cases {
        let project = project();
        project.write("groups.csv", table);
        let group = json!({ "kind": "table", "path": "groups.csv" });
        let error = project.failure(&with(&json!({ "group": group })));
        assert_eq!(error, format!("the groups table `groups.csv` {said}"));
    }
}

#[test]
fn too_few_groups_are_explained() {
    let mut with = with(&json!({ "group": { "kind": "prefix", "before": "_" } }));
    with["limit"] = json!(4);
    let error = project().failure(&with);
    assert!(error.contains("it has 4 images in 2 groups"), "{error}");
}
