//! What the training loop does beside the steps, timed: the next batch made during a step, small networks side by
//! side, checkpoints.
//!
//! ```text
//! cargo run --release --example loop_speed [THREADS]
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::time::Instant;

use phytotron::artifact::{Coordinates, StageId};
use phytotron::dataset::{Card, Fit, Images};
use phytotron::event::Silent;
use phytotron::net::{Network, Shape};
use phytotron::seed::Seed;
use phytotron::space::nasnet::{NasnetConfig, NasnetSpace};
use phytotron::space::{Space as _, chain::Chain};
use phytotron::statistics::Bar;
use phytotron::train::{
    Assignment, Augmentation, Checkpoint, Cpu, Engine as _, Examples, Moment, Outline,
    Preprocessing, Recipe, Standard, Watch, fit,
};

const SHAPE: Shape = Shape { channels: 3, height: 32, width: 32 };
const ROUNDS: usize = 5;
const STEPS: usize = 12;

/// A recipe whose images are turned, which is the dearest way to vary them.
fn recipe() -> Recipe {
    let augment = vec![
        Augmentation::Mirror,
        Augmentation::Rotate { degrees: 15.0 },
        Augmentation::Gain { image: 0.2, channel: 0.1 },
        Augmentation::Shift { pixels: 4 },
    ];
    Recipe { batch: 64, augment, ..Recipe::default() }
}

fn images(count: usize) -> Images {
    let mut stream = Seed::root(1).stream("images", 0);
    #[expect(clippy::cast_possible_truncation, reason = "any bytes will do")]
    let pixels = (0..count * SHAPE.len()).map(|_| stream.below(256) as u8).collect();
    Images { pixels, labels: (0..10).cycle().take(count).collect(), shape: SHAPE }
}

fn networks() -> Result<Vec<(&'static str, Network)>, Box<dyn std::error::Error>> {
    let small = Chain::parse("[C(16,3,1), P(2,2), C(32,3,1), P(2,2), SM(10)]")?;
    let chain = Chain::parse("[C(64,3,1), P(2,2), C(128,3,1), P(2,2), C(128,3,1), SM(10)]")?;
    let config = NasnetConfig { cells: 1, filters: 8, ..NasnetConfig::default() };
    let space = NasnetSpace::open(&config, SHAPE, 10)?;
    let cells = space.network(&space.parse("NASNet-A")?);
    let dense = Chain::parse("[C(64,3,1), P(2,2), FC(512), FC(512), SM(10)]")?;
    Ok(vec![
        ("small chain", small.network(SHAPE, false)),
        ("chain", chain.network(SHAPE, true)),
        ("NASNet, 8 filters", cells),
        ("dense", dense.network(SHAPE, false)),
    ])
}

fn median(mut work: impl FnMut() -> f64) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS).map(|_| work()).collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64() * 1e3
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = std::env::args().nth(1).map_or(Ok(2), |threads| threads.parse())?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let card = Card {
        format: 1,
        source: "noise".to_owned(),
        synthetic: true,
        image: SHAPE,
        classes: (0..10).map(|class| class.to_string()).collect(),
        mean: vec![127.5; 3],
        deviation: vec![74.0; 3],
        broken: Vec::new(),
        fit: Fit::default(),
    };
    let standard = Standard::of(&card, Preprocessing::Standard)?;
    let (recipe, data, seed) = (recipe(), images(64 * STEPS), Seed::root(2));
    let stage = StageId { name: "loop".to_owned(), coordinates: Coordinates::default() };
    let folder = tempfile::tempdir()?;
    println!("ms for {STEPS} steps of 64 images, {threads} threads, medians of {ROUNDS} rounds");
    for (name, network) in networks()? {
        let assignment = Assignment {
            engine: &Cpu,
            network: &network,
            recipe: &recipe,
            standard: &standard,
            training: Examples::all(&data),
            validation: None,
            epochs: 1,
            lr_factor: 1.0,
            gate: None,
            bar: Bar::default(),
            seed,
        };
        let watch = |checkpoint| Watch {
            events: &Silent,
            stage: &stage,
            child: "child",
            stop: &|| false,
            checkpoint,
            memory: None,
            profile: false,
        };
        let train = || drop(fit(&assignment, &watch(None)).expect("a training"));
        let one_after_another = || {
            let (class_weights, steps) = (Vec::new(), STEPS as u64);
            let outline =
                Outline { network: &network, recipe: &recipe, class_weights, steps, seed };
            let mut child = Cpu.plan(&outline).expect("a child");
            let order: Vec<usize> = (0..data.labels.len()).collect();
            for (step, indices) in (0..).zip(order.chunks(64)) {
                let seed = seed.nth(step);
                let batch = standard.varied(&assignment.training, indices, &recipe.augment, &seed);
                child.step(&batch, Moment { step, lr: 0.001 }).expect("a step");
            }
        };
        let saved = || {
            let file = Checkpoint::at(folder.path().join("child"));
            drop(fit(&assignment, &watch(Some(file.clone()))).expect("a training"));
            file.clear();
        };
        let batch_then_step = median(|| timed(|| pool.install(one_after_another)));
        let loop_alone = median(|| timed(|| pool.install(train)));
        let with_checkpoint = median(|| timed(|| pool.install(saved)));
        let in_turn = median(|| timed(|| (0..2 * threads).for_each(|_| pool.install(train))));
        let side_by_side = median(|| {
            timed(|| {
                std::thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| (0..2).for_each(|_| pool.install(train)));
                    }
                });
            })
        });
        println!(
            "{name:18} batch, then step {batch_then_step:7.1}, loop {loop_alone:7.1}, with a checkpoint \
             {with_checkpoint:7.1} ({} weights)",
            network.parameters()
        );
        println!(
            "{:18} {} networks in turn {in_turn:7.1}, side by side {side_by_side:7.1}",
            "",
            2 * threads
        );
    }
    Ok(())
}
