//! How much memory a training takes, and which part of a batch fits into what there is.

use super::TrainError;
use super::batch::Examples;
use super::engine::{Footprint, Outline};
use super::fit::{Assignment, SOUND_IMAGES};
use super::predict::EVALUATION_BATCH;
use super::recipe::{Kept, Recipe};
use crate::wording;

impl Assignment<'_> {
    /// Most bytes that the training holds at a time, beside its images; nothing where the engine cannot say.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        self.memory_of(self.recipe, self.largest_part())
    }

    /// Whether it fits into `available` bytes.
    ///
    /// # Errors
    /// [`TrainError::Memory`] with the largest part of a batch that would.
    pub fn fits(&self, available: u64) -> Result<(), TrainError> {
        let Some(needed) = self.memory().filter(|&needed| needed > available) else {
            return Ok(());
        };
        let micro_batch = self.largest_that_fits(available);
        let advice = match micro_batch {
            Some(images) => format!("`recipe: {{ micro_batch: {images} }}` fits"),
            None => "not even one image at a time fits: a smaller network is needed".to_owned(),
        };
        let [needed, available] = [needed, available].map(wording::bytes);
        Err(TrainError::Memory { needed, available, advice })
    }

    /// Images of the largest part of a batch that goes through the network together.
    fn largest_part(&self) -> usize {
        self.recipe.micro_batches(self.batch()).map(|part| part.len()).max().unwrap_or(0)
    }

    fn largest_that_fits(&self, available: u64) -> Option<usize> {
        let fits = |images| {
            // In parts a step may lie otherwise in memory than as a whole.
            let recipe = Recipe { micro_batch: Some(images), ..self.recipe.clone() };
            self.memory_of(&recipe, images).is_some_and(|needed| needed <= available)
        };
        // Memory grows with the images: the last that fits lies before the first that does not.
        let (mut low, mut high) = (0, self.largest_part());
        while low < high {
            let middle = (low + high).div_ceil(2);
            if fits(middle) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        (low > 0).then_some(low)
    }

    fn memory_of(&self, recipe: &Recipe, images: usize) -> Option<u64> {
        let outline = Outline { recipe, class_weights: Vec::new(), ..self.outline() };
        let looked_at = self.validation.as_ref().map_or(SOUND_IMAGES, Examples::len);
        let evaluated = looked_at.min(EVALUATION_BATCH);
        let Footprint { held, evaluation } = self.engine.footprint(&outline, images, evaluated)?;
        let image = 4 * self.network.image().len() as u64;
        // The batch of a step, and the next that is made meanwhile.
        let batches = 2 * image * self.batch() as u64;
        let evaluation = evaluation + image * evaluated as u64;
        // A checkpoint begins as a copy of weights and averages.
        let weights = 4 * self.network.parameters();
        let copies = if self.recipe.optimizer.has_second() { 3 } else { 2 };
        let best = if self.recipe.weights == Kept::Best { weights } else { 0 };
        Some(held + batches + best + evaluation.max(copies * weights))
    }
}
