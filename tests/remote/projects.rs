//! Two projects that share a remote: what the first has computed, the second only fetches.

use std::fs;
use std::path::Path;

use phytotron::remote::{Object, Room};
use phytotron::store::trial_text;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::TestSpace;

const STUDY: &str = "
seed: 7
params: { trials: 40 }
stages:
  leaves: { use: dataset, with: { source: { kind: leaves, images: 80, size: 16 }, split: { validation: 0.2, test: 20 } } }
  search:
    use: search
    matrix: { repeat: [1, 2] }
    inputs: { data: leaves }
    with: { space: { kind: chain }, strategy: random, seed: \"${{ matrix.repeat }}\", budget: { trials: \"${{ params.trials }}\" }, evaluator: mock }
  note: { use: command, publish: true, with: { run: \"echo pressed > leaf.txt; mkdir deep; head -c 100000 /dev/zero > deep/zero\", outputs: [leaf.txt, deep] } }
  count: { use: command, inputs: { x: note }, with: { run: \"wc -c inputs/x/deep/zero > count.txt\", outputs: [count.txt] } }
  report: { use: report, inputs: { trials: \"search[*]\" } }
";

/// Settings of a remote called `lab`, and what reaches it.
struct Shared {
    settings: String,
    folder: TempDir,
}

impl Shared {
    fn folder() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("shared").display().to_string();
        let settings = format!("remote: {{ lab: {{ kind: dir, path: {path} }} }}\n");
        Self { settings, folder }
    }

    #[cfg(feature = "s3")]
    fn bucket() -> Option<Self> {
        let server = crate::support::moto::moto()?;
        let settings = format!(
            "remote: {{ lab: {{ kind: s3, bucket: {}, prefix: a/b, region: eu-central-1, endpoint: \"{}\" }} }}\n",
            server.bucket(),
            server.endpoint()
        );
        Some(Self { settings, folder: TempDir::new().unwrap() })
    }

    fn each(test: impl Fn(&Self)) {
        test(&Self::folder());
        #[cfg(feature = "s3")]
        if let Some(shared) = Self::bucket() {
            test(&shared);
        }
    }

    /// A project that has nothing but the study and the settings.
    fn project(&self) -> TestSpace {
        TestSpace::new().pipeline(STUDY).file("phytotron.yaml", &self.settings)
    }
}

fn said(space: &TestSpace, arguments: &[&str]) -> crate::support::Ran {
    space.ran(space.signed_command(arguments).output().unwrap())
}

#[test]
fn the_second_project_restores_everything_and_computes_nothing() {
    Shared::each(|shared| {
        let first = shared.project();
        said(&first, &["run", "pipeline.yaml"]).success();
        said(&first, &["push", "pipeline.yaml"]).success().says("6 results on both sides");
        said(&first, &["push", "pipeline.yaml"]).success().says("nothing to push");

        let second = shared.project();
        said(&second, &["plan", "pipeline.yaml"]).success().says("to run");
        said(&second, &["plan", "pipeline.yaml", "--remote", "lab"])
            .success()
            .says("6 to restore\n")
            .says("`lab` has its result");
        let all = "leaves restored, search[repeat=1] restored, search[repeat=2] restored, \
                   report restored, note restored, count restored";
        let ran = said(&second, &["run", "pipeline.yaml", "--remote", "lab"]).success();
        let mut endings: Vec<&str> = all.split(", ").collect();
        endings.sort_unstable();
        ran.stages_in_any_order(&endings);
        let shown = |space: &TestSpace| {
            let mut files = space.files("out");
            // The page with the run's own facts.
            files.retain(|path, _| path != Path::new("pipeline/report.html"));
            files
        };
        assert_eq!(shown(&first), shown(&second));
        assert_eq!(first.read("pipeline.lock"), second.read("pipeline.lock"));
        said(&second, &["run", "pipeline.yaml"]).success().says("all cached");
        said(&second, &["fsck"]).success();
    });
}

#[test]
fn pull_brings_a_study_without_running_it() {
    Shared::each(|shared| {
        let first = shared.project();
        let ran = ["run", "pipeline.yaml", "--until", "search"];
        said(&first, &[&ran[..], &["--remote", "lab", "--push"]].concat()).success();
        let second = shared.project();
        said(&second, &["pull", "pipeline.yaml"])
            .success()
            .says("lab has no result of")
            .says("3 results on both sides");
        said(&second, &ran)
            .success()
            .stages("leaves restored, search[repeat=1] restored, search[repeat=2] restored");
        let third = shared.project();
        said(&third, &["pull", "--all"]).success().says("3 results on both sides");
        said(&third, &["pull", "--all"]).success().says("nothing to pull");
        said(&second, &["push", "--run", "last"]).success().says("nothing to push");
    });
}

#[test]
fn what_proves_damaged_here_is_fetched_instead_of_computed() {
    let shared = Shared::folder();
    let space = shared.project();
    said(&space, &["run", "pipeline.yaml", "--remote", "lab", "--push"]).success();
    let record = |space: &TestSpace| {
        let run = said(space, &["show", "--json"]).stdout();
        let run: Value = serde_json::from_str(&run).unwrap();
        let stages = run["stages"].as_array().unwrap().clone();
        stages.into_iter().find(|end| end["stage"]["name"] == "note").unwrap()
    };
    assert_eq!(record(&space)["ending"], "done");
    for (path, bytes) in space.files(".phytotron/blobs") {
        if bytes == b"pressed\n" {
            fs::remove_file(space.path(".phytotron/blobs").join(path)).unwrap();
        }
    }
    fs::remove_dir_all(space.path("out")).unwrap();
    let arguments = ["run", "pipeline.yaml", "--remote", "lab", "-p", "trials=41"];
    said(&space, &arguments).success().says("looking for it at the remote");
    assert_eq!(record(&space)["ending"], "restored");
    assert_eq!(space.read("out/pipeline/note/leaf.txt"), "pressed\n");
}

#[test]
fn a_result_that_is_damaged_there_is_computed() {
    let shared = Shared::folder();
    let first = shared.project();
    said(&first, &["run", "pipeline.yaml", "--remote", "lab", "--push"]).success();
    let blobs = shared.folder.path().join("shared/blobs");
    for prefix in fs::read_dir(blobs).unwrap() {
        for blob in fs::read_dir(prefix.unwrap().path()).unwrap() {
            let path = blob.unwrap().path();
            if fs::read(&path).unwrap() == b"pressed\n" {
                super::spoil_file(&path, Some(b"Pressed\n"));
            }
        }
    }
    let second = shared.project();
    said(&second, &["run", "pipeline.yaml", "--remote", "lab", "--until", "count"])
        .success()
        .says("is damaged; computing it again")
        .stages_in_any_order(&["count restored", "note done"]);
    said(&second, &["fsck"]).success();
}

const TRAINING: &str = "
seed: 7
params: { trials: 2 }
stages:
  leaves: { use: dataset, with: { source: { kind: leaves, images: 80, size: 16, species: [ovate-parallel, round-palmate] }, split: { validation: 0.5, test: 10 } } }
  search:
    use: search
    inputs: { data: leaves }
    with:
      space: { kind: chain, filters: [4], kernels: [1, 3], layers_max: 3 }
      strategy: random
      budget: { trials: \"${{ params.trials }}\" }
      evaluator: { kind: train, epochs: 1, retries: { tries: 1 } }
";

#[test]
fn trained_children_are_taken_from_the_remotes_trial_cache() {
    let shared = Shared::folder();
    let first = shared.project().pipeline(TRAINING);
    said(&first, &["run", "pipeline.yaml"]).success();
    // The children go with the results of the search that trained them.
    said(&first, &["push", "pipeline.yaml"]).success();
    // A score that no training gives shows where a child came from.
    let root = shared.folder.path().join("shared");
    let mut trials = 0;
    for prefix in fs::read_dir(root.join(Room::Trials.folder())).unwrap() {
        for file in fs::read_dir(prefix.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let mut trial = file["trial"].clone();
            trial["score"] = 0.123_456.into();
            let key = Object::parse(&name).unwrap().digest;
            super::spoil_file(&path, Some(&trial_text(&key, &trial)));
            trials += 1;
        }
    }
    assert!(trials > 0);
    let second = shared.project().pipeline(TRAINING);
    let arguments = ["run", "pipeline.yaml", "--remote", "lab", "-p", "trials=3"];
    said(&second, &arguments).success();
    let files = second.files("out/pipeline/search");
    let scores: usize =
        files.values().map(|file| String::from_utf8_lossy(file).matches("0.123456").count()).sum();
    assert!(scores >= trials, "{:?}", files.keys());
}

#[test]
fn no_secret_is_written_or_said() {
    #[cfg(feature = "s3")]
    if let Some(shared) = Shared::bucket() {
        use crate::support::moto::KEYS;

        let space = shared.project();
        let mut run = space.signed_command(&["run", "pipeline.yaml", "--remote", "lab", "--push"]);
        let ran = space.ran(run.env("PHYTOTRON_LOG", "trace").output().unwrap()).success();
        assert!(!ran.text().contains(KEYS.1));
        let mut files = space.files("");
        files.retain(|_, bytes| {
            bytes.windows(KEYS.1.len()).any(|window| window == KEYS.1.as_bytes())
        });
        assert!(files.is_empty(), "{:?}", files.keys());
    }
}

#[test]
fn a_remote_that_is_not_set_up_is_named_with_what_there_is() {
    let space = Shared::folder().project();
    said(&space, &["run", "pipeline.yaml", "--remote", "lav"]).code(2).says("did you mean `lab`?");
    said(&space, &["push", "--all", "--remote", "x"]).code(2).says("phytotron.yaml sets up `lab`");
    let bare = TestSpace::new().pipeline(STUDY);
    said(&bare, &["push", "--all"]).code(2).says("set one up under `remote:`");
    said(&bare, &["push"]).code(2).says("--all");
}

/// Whatever the fault is, it is not the stages'.
#[cfg(feature = "s3")]
#[test]
fn a_remote_that_cannot_be_reached_ends_a_run_with_its_own_exit_code() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = format!(
        "remote: {{ lab: {{ kind: s3, bucket: lab, region: x, timeout: 1s, endpoint: 'http://127.0.0.1:{unused}' }} }}\n"
    );
    let space = TestSpace::new().pipeline(STUDY).file("phytotron.yaml", &settings);
    let arguments = ["run", "pipeline.yaml", "--remote", "lab", "--until", "note"];
    said(&space, &arguments).code(4).says("cannot reach s3://lab");
    said(&space, &["run", "pipeline.yaml", "--until", "note"]).success();
    let broken = TestSpace::new()
        .pipeline("stages: { a: { use: command, with: { run: \"exit 3\", outputs: [o] } } }")
        .file("phytotron.yaml", &Shared::folder().settings);
    said(&broken, &["run", "pipeline.yaml", "--remote", "lab"]).code(1);
}
