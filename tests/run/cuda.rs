//! Stages with `device: cuda`: who runs them, and what is said where nobody can.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::TestSpace;

const STUDY: &str = r"
name: study
stages:
  leaves:
    use: dataset
    with:
      source: { kind: leaves, images: 40, size: 16, species: [ovate-parallel, round-palmate] }
      split: { validation: 0.2, test: 4 }
  train:
    use: search
    inputs: { data: leaves }
    with:
      space: { kind: chain, filters: [8], kernels: [3], layers_max: 2 }
      strategy: random
      evaluator: { kind: train, epochs: 1, device: cuda }
      budget: { trials: 1 }
";

#[test]
fn without_a_program_for_gpus_the_stage_says_what_to_do() {
    let space = TestSpace::new()
        .pipeline(STUDY)
        .file("phytotron.yaml", "cuda_program: bin/phytotron-cuda\n");
    let ran = space.run(&[]).code(1);
    let text = ran.text();
    assert!(text.contains("needs a phytotron built with CUDA"), "{text}");
    assert!(
        text.contains("bin/phytotron-cuda") && text.contains("scripts/check-cuda.sh"),
        "{text}"
    );
    ran.stages("leaves done, train failed");
}

/// What the system's loader does with a program whose libraries are missing.
#[test]
fn without_a_driver_the_stage_says_so() {
    let space = TestSpace::new()
        .pipeline(STUDY)
        .file("phytotron.yaml", "cuda_program: phytotron-cuda\n")
        .file("phytotron-cuda", "#!/bin/sh\necho 'libcuda.so.1: cannot open' >&2\nexit 127\n");
    let program = space.path("phytotron-cuda");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let text = space.run(&[]).code(1).text();
    assert!(text.contains("is the NVIDIA driver installed"), "{text}");
    assert!(text.contains("libcuda.so.1: cannot open"), "{text}");
}

/// One token is one GPU of those that the run sees, whichever stage it is of.
#[test]
fn a_stage_sees_the_gpu_of_its_token() {
    let study = STUDY.replace("    use: search\n", "    use: search\n    resources: { gpu: 1 }\n");
    let space = TestSpace::new()
        .pipeline(&study)
        .file("phytotron.yaml", "cuda_program: phytotron-cuda\n")
        .file(
            "phytotron-cuda",
            "#!/bin/sh\necho \"it sees <$CUDA_VISIBLE_DEVICES>\" >&2\nexit 127\n",
        );
    let program = space.path("phytotron-cuda");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |visible: &str| {
        let mut command = space.command(&["run", "pipeline.yaml"]);
        let output = command.env("CUDA_VISIBLE_DEVICES", visible).output().unwrap();
        space.ran(output).code(1).text()
    };
    let text = run("GPU-8c1,0");
    assert!(text.contains("it sees <GPU-8c1>"), "{text}");
    let text = space.run(&["--pool", "gpu=1"]).code(1).text();
    assert!(text.contains("it sees <"), "a pool that is declared needs no list of GPUs: {text}");
}

/// The worker of a build without CUDA is an honest stand-in: it starts, and has no GPU.
#[test]
fn a_program_without_cuda_is_refused_by_its_engine() {
    let program = crate::support::PROGRAM;
    let space = TestSpace::new()
        .pipeline(STUDY)
        .file("phytotron.yaml", &format!("cuda_program: {program}\n"));
    let text = space.run(&[]).code(1).text();
    assert!(text.contains("this phytotron was built without CUDA"), "{text}");
}

#[test]
fn the_device_is_in_the_manifest_by_its_numerics() {
    let space = TestSpace::new()
        .pipeline(STUDY)
        .file("phytotron.yaml", "cuda_program: bin/phytotron-cuda\n");
    // A manifest is known once its inputs are.
    space.run(&[]).code(1);
    let explain = space.command(&["explain", "pipeline.yaml", "train"]).output().unwrap();
    let explained = space.ran(explain).text();
    assert!(explained.contains("cuda-f32-sm80"), "{explained}");
}
