//! The stage `export`, and the commands `export` and `predict` on what a whole study of image files has trained.

use std::fs;

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::support::{Ran, TestSpace, python};

const STUDY: &str = "name: study
stages:
  images: { use: dataset, with: { source: { kind: folder, path: images }, split: { validation: 4, test: 4 }, resize: 12, fit: crop, grayscale: true } }
  search: { use: search, inputs: { data: images }, with: { space: { kind: chain, filters: [4], kernels: [3], pools: [[2, 2]], fc_sizes: [8], layers_max: 2 }, strategy: random, evaluator: mock, budget: { trials: 4 } } }
  retrain: { use: retrain, publish: true, inputs: { trials: search, data: images, test: images }, with: { top: 2, epochs: 6, recipe: { batch: 4, lr: 0.01 } } }
  export: { use: export, inputs: { models: retrain }, with: { which: all, ensemble: true } }
";
const RETRAIN: &str = "out/study/retrain";

/// A study of dark and light images in several sizes, run.
fn study() -> TestSpace {
    let space = TestSpace::new().pipeline(STUDY);
    for (class, shade) in [("dark", 40), ("light", 180)] {
        for number in 0..12_u8 {
            let path = space.path(&format!("images/{class}/{number}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let (width, height) = (14 + u32::from(number), 30 - u32::from(number));
            let pixel = |x: u32, y: u32| {
                let grain = u8::try_from((x * 7 + y * 13) % 29).unwrap();
                Rgb([shade + grain, shade + number, shade])
            };
            RgbImage::from_fn(width, height, pixel).save(path).unwrap();
        }
    }
    space.run(&[]).success();
    space
}

fn phytotron(space: &TestSpace, arguments: &str) -> Ran {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    space.ran(space.command(&words).output().unwrap())
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout()).unwrap()
}

#[test]
fn commands_and_stage_write_the_same_files() {
    let space = study();
    let staged = space.files("out/study/export");
    let names: Vec<&str> = staged.keys().map(|path| path.to_str().unwrap()).collect();
    let each = ["model.onnx", "model.py", "weights.safetensors"];
    let expected: Vec<String> = ["01", "02", "ensemble"]
        .iter()
        .flat_map(|folder| each.map(|file| format!("{folder}/{file}")))
        .collect();
    assert_eq!(names, expected);
    phytotron(&space, &format!("export {RETRAIN} --which all --ensemble -o by-folder")).success();
    assert_eq!(space.files("by-folder"), staged);
    phytotron(&space, "export pipeline.yaml retrain --which all --ensemble -o by-stage").success();
    assert_eq!(space.files("by-stage"), staged);
    phytotron(&space, "export pipeline.yaml retrain.models --which 2 --format onnx -o second")
        .success();
    assert_eq!(
        space.files("second").keys().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(),
        ["02/model.onnx"]
    );
    let one = phytotron(&space, &format!("export {RETRAIN}/models/02 --json -o one")).success();
    assert_eq!(json(&one), serde_json::json!(each.map(|file| format!("one/{file}"))));
    for file in each {
        assert_eq!(
            space.files("one")[file.as_ref() as &std::path::Path],
            staged[format!("02/{file}").as_ref() as &std::path::Path]
        );
    }
    let best = phytotron(&space, &format!("export {RETRAIN} --format pytorch")).success();
    best.says("export/01/model.py");
}

#[test]
fn what_cannot_be_exported_is_said() {
    let space = study();
    let export = |arguments: &str| phytotron(&space, &format!("export {arguments}")).code(2);
    export("nowhere")
        .says("there is no trained network in `nowhere`: give the folder of a `retrain`");
    export("pipeline.yaml").says("to name one by its pipeline, add its stage");
    export("pipeline.yaml search").says("`search` has trained no networks");
    export("pipeline.yaml retran").says("did you mean `retrain`");
    export(&format!("{RETRAIN} --which 7")).says("there is no network of rank 7 among 2");
    export(&format!("{RETRAIN} --which 0")).says("is not `best`, `all` or a rank from 1");
    export(&format!("{RETRAIN} --format tensorflow")).says("they are `onnx` and `pytorch`");
    export(&format!("{RETRAIN}/models/01 --ensemble")).says("one network is no ensemble");
    let summary = space.read(&format!("{RETRAIN}/summary.json"));
    phytotron(&space, "get pipeline.yaml retrain -o older").success();
    space.write("older/summary.json", &summary.replacen("\"format\": 2", "\"format\": 1", 1));
    export("older").says("has format 1, this version reads 2: compute it again");
    space.write("older/summary.json", &summary);
    let weights = fs::read(space.path("older/models/01/weights.safetensors")).unwrap();
    fs::write(space.path("older/models/01/weights.safetensors"), &weights[..99]).unwrap();
    export("older").says("weights.safetensors").says("is damaged");
    fs::copy(
        space.path("older/models/02/weights.safetensors"),
        space.path("older/models/01/weights.safetensors"),
    )
    .unwrap();
    export("older").says("the weights do not fit the network");
    phytotron(&space, "predict older images/dark/1.png").code(2).says("do not fit the network");
}

#[test]
fn images_are_told_apart_as_they_were_trained_apart() {
    let space = study();
    let table =
        phytotron(&space, &format!("predict {RETRAIN} images/dark/1.png images/light/2.png"));
    let table = table.success().stdout();
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["image", "class", "probability"]);
    assert_eq!(
        (lines[1][..2].to_vec(), lines[3][..2].to_vec()),
        (vec!["images/dark/1.png", "dark"], vec!["images/light/2.png", "light"]),
        "{table}"
    );
    assert_eq!((lines.len(), lines[2][0]), (5, "light"), "{table}");
    for model in
        [RETRAIN.to_owned(), format!("{RETRAIN}/models/02"), format!("--ensemble {RETRAIN}")]
    {
        let all =
            json(&phytotron(&space, &format!("predict {model} images --top 1 --json")).success());
        let all = all.as_array().unwrap();
        assert_eq!(all.len(), 24);
        let right = |one: &&Value| {
            let path = one["image"].as_str().unwrap();
            path.split('/').nth(1) == one["classes"][0]["class"].as_str()
        };
        assert!(all.iter().filter(right).count() >= 22, "{model}: {all:?}");
        assert!(all.iter().all(|one| one["classes"].as_array().unwrap().len() == 1));
    }
}

#[test]
fn what_is_no_image_is_named_and_all_at_once() {
    let space = study();
    space.write("notes.txt", "no image");
    space.write("photos/cut.png", "\u{89}PNG and no more");
    space.write("empty/readme.txt", "");
    let predict =
        |arguments: &str| phytotron(&space, &format!("predict {RETRAIN} {arguments}")).code(2);
    predict("notes.txt").says("`notes.txt` cannot be used (not a PNG or JPEG image: by its name)");
    predict("gone.png").says("cannot read `gone.png`: No such file");
    predict("empty").says("there is no PNG or JPEG image in `empty`");
    let both = predict("photos notes.txt images/dark/1.png").says("2 images cannot be used:");
    both.says("`photos/cut.png` cannot be used").says("`notes.txt` cannot be used");
    phytotron(&space, "predict images images/dark/1.png")
        .code(2)
        .says("there is no trained network in `images`");
    phytotron(&space, &format!("predict {RETRAIN}")).code(2).says("IMAGE");
}

/// What the page makes of image files is near what the tool makes of them: its filter rounds elsewhere.
#[test]
fn the_page_classifies_image_files() {
    let Some(mut python) = python::torch() else { return };
    let space = study();
    let images = ["images/dark/1.png", "images/light/2.png"];
    let ours = json(
        &phytotron(&space, &format!("predict {RETRAIN} {} --json", images.join(" "))).success(),
    );
    let said = python::run(
        python
            .arg(space.path("out/study/export/01/model.py"))
            .args(images.map(|image| space.path(image))),
    );
    let theirs: Vec<(f64, &str)> = said
        .lines()
        .filter_map(|line| line.trim().split_once('%'))
        .map(|(percent, class)| (percent.parse::<f64>().unwrap() / 100.0, class.trim()))
        .collect();
    assert_eq!(theirs.len(), 4, "{said}");
    let ours =
        ours.as_array().unwrap().iter().flat_map(|image| image["classes"].as_array().unwrap());
    for (ours, theirs) in ours.zip(&theirs) {
        assert_eq!(ours["class"], theirs.1, "{said}");
        let difference = ours["probability"].as_f64().unwrap() - theirs.0;
        assert!(difference.abs() < 0.03, "{said}\n{ours}");
    }
}
