//! Numbers of a trial by name, for sorting and choosing: `score`, `parameters<2e6`.

use std::cmp::Ordering;

use crate::results::Trial;

/// A number of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    /// Position in the search.
    Trial,
    /// The score; `accuracy`, too.
    Score,
    /// The reward.
    Reward,
    /// Parameters of the network.
    Parameters,
    /// Its multiply-adds.
    MultiplyAdds,
    /// Epochs trained.
    Epochs,
    /// Optimizer steps.
    Steps,
    /// Exploration rate.
    Epsilon,
    /// The rung it reached.
    Rung,
    /// What its evaluator measured under this name.
    Measure(String),
}

impl Field {
    /// Names of all but measures.
    pub(crate) const NAMES: [&'static str; 9] = [
        "trial",
        "score",
        "reward",
        "parameters",
        "multiply_adds",
        "epochs",
        "steps",
        "epsilon",
        "rung",
    ];

    /// The number of this name; a name that is not ours is a measure's.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "trial" => Self::Trial,
            "score" | "accuracy" => Self::Score,
            "reward" => Self::Reward,
            "parameters" => Self::Parameters,
            "multiply_adds" | "macs" => Self::MultiplyAdds,
            "epochs" => Self::Epochs,
            "steps" => Self::Steps,
            "epsilon" => Self::Epsilon,
            "rung" => Self::Rung,
            other => Self::Measure(other.to_owned()),
        }
    }

    /// The trial's number, if it has one.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(crate) fn value(&self, trial: &Trial) -> Option<f64> {
        match self {
            Self::Trial => Some(trial.trial as f64),
            Self::Score => Some(trial.score),
            Self::Reward => Some(trial.reward),
            Self::Parameters => Some(trial.parameters as f64),
            Self::MultiplyAdds => Some(trial.multiply_adds as f64),
            Self::Epochs => Some(trial.epochs as f64),
            Self::Steps => Some(trial.steps as f64),
            Self::Epsilon => trial.epsilon,
            Self::Rung => trial.rung.map(|rung| rung as f64),
            Self::Measure(name) => trial.measures.get(name).copied(),
        }
    }

    /// Whether more of it comes first: what is gained does, what is paid does not.
    fn largest_first(&self) -> bool {
        matches!(self, Self::Score | Self::Reward | Self::Rung | Self::Measure(_))
    }

    /// Whether it says how good a network is, which only numbers of one evaluator can be compared by.
    pub(crate) fn is_judgement(&self) -> bool {
        matches!(self, Self::Score | Self::Reward | Self::Measure(_))
    }

    /// The better first, or last with `reverse`; a trial without the number after all that have it.
    pub(crate) fn order(&self, a: &Trial, b: &Trial, reverse: bool) -> Ordering {
        match (self.value(a), self.value(b)) {
            (Some(a), Some(b)) if self.largest_first() == reverse => a.total_cmp(&b),
            (Some(a), Some(b)) => b.total_cmp(&a),
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    }
}

/// A condition on a number: `score>=0.9`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bound {
    /// What is compared.
    pub(crate) field: Field,
    /// How: one of [`Bound::SIGNS`].
    sign: &'static str,
    /// With what.
    number: f64,
}

impl Bound {
    /// Longer ones first, so that none is read as the beginning of another.
    const SIGNS: [&'static str; 5] = [">=", "<=", ">", "<", "="];

    /// Reads a condition.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let found = Self::SIGNS.into_iter().find_map(|sign| Some((sign, text.split_once(sign)?)));
        let Some((sign, (field, number))) = found else {
            return Err("expected a name, one of `>=` `<=` `>` `<` `=`, and a number".to_owned());
        };
        let number = number.trim();
        let value = number.parse().map_err(|_| format!("`{number}` is no number"))?;
        Ok(Self { field: Field::of(field.trim()), sign, number: value })
    }

    /// Whether a trial meets it; one without the number does not.
    pub(crate) fn holds(&self, trial: &Trial) -> bool {
        let Some(order) = self.field.value(trial).and_then(|v| v.partial_cmp(&self.number)) else {
            return false;
        };
        match self.sign {
            ">=" => order.is_ge(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            "<" => order.is_lt(),
            _ => order.is_eq(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn trial(number: u64, score: f64, epsilon: Option<f64>) -> Trial {
        Trial {
            trial: number,
            genotype: "[SM(10)]".to_owned(),
            score,
            failure: None,
            reward: score,
            parameters: 1_000 - number,
            multiply_adds: 0,
            epochs: 1,
            steps: 1,
            rung: None,
            epsilon,
            curve: Vec::new(),
            policy: None,
            measures: BTreeMap::from([("synflow".to_owned(), score * 10.0)]),
        }
    }

    #[test]
    fn every_name_is_that_of_its_own_number() {
        for name in Field::NAMES {
            assert!(!matches!(Field::of(name), Field::Measure(_)), "{name}");
        }
        assert_eq!(Field::of("accuracy"), Field::Score);
        assert_eq!(Field::of("synflow").value(&trial(0, 0.5, None)), Some(5.0));
    }

    #[test]
    fn gains_are_sorted_from_the_largest_costs_from_the_smallest_and_what_is_missing_is_last() {
        let trials = [trial(0, 0.2, None), trial(1, 0.9, Some(0.5)), trial(2, 0.4, Some(1.0))];
        let sorted = |name: &str, reverse| {
            let mut trials = trials.clone();
            trials.sort_by(|a, b| Field::of(name).order(a, b, reverse));
            trials.map(|trial| trial.trial)
        };
        assert_eq!(sorted("score", false), [1, 2, 0]);
        assert_eq!(sorted("score", true), [0, 2, 1]);
        assert_eq!(sorted("parameters", false), [2, 1, 0]);
        assert_eq!(sorted("epsilon", false), [1, 2, 0]);
        assert_eq!(sorted("epsilon", true), [2, 1, 0]);
    }

    #[test]
    fn conditions_are_read_whole_or_not_at_all() {
        let holds = |text: &str| Bound::parse(text).map(|b| b.holds(&trial(3, 0.5, None)));
        assert_eq!(holds("score>=0.5"), Ok(true));
        assert_eq!(holds("score > 0.5"), Ok(false));
        assert_eq!(holds("parameters<1e3"), Ok(true));
        assert_eq!(holds("synflow=5"), Ok(true));
        assert_eq!(holds("epsilon<=1"), Ok(false), "it has none");
        assert_eq!(holds("score>much"), Err("`much` is no number".to_owned()));
        assert!(holds("score").is_err());
    }
}
