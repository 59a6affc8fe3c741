//! A child's numbers by name, and back.

use std::collections::BTreeMap;

use super::CandleChild;
use crate::train::engine::{State, Values};
use crate::train::error::TrainError;

impl CandleChild {
    /// Everything that the next step depends on.
    pub(super) fn written(&self) -> State {
        let mut state = State::default();
        for (own, weight) in self.weights.iter().zip(&self.layers.weights) {
            let values =
                |values: &[f32]| Values { shape: weight.shape.clone(), values: values.to_vec() };
            state.put(&weight.name, weight.used, values(&own.values));
            state.training.insert(format!("first.{}", weight.name), values(&own.first));
            if self.recipe.optimizer.has_second() {
                state.training.insert(format!("second.{}", weight.name), values(&own.second));
            }
        }
        for (running, norm) in self.running.iter().zip(&self.layers.norms) {
            let values =
                |values: &[f32]| Values { shape: vec![norm.channels], values: values.to_vec() };
            state.put(&format!("{}.mean", norm.path), norm.used, values(&running.mean));
            state.put(&format!("{}.variance", norm.path), norm.used, values(&running.variance));
        }
        state
    }

    /// Takes over what [`CandleChild::written`] returned for an equal network.
    pub(super) fn read(&mut self, state: &State) -> Result<(), TrainError> {
        let expected = self.written();
        fits(&expected.weights, &state.weights)?;
        fits(&expected.training, &state.training)?;
        for (own, weight) in self.weights.iter_mut().zip(&self.layers.weights) {
            own.values.clone_from(state.get(&weight.name, weight.used));
            own.first.clone_from(&state.training[&format!("first.{}", weight.name)].values);
            if self.recipe.optimizer.has_second() {
                own.second.clone_from(&state.training[&format!("second.{}", weight.name)].values);
            }
        }
        for (running, norm) in self.running.iter_mut().zip(&self.layers.norms) {
            running.mean.clone_from(state.get(&format!("{}.mean", norm.path), norm.used));
            running.variance.clone_from(state.get(&format!("{}.variance", norm.path), norm.used));
        }
        Ok(())
    }
}

impl State {
    /// Where the auxiliary head's numbers stand.
    fn auxiliary(name: &str) -> String {
        format!("auxiliary.{name}")
    }

    fn put(&mut self, name: &str, used: bool, values: Values) {
        if used {
            self.weights.insert(name.to_owned(), values);
        } else {
            self.training.insert(Self::auxiliary(name), values);
        }
    }

    fn get(&self, name: &str, used: bool) -> &Vec<f32> {
        let found =
            if used { self.weights.get(name) } else { self.training.get(&Self::auxiliary(name)) };
        &found.expect("BUG: `fits` lets only whole states through").values
    }
}

/// Whether `found` has exactly the tensors of `expected`, in their shapes.
fn fits(
    expected: &BTreeMap<String, Values>,
    found: &BTreeMap<String, Values>,
) -> Result<(), TrainError> {
    let wrong = |detail: String| Err(TrainError::State { detail });
    for (name, values) in expected {
        match found.get(name) {
            None => return wrong(format!("`{name}` is missing")),
            Some(found)
                if found.shape != values.shape || found.values.len() != values.values.len() =>
            {
                return wrong(format!("`{name}` is {:?} and not {:?}", found.shape, values.shape));
            }
            Some(_) => {}
        }
    }
    match found.keys().find(|name| !expected.contains_key(*name)) {
        Some(name) => wrong(format!("`{name}` belongs to no layer")),
        None => Ok(()),
    }
}
