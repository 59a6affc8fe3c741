//! Memory is predicted before a training begins, and what does not fit is refused with what would.

use std::fs;
use std::process::Command;

use phytotron::artifact::{Coordinates, StageId};
use phytotron::dataset::Images;
use phytotron::event::Silent;
use phytotron::net::{Network, Shape};
use phytotron::seed::Seed;
use phytotron::space::Genotype;
use phytotron::space::SpaceConfig;
use phytotron::space::chain::ChainConfig;
use phytotron::space::layerwise::LayerwiseConfig;
use phytotron::space::nasnet::NasnetConfig;
use phytotron::statistics::Bar;
use phytotron::train::{Assignment, Cpu, Examples, Recipe, Standard, TrainError, Watch, fit};

use super::noise;

const SHAPE: Shape = Shape { channels: 3, height: 32, width: 32 };
/// Bytes in a mebibyte.
const MIB: f64 = 1_048_576.0;
/// Names a training to the process that measures it: `nasnet 64`.
const CASE: &str = "PHYTOTRON_MEMORY_CASE";

fn network(kind: &str) -> Network {
    let config = match kind {
        "chain" => SpaceConfig::Chain(ChainConfig::default()),
        "nasnet" => {
            SpaceConfig::Nasnet(NasnetConfig { cells: 1, filters: 16, ..NasnetConfig::default() })
        }
        "layerwise" => {
            SpaceConfig::Layerwise(LayerwiseConfig { layers: 6, ..LayerwiseConfig::default() })
        }
        other => panic!("no space `{other}`"),
    };
    let space = config.open(SHAPE, 10).unwrap();
    let genotype = match kind {
        "chain" => {
            space.parse("[C(64,3,1), C(128,3,1), P(2,2), C(64,3,1), P(2,2), C(64,1,1), P(2,2), FC(512), SM(10)]").unwrap()
        }
        "nasnet" => space.parse("NASNet-A").unwrap(),
        _ => {
            let mut genotype = Genotype::default();
            space.process().draw(&mut Seed::root(4).stream("draw", 0), &mut genotype);
            genotype
        }
    };
    space.network(&genotype)
}

fn assignment<'a>(
    network: &'a Network,
    recipe: &'a Recipe,
    standard: &'a Standard,
    training: &'a Images,
    validation: &'a Images,
) -> Assignment<'a> {
    Assignment {
        engine: &Cpu,
        network,
        recipe,
        standard,
        training: Examples::all(training),
        validation: Some(Examples::all(validation)),
        epochs: 1,
        lr_factor: 1.0,
        gate: None,
        bar: Bar::default(),
        seed: Seed::root(1),
    }
}

fn watch(stage: &StageId, memory: Option<u64>) -> Watch<'_> {
    Watch {
        events: &Silent,
        stage,
        child: "child",
        stop: &|| false,
        checkpoint: None,
        memory,
        profile: false,
    }
}

fn stage() -> StageId {
    StageId { name: "stage".to_owned(), coordinates: Coordinates::default() }
}

/// Bytes after `name` in what the system says of this process.
fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}

/// In a process of its own: trains an epoch and prints prediction and truth.
#[expect(clippy::print_stdout, reason = "the test that started this process reads it")]
fn measure(case: &str) {
    let (kind, batch) = case.split_once(' ').unwrap();
    let recipe = Recipe { batch: batch.parse().unwrap(), ..Recipe::default() };
    let (network, standard) = (network(kind), noise::standard(SHAPE));
    let (training, validation) = (
        noise::images("training", 3 * recipe.batch, SHAPE),
        noise::images("validation", 128, SHAPE),
    );
    let assignment = assignment(&network, &recipe, &standard, &training, &validation);
    let predicted = assignment.memory().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    // The threads, and what the first look at the processor takes.
    pool.install(|| rayon::join(|| (), || ()));
    let before = status("VmRSS:");
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let fitted = pool.install(|| fit(&assignment, &watch(&stage(), Some(predicted)))).unwrap();
    assert_eq!(fitted.steps, 3);
    let peak = status("VmHWM:") - before;
    println!("bytes {predicted} {peak}");
}

#[test]
fn the_peak_is_predicted_within_a_tenth() {
    if let Ok(case) = std::env::var(CASE) {
        return measure(&case);
    }
    let mut wrong = Vec::new();
    for kind in ["chain", "nasnet", "layerwise"] {
        for batch in [16, 64] {
            let case = format!("{kind} {batch}");
            let own = "train::memory::the_peak_is_predicted_within_a_tenth";
            let ran = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", own, "--nocapture"])
                .env(CASE, &case)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&ran.stdout);
            let line = text.lines().find_map(|line| line.split_once("bytes ").map(|found| found.1));
            let line = line.unwrap_or_else(|| panic!("{case}: {text}"));
            let numbers: Vec<f64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            let share = numbers[0] / numbers[1];
            println!("{case}: predicted {:.1} MiB, {share:.3} of the truth", numbers[0] / MIB);
            if !(0.9..1.1).contains(&share) {
                wrong.push(format!("{case}: {share:.3} of {:.1} MiB", numbers[1] / MIB));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn too_little_memory_is_refused_before_the_first_step_with_a_part_that_fits() {
    let recipe = Recipe { batch: 64, ..Recipe::default() };
    let (network, standard) = (network("chain"), noise::standard(SHAPE));
    let (training, validation) =
        (noise::images("training", 64, SHAPE), noise::images("validation", 20, SHAPE));
    let whole = assignment(&network, &recipe, &standard, &training, &validation);
    let needed = whole.memory().unwrap();
    whole.fits(needed).unwrap();
    let refused = |available| match fit(&whole, &watch(&stage(), Some(available))) {
        Err(error @ TrainError::Memory { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was trained"),
    };
    let text = refused(needed / 2);
    let (_, advice) = text.split_once("micro_batch: ").unwrap_or_else(|| panic!("{text}"));
    let micro_batch: usize = advice.split(' ').next().unwrap().parse().unwrap();
    let part = |micro_batch| Recipe { micro_batch: Some(micro_batch), ..recipe.clone() };
    let (fits, larger) = (part(micro_batch), part(micro_batch + 1));
    let need = |recipe| assignment(&network, recipe, &standard, &training, &validation).memory();
    assert!(need(&fits).unwrap() <= needed / 2, "{text}");
    // One image more would be too much, unless it makes the same number of parts.
    let parts = |recipe: &Recipe| 64_usize.div_ceil(recipe.micro_batch.unwrap());
    assert!(need(&larger).unwrap() > needed / 2 || parts(&larger) == parts(&fits), "{text}");
    assert!(refused(1 << 20).contains("not even one image at a time fits"));
}
