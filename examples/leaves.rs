//! Draws a sheet of generated leaves, one row a species: `cargo run --example leaves -- sheet.png standard`.

use std::error::Error;

use image::{RgbImage, imageops};
use phytotron::dataset::source::{Leaves, Preset, Species};
use phytotron::seed::Seed;

const COLUMNS: u32 = 12;
const SIZE: u32 = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "leaves.png".to_owned());
    let preset = match arguments.next().as_deref() {
        Some("standard") => Preset::Standard,
        _ => Preset::Easy,
    };
    let leaves = Leaves { preset, size: SIZE as usize, ..Leaves::default() };
    let mut sheet = RgbImage::new(COLUMNS * SIZE, 10 * SIZE);
    for (row, species) in (0..).zip(Species::ALL) {
        for column in 0..COLUMNS {
            let pixels = leaves.image(&Seed::root(7), species, column as usize);
            let leaf = RgbImage::from_raw(SIZE, SIZE, pixels).ok_or("a leaf has all its pixels")?;
            let (x, y) = (i64::from(column * SIZE), i64::from(row * SIZE));
            imageops::replace(&mut sheet, &leaf, x, y);
        }
    }
    sheet.save(path)?;
    Ok(())
}
