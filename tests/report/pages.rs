//! Reports as a browser shows them. Without Chromium these tests say that they are skipped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use phytotron::artifact::Coordinates;
use phytotron::report::{self, Sources};
use serde_json::json;

use super::{Bench, example, run_facts};
use crate::support::browser::{Browser, is_sound};

/// Widths of a telephone, a small window and a large one, in pixels.
const WIDTHS: [u32; 3] = [400, 900, 1600];

/// The page of the example as a run leaves it.
fn view(bench: &Bench, sources: &Sources) -> String {
    report::page::with_run_facts(&bench.page(sources), &run_facts())
}

#[test]
fn a_page_works_and_fits_at_every_width() {
    let Some(browser) = Browser::find() else { return };
    let bench = Bench::new();
    let page = view(&bench, &bench.example().sources());
    for width in WIDTHS {
        let found = browser.try_out(&page, width);
        is_sound(&found);
        let numbers = |name: &str| -> Vec<f64> {
            let keys = found[name].as_array().unwrap().iter();
            keys.map(|key| key.as_str().unwrap().parse().unwrap()).collect()
        };
        let (up, down) = (numbers("ascending"), numbers("descending"));
        assert!(up.is_sorted() && up.len() > 2 && up.first() != up.last(), "{up:?}");
        assert!(down.is_sorted_by(|a, b| a >= b) && down.len() == up.len(), "{down:?}");
        assert_eq!(found["aria_sort"], "ascending");
        let filtered = &found["filtered"];
        assert_eq!(filtered["shown"], filtered["fitting"]);
        assert!(filtered["shown"].as_u64() < filtered["all"].as_u64(), "{filtered}");
        let legend = json!([["true", "inline"], ["false", "none"], ["true", "inline"]]);
        assert_eq!(found["legend"], legend);
        let hover = found["hover"].as_str().unwrap();
        assert!(hover.contains("at trial "), "{hover}");
        assert_eq!(found["hidden_again"], true);
        assert!(found["keyboard"].as_str().unwrap().contains("at trial "));
        assert!(found["copy"].as_u64() >= Some(2), "{found}");
    }
}

#[test]
fn a_comparison_fits_at_every_width() {
    let Some(browser) = Browser::find() else { return };
    let bench = Bench::new();
    let page = bench.page(&bench.example().matrix());
    for width in WIDTHS {
        is_sound(&browser.try_out(&page, width));
    }
}

#[test]
fn a_hundred_thousand_trials_still_open() {
    let Some(browser) = Browser::find() else { return };
    let bench = Bench::new();
    let card = example::card("q_learning", example::mock_evaluator());
    let trials = example::trials(3, "q_learning", 100_000);
    let source = bench.example().trials("many", Coordinates::default(), &card, &trials);
    let page = bench.page(&Sources { trials: vec![source], ..Sources::default() });
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    is_sound(&browser.try_out(&page, 900));
}

/// Screenshots of the example reports; in the folder that `REPORT_EXAMPLES` names they can be looked at.
#[test]
fn screenshots_for_looking_at() {
    let Some(browser) = Browser::find() else { return };
    let temporary = tempfile::tempdir().unwrap();
    let named = std::env::var_os("REPORT_EXAMPLES").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| temporary.path().to_owned());
    fs::create_dir_all(&folder).unwrap();
    let bench = Bench::new();
    let mut sources = bench.example().sources();
    let pages = BTreeMap::from([
        ("matrix", bench.page(&bench.example().matrix())),
        ("study", view(&bench, &sources)),
    ]);
    sources.trials.truncate(1);
    for (name, page) in pages {
        let file = folder.join(format!("{name}.html"));
        fs::write(&file, &page).unwrap();
        shoot(&browser, &file, &folder, name);
        assert!(folder.join(format!("{name}-{}.png", WIDTHS[0])).is_file(), "{name}");
    }
}

fn shoot(browser: &Browser, page: &Path, folder: &Path, name: &str) {
    for width in WIDTHS {
        browser.screenshot(page, (width, 9000), &folder.join(format!("{name}-{width}.png")));
    }
}
