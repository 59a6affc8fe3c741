//! What a score means, so that no page calls everything an accuracy.

use crate::results::{TrialsCard, word};

/// What the numbers of an evaluator are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Validation accuracy of a trained child.
    Accuracy,
    /// Made up by a formula.
    Mock,
    /// A measure of the untrained network, pressed into 0 to 1.
    Proxy,
    /// Looked up in a benchmark's table.
    Table,
}

impl Meaning {
    /// By the evaluator that a card names.
    pub(super) fn of(card: &TrialsCard) -> Self {
        match word(&card.evaluator) {
            _ if card.mock => Self::Mock,
            "proxy" => Self::Proxy,
            "table" => Self::Table,
            _ => Self::Accuracy,
        }
    }

    /// Its name.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Accuracy => "validation accuracy",
            Self::Mock => "mock score",
            Self::Proxy => "proxy score",
            Self::Table => "table score",
        }
    }

    /// The name as the head of a column of numbers.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Accuracy => "#validation accuracy",
            Self::Mock => "#mock score",
            Self::Proxy => "#proxy score",
            Self::Table => "#table score",
        }
    }

    /// The name of a mean over trials as the head of a column of numbers.
    pub(super) fn mean_column(self) -> &'static str {
        match self {
            Self::Accuracy => "#mean validation accuracy",
            Self::Mock => "#mean mock score",
            Self::Proxy => "#mean proxy score",
            Self::Table => "#mean table score",
        }
    }

    /// The name of the best.
    pub(super) fn best(self) -> &'static str {
        match self {
            Self::Accuracy => "Best validation accuracy",
            Self::Mock => "Best mock score",
            Self::Proxy => "Best proxy score",
            Self::Table => "Best table score",
        }
    }

    /// Whether no child was trained for it in this study.
    pub(super) fn is_untrained(self) -> bool {
        self != Self::Accuracy
    }

    /// Whether it is a share that people read in percent.
    pub(super) fn is_percent(self) -> bool {
        self == Self::Accuracy
    }
}
