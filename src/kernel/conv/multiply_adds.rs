//! What convolutions multiply, counted by their shapes.

use super::Conv;

/// Products of numbers that are added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MultiplyAdds {
    /// As direct convolutions have them: what implementations are compared by.
    pub(crate) direct: usize,
    /// Those that are carried out, fewer where a shorter way is taken.
    pub(crate) executed: usize,
}

impl Conv {
    /// What the way forward multiplies for an image.
    pub(crate) fn multiply_adds(&self) -> MultiplyAdds {
        let direct = self.slide.products();
        let executed = self.winograd().map_or(direct, |winograd| winograd.products());
        MultiplyAdds { direct, executed }
    }

    /// What the way back multiplies for an image, with the input's gradient when `input_gradient`.
    pub(crate) fn multiply_adds_back(&self, input_gradient: bool) -> MultiplyAdds {
        let direct = self.slide.products();
        let executed = self.winograd_sums().map_or(direct, |winograd| winograd.products());
        if !input_gradient {
            return MultiplyAdds { direct, executed };
        }
        let turned = self.turned().map_or(direct, |turned| turned.multiply_adds().executed);
        MultiplyAdds { direct: 2 * direct, executed: executed + turned }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Shape, Window};

    #[test]
    fn a_shorter_way_is_counted_as_it_is_carried_out() {
        let map = |channels| Shape { channels, height: 15, width: 15 };
        let of = |inputs, outputs| Conv::new(map(inputs), map(outputs), Window::same(3, 1, 15), 1);
        // 8x8 tiles of 16 products stand for 15x15 pixels of 9.
        let (direct, executed) = (15 * 15 * 9 * 64 * 64, 8 * 8 * 16 * 64 * 64);
        assert_eq!(of(64, 64).multiply_adds(), MultiplyAdds { direct, executed });
        let back = MultiplyAdds { direct: 2 * direct, executed: 2 * executed };
        assert_eq!(of(64, 64).multiply_adds_back(true), back);
        let few = 15 * 15 * 9 * 3 * 64;
        let plain = MultiplyAdds { direct: few, executed: few };
        assert_eq!(of(3, 64).multiply_adds(), plain);
        assert_eq!(of(3, 64).multiply_adds_back(false), plain);
    }
}
