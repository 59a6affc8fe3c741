//! Whether a network that was read from a file is one: builders make no others, files may hold anything.

use super::build::infer;
use super::{Network, Node, Op, Window};

impl Network {
    /// Holds every layer against the operations' rules: what it reads stands before it, its windows are
    /// windows, its shape is what the operation gives.
    ///
    /// # Errors
    /// What is wrong with the first layer that breaks a rule, for people.
    pub fn check(&self) -> Result<(), String> {
        if self.nodes.is_empty() {
            return Err("it has no layers".to_owned());
        }
        if let Some(auxiliary) = self.auxiliary.filter(|node| node.0 >= self.nodes.len()) {
            return Err(format!("its auxiliary head is layer {}, which it lacks", auxiliary.0));
        }
        self.nodes.iter().enumerate().try_for_each(|(place, node)| self.check_node(place, node))
    }

    fn check_node(&self, place: usize, node: &Node) -> Result<(), String> {
        let path = &node.path;
        let is_image = place == 0;
        let reads_earlier = node.inputs.iter().all(|input| input.0 < place);
        if !reads_earlier || node.inputs.is_empty() != is_image {
            return Err(format!("layer `{path}` does not read an earlier layer"));
        }
        if is_image != (node.op == Op::Input) || node.shape.is_empty() {
            return Err(format!("layer `{path}` is no image, or an empty one"));
        }
        if !node.op.slides_well() {
            return Err(format!("layer `{path}` has a window or a step of 0"));
        }
        let inputs = node.inputs.iter().map(|input| self.nodes[input.0].shape);
        if is_image || infer(node.op, inputs) == Some(node.shape) {
            Ok(())
        } else {
            Err(format!("layer `{path}` has a shape that its operation does not give"))
        }
    }
}

impl Op {
    /// Whether no kernel, stride or dilation is 0.
    fn slides_well(self) -> bool {
        let is_well = |window: Window| {
            let sides = [window.kernel.0, window.kernel.1, window.stride.0, window.stride.1];
            !sides.contains(&0)
        };
        match self {
            Self::Conv { window, dilation, .. } => dilation > 0 && is_well(window),
            Self::Depthwise { window } | Self::MaxPool { window } | Self::AvgPool { window } => {
                is_well(window)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Builder, NodeId, Shape};

    fn network() -> Network {
        let mut net = Builder::new(Shape { channels: 1, height: 4, width: 4 });
        let image = net.image();
        let pool = net.add("pool", Op::MaxPool { window: Window::valid(2, 2) }, &[image]);
        let flat = net.add("flat", Op::Flatten, &[pool]);
        net.add("logits", Op::Dense { units: 2 }, &[flat]);
        net.finish()
    }

    #[test]
    fn what_a_builder_made_is_right_and_every_change_of_it_is_named() {
        network().check().unwrap();
        let broken = |change: fn(&mut Network)| {
            let mut network = network();
            change(&mut network);
            network.check().unwrap_err()
        };
        let late = broken(|network| network.nodes[1].inputs = vec![NodeId(3)]);
        assert_eq!(late, "layer `pool` does not read an earlier layer");
        let still =
            broken(|network| network.nodes[1].op = Op::AvgPool { window: Window::valid(2, 0) });
        assert_eq!(still, "layer `pool` has a window or a step of 0");
        let other = broken(|network| network.nodes[3].op = Op::Dense { units: 3 });
        assert_eq!(other, "layer `logits` has a shape that its operation does not give");
        let headless = broken(|network| network.auxiliary = Some(NodeId(9)));
        assert!(headless.contains("layer 9"), "{headless}");
        assert_eq!(broken(|network| network.nodes.clear()), "it has no layers");
    }
}
