//! A search at several fidelities: its networks in brackets, the best of each rung trained for longer.
//!
//! All networks of a bracket are proposed before any score is known; the strategy learns from each one's
//! last score. Nothing is kept between rungs but the trial cache: a training for more epochs begins at the
//! start, since a schedule of learning rates knows its length.

use crate::search::{Bracket, Evaluation, FidelityConfig, promoted};

/// Which bracket comes after `trials` networks, with no more than `left` of them; none without brackets.
pub(super) fn bracket_after(config: &FidelityConfig, trials: u64, left: u64) -> Option<Bracket> {
    let brackets = config.brackets();
    let networks = |bracket: &Bracket| bracket[0].networks;
    let round: u64 = brackets.iter().map(networks).sum();
    let mut into = trials.checked_rem(round)?;
    for bracket in brackets {
        if into < networks(&bracket) {
            return Some(cut(bracket, left));
        }
        into -= networks(&bracket);
    }
    unreachable!("BUG: more networks than in a round")
}

/// Epochs that `networks` networks are trained for, over all their rungs.
pub(super) fn epochs(config: &FidelityConfig, networks: u64) -> u64 {
    let of =
        |bracket: &Bracket| bracket.iter().map(|rung| rung.networks * rung.epochs).sum::<u64>();
    let brackets = config.brackets();
    let round: u64 = brackets.iter().map(|bracket| bracket[0].networks).sum();
    let rounds = networks.checked_div(round).unwrap_or(0);
    let mut done = rounds * round;
    let mut epochs = rounds * brackets.iter().map(of).sum::<u64>();
    while done < networks
        && let Some(bracket) = bracket_after(config, done, networks - done)
    {
        done += bracket[0].networks;
        epochs += of(&bracket);
    }
    epochs
}

/// Whether brackets end after exactly `trials` networks, so that none of a search of so many was cut.
pub(super) fn ends_whole(config: &FidelityConfig, trials: u64) -> bool {
    let sizes: Vec<u64> = config.brackets().iter().map(|bracket| bracket[0].networks).collect();
    let round: u64 = sizes.iter().sum();
    let mut end = trials.checked_div(round).map_or(trials, |rounds| rounds * round);
    for size in sizes {
        if end >= trials {
            break;
        }
        end += size;
    }
    end == trials
}

/// The bracket with `left` networks at most; later rungs shrink in proportion, to none at the end.
fn cut(mut bracket: Bracket, left: u64) -> Bracket {
    let whole = bracket[0].networks;
    if left < whole {
        for rung in &mut bracket {
            rung.networks = rung.networks * left / whole;
        }
        bracket.retain(|rung| rung.networks > 0);
    }
    bracket
}

/// Works through a bracket of `count` networks: `score` evaluates some of them, by place, for so many
/// epochs. Returns the evaluations of each network, one a rung that it reached.
pub(super) fn climb<E>(
    bracket: &Bracket,
    count: usize,
    mut score: impl FnMut(&[usize], u64) -> Result<Vec<Evaluation>, E>,
) -> Result<Vec<Vec<Evaluation>>, E> {
    let mut found: Vec<Vec<Evaluation>> = vec![Vec::new(); count];
    let mut left: Vec<usize> = (0..count).collect();
    for (place, rung) in bracket.iter().enumerate() {
        if place > 0 {
            // A failed child has chance level and is the last to be promoted.
            let scores: Vec<f64> = left.iter().map(|&i| last(&found[i]).score).collect();
            let wanted = usize::try_from(rung.networks).unwrap_or(usize::MAX);
            left = promoted(&scores, wanted).into_iter().map(|place| left[place]).collect();
            left.sort_unstable();
        }
        for (&network, evaluation) in left.iter().zip(score(&left, rung.epochs)?) {
            found[network].push(evaluation);
        }
    }
    Ok(found)
}

/// What is known of a network in the end.
pub(super) fn last(evaluations: &[Evaluation]) -> &Evaluation {
    evaluations.last().expect("BUG: every network reaches the first rung")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{Formula, Rung};

    const CONFIG: FidelityConfig =
        FidelityConfig::Hyperband { epochs_max: 9, eta: 3, formula: Formula::Table };

    fn rungs(bracket: &Bracket) -> Vec<(u64, u64)> {
        bracket.iter().map(|rung| (rung.networks, rung.epochs)).collect()
    }

    #[test]
    fn brackets_come_in_turn_and_the_last_is_cut() {
        let bracket_after = |config, trials, left| bracket_after(config, trials, left).unwrap();
        assert_eq!(rungs(&bracket_after(&CONFIG, 0, 100)), [(9, 1), (3, 3), (1, 9)]);
        assert_eq!(rungs(&bracket_after(&CONFIG, 9, 100)), [(3, 3), (1, 9)]);
        assert_eq!(rungs(&bracket_after(&CONFIG, 12, 100)), [(3, 9)]);
        assert_eq!(rungs(&bracket_after(&CONFIG, 15, 100)), [(9, 1), (3, 3), (1, 9)]);
        assert_eq!(rungs(&bracket_after(&CONFIG, 15, 6)), [(6, 1), (2, 3)]);
        assert_eq!(rungs(&bracket_after(&CONFIG, 15, 1)), [(1, 1)]);
    }

    #[test]
    fn only_where_a_bracket_ends_nothing_was_cut() {
        let whole: Vec<u64> = (1..=30).filter(|&trials| ends_whole(&CONFIG, trials)).collect();
        assert_eq!(whole, [9, 12, 15, 24, 27, 30]);
    }

    #[test]
    fn epochs_are_those_of_all_brackets() {
        for networks in 0..40 {
            let (mut done, mut expected) = (0, 0);
            while done < networks {
                let bracket = bracket_after(&CONFIG, done, networks - done).unwrap();
                done += bracket[0].networks;
                expected += rungs(&bracket).iter().map(|(n, epochs)| n * epochs).sum::<u64>();
            }
            assert_eq!(epochs(&CONFIG, networks), expected, "{networks}");
        }
    }

    #[test]
    fn the_best_of_a_rung_go_on() {
        let bracket = vec![Rung { networks: 4, epochs: 1 }, Rung { networks: 2, epochs: 3 }];
        let mut asked = Vec::new();
        let scores = [0.2, 0.9, 0.4, 0.6];
        let found = climb(&bracket, 4, |networks, epochs| {
            asked.push((networks.to_vec(), epochs));
            let of = |&i: &usize| Evaluation { score: scores[i], epochs, ..Evaluation::default() };
            Ok::<_, ()>(networks.iter().map(of).collect())
        });
        let found = found.unwrap();
        assert_eq!(asked, [(vec![0, 1, 2, 3], 1), (vec![1, 3], 3)]);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1, 2]);
        assert_eq!(last(&found[3]).epochs, 3);
    }
}
