//! Policy gradients: draw networks from a policy, and make the better ones likelier.
//!
//! What [`Reinforce`](super::ReinforceConfig) and [`Ppo`](super::PpoConfig) share. A policy is changed only
//! when `batch` or more rewards are there **and** no network is out whose reward is unknown, and then all of
//! them are learned from at once. So every network is judged by the policy that drew it, also where the
//! stage proposes more networks at once than a batch has.
//!
//! - A network that came up before is a draw of the policy like any other; its known reward counts, and
//!   costs nothing.
//! - A network beyond the space's limits has no reward. It is drawn again, so what is learned is the policy
//!   on the networks within the limits.
//! - The draws of a batch are made side by side and handed out one by one; what is left of them when the
//!   policy changes, or the space grows, is thrown away.

use std::collections::{BTreeMap, HashMap, VecDeque};

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::{Deserialize, Serialize};

use super::adam::{Adam, SavedAdam};
use super::bits::{from_hex, to_hex};
use super::controller::{Controller, Finished, Progress, Remarks, Table};
use super::policy::{Decision, Drawn, Policy};
use super::ppo::Clipping;
use super::{Baseline, SearchError};
use crate::results::PolicyNote;
use crate::seed::Stream;
use crate::space::{Genotype, Process, Space};

/// Name of the table's file.
const TABLE_FILE: &str = "policy.csv";

/// How a batch is learned from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// One step along the gradient of the batch (Williams 1992).
    Reinforce,
    /// Several passes over the batch, held near the policy that drew it.
    Ppo { clipping: Clipping, epochs: u32, minibatch: usize },
}

/// What a controller of this kind is made of.
#[derive(Debug)]
pub(super) struct Ingredients {
    pub(super) policy: Box<dyn Policy>,
    pub(super) rule: Rule,
    pub(super) batch: usize,
    pub(super) lr: f64,
    pub(super) gradient_clip: Option<f64>,
    pub(super) entropy_weight: f64,
    pub(super) baseline: Baseline,
}

/// A policy that learns.
#[derive(Debug)]
pub(super) struct PolicyGradient {
    policy: Box<dyn Policy>,
    rule: Rule,
    batch: usize,
    entropy_weight: f64,
    baseline: Baseline,
    adam: Adam,
    /// Drawn from the policy as it is, not yet handed out.
    drawn: VecDeque<Drawn>,
    /// Drawn from the policy as it is, with known rewards.
    judged: Vec<Judged>,
}

#[derive(Debug, Clone)]
struct Judged {
    network: usize,
    genotype: Genotype,
    reward: f64,
}

/// What is saved beyond the networks.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    weights: String,
    adam: SavedAdam,
    baseline: Baseline,
    drawn: VecDeque<Drawn>,
    judged: Vec<usize>,
}

impl PolicyGradient {
    pub(super) fn new(ingredients: Ingredients) -> Self {
        let Ingredients { policy, rule, batch, lr, gradient_clip, entropy_weight, baseline } =
            ingredients;
        let adam = Adam::new(policy.weights().len(), lr, gradient_clip);
        let (drawn, judged) = (VecDeque::new(), Vec::new());
        Self { policy, rule, batch, entropy_weight, baseline, adam, drawn, judged }
    }

    /// Learns from all that was judged.
    fn learn(&mut self, process: &Process, stream: &mut Stream) {
        let judged = std::mem::take(&mut self.judged);
        self.drawn.clear();
        let advantages: Vec<f64> =
            judged.iter().map(|judged| self.baseline.advantage(judged.reward)).collect();
        let walks: Vec<&Genotype> = judged.iter().map(|judged| &judged.genotype).collect();
        match self.rule {
            Rule::Reinforce => {
                self.climb(process, &walks, |decision| advantages[decision.walk]);
            }
            Rule::Ppo { clipping, epochs, minibatch } => {
                let old = self.log_probabilities(process, &walks);
                let mut order: Vec<usize> = (0..walks.len()).collect();
                for _ in 0..epochs {
                    stream.shuffle(&mut order);
                    for part in order.chunks(minibatch) {
                        let walks: Vec<&Genotype> = part.iter().map(|&walk| walks[walk]).collect();
                        self.climb(process, &walks, |decision| {
                            let walk = part[decision.walk];
                            let log_ratio = decision.log_probability - old[walk][decision.step];
                            clipping.slope(libm::exp(log_ratio), advantages[walk])
                        });
                    }
                }
            }
        }
    }

    /// One step along the mean gradient of `walks`.
    #[expect(clippy::cast_precision_loss, reason = "batches are small")]
    fn climb(&mut self, process: &Process, walks: &[&Genotype], score: impl Fn(Decision) -> f64) {
        let share = 1.0 / walks.len() as f64;
        let mut gradient = vec![0.0; self.policy.weights().len()];
        let mut score = |decision: Decision| share * score(decision);
        let entropy_weight = share * self.entropy_weight;
        self.policy.gradient(process, walks, entropy_weight, &mut score, &mut gradient);
        let mut weights = self.policy.weights().to_vec();
        self.adam.ascend(&mut weights, &mut gradient);
        self.policy.set_weights(weights);
    }

    /// Logarithm of the probability of every decision, walk by walk.
    fn log_probabilities(&mut self, process: &Process, walks: &[&Genotype]) -> Vec<Vec<f64>> {
        let mut logs = vec![Vec::new(); walks.len()];
        // The rows of a walk come in the order of its steps.
        let mut look = |decision: Decision| logs[decision.walk].push(decision.log_probability);
        self.policy.look(process, walks, &mut look);
        logs
    }
}

impl Controller for PolicyGradient {
    fn propose(
        &mut self,
        space: &dyn Space,
        _: Progress,
        stream: &mut Stream,
        genotype: &mut Genotype,
    ) -> Remarks {
        let next = self.drawn.front();
        if next.is_some_and(|walk| !space.process().is_complete(&walk.genotype)) {
            self.drawn.clear();
        }
        if self.drawn.is_empty() {
            let missing = self.batch.saturating_sub(self.judged.len()).max(1);
            self.drawn = self.policy.draw(space.process(), missing, stream).into();
        }
        let drawn = self.drawn.pop_front().expect("at least one was drawn");
        *genotype = drawn.genotype;
        let (log_probability, baseline) = (drawn.log_probability, self.baseline.value());
        Remarks { policy: Some(PolicyNote { log_probability, baseline }), epsilon: None }
    }

    fn observe(&mut self, space: &dyn Space, finished: Finished<'_>, stream: &mut Stream) {
        let Finished { network, genotype, reward, pending } = finished;
        self.judged.push(Judged { network, genotype: genotype.clone(), reward });
        if self.judged.len() >= self.batch && pending == 0 {
            self.learn(space.process(), stream);
        }
    }

    fn save(&self) -> serde_json::Value {
        let saved = Saved {
            weights: to_hex(self.policy.weights()),
            adam: self.adam.save(),
            baseline: self.baseline.clone(),
            drawn: self.drawn.clone(),
            judged: self.judged.iter().map(|judged| judged.network).collect(),
        };
        serde_json::to_value(saved).expect("numbers and text serialize")
    }

    fn restore(
        &mut self,
        space: &dyn Space,
        networks: &[(Genotype, f64)],
        saved: &serde_json::Value,
    ) -> Result<(), SearchError> {
        let unfit = |reason: &str| SearchError::Unfit(reason.to_owned());
        let saved = Saved::deserialize(saved).map_err(|error| unfit(&error.to_string()))?;
        if !saved.drawn.iter().all(|walk| space.has(&walk.genotype)) {
            return Err(unfit("a network that was drawn is not of this space"));
        }
        let judged = saved.judged.iter().map(|&network| {
            let (genotype, reward) = networks.get(network)?;
            Some(Judged { network, genotype: genotype.clone(), reward: *reward })
        });
        let judged: Option<Vec<Judged>> = judged.collect();
        self.judged = judged.ok_or_else(|| unfit("a reward is of a network that is not there"))?;
        let weights = from_hex(&saved.weights, self.policy.weights().len())?;
        self.adam.restore(&saved.adam)?;
        self.policy.set_weights(weights);
        self.baseline = saved.baseline;
        self.drawn = saved.drawn;
        Ok(())
    }

    fn most_probable(&self, space: &dyn Space) -> Option<Genotype> {
        Some(self.policy.likeliest(space.process()).0)
    }

    fn sample(&mut self, space: &dyn Space, stream: &mut Stream) -> Option<Genotype> {
        self.policy.draw(space.process(), 1, stream).pop().map(|drawn| drawn.genotype)
    }

    fn table(&self, space: &dyn Space) -> Option<Table> {
        Some(Table { name: TABLE_FILE, text: self.policy.table(space.process()) })
    }

    fn weights(&self, space: &dyn Space) -> Option<Vec<u8>> {
        let parts = self.policy.parts(space.process());
        let bytes: Vec<u8> =
            self.policy.weights().iter().flat_map(|weight| weight.to_le_bytes()).collect();
        let views: BTreeMap<&str, TensorView<'_>> = parts
            .iter()
            .map(|part| {
                let bytes = &bytes[4 * part.place.start..4 * part.place.end];
                let view = TensorView::new(Dtype::F32, part.shape.to_vec(), bytes);
                (part.name.as_str(), view.expect("a part is as long as its shape says"))
            })
            .collect();
        let nothing: Option<HashMap<String, String>> = None;
        Some(serialize(views, nothing).expect("a few parts with short names"))
    }
}
