//! Classes by folder: from paths such as `oak/1.png` to a listing of images.
//!
//! Classes follow the folders' names in byte order. Nothing is passed over in silence: what is no image counts as
//! broken, but for the droppings of operating systems (`.DS_Store`, `Thumbs.db`). Does not know where the paths
//! come from.

use std::collections::{BTreeMap, BTreeSet};

use super::{Item, Listing};
use crate::dataset::DatasetError;
use crate::dataset::image_file::format_of;

/// `class/name` of everything among `names` that stands in a class folder.
pub(super) fn image_names<'a>(
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<&'a str>, DatasetError> {
    let mut found = Vec::new();
    for name in names.filter(|name| !is_dropping(name)) {
        match name.split('/').collect::<Vec<_>>()[..] {
            [_, _] => found.push(name),
            // Tables and READMEs may lie beside the classes, images may not.
            [file] if format_of(file).is_some() => {
                return Err(DatasetError::NoClass { name: name.to_owned() });
            }
            [class, folder, _, ..] => {
                let (class, folder) = (class.to_owned(), folder.to_owned());
                return Err(DatasetError::NestedClass { class, folder });
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The images of `names`, each in the class of its folder; `folders` are there and must not be empty.
pub(super) fn listing<'a>(
    names: &[&str],
    folders: impl Iterator<Item = &'a str>,
    groups: &BTreeMap<String, String>,
    description: &str,
) -> Result<Listing, DatasetError> {
    let classes = classes_of(names);
    for folder in folders {
        if !folder.starts_with('.') && !classes.iter().any(|class| class == folder) {
            return Err(DatasetError::EmptyClass { class: folder.to_owned() });
        }
    }
    let item = |(place, name): (usize, &&str)| Item {
        name: (*name).to_owned(),
        label: label_of(name, &classes),
        group: groups.get(*name).cloned(),
        place,
    };
    Ok(Listing {
        pool: names.iter().enumerate().map(item).collect(),
        test: None,
        description: description.to_owned(),
        synthetic: false,
        classes,
    })
}

/// Whether an operating system or editor left it there.
fn is_dropping(name: &str) -> bool {
    name.split('/')
        .any(|part| part.starts_with('.') || part == "Thumbs.db" || part == "desktop.ini")
}

fn class_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(class, _)| class)
}

fn classes_of(names: &[&str]) -> Vec<String> {
    let classes: BTreeSet<&str> = names.iter().map(|name| class_of(name)).collect();
    classes.into_iter().map(str::to_owned).collect()
}

fn label_of(name: &str, classes: &[String]) -> u16 {
    let place = classes.binary_search_by(|class| class.as_str().cmp(class_of(name)));
    // More classes than labels are refused when the listing is checked.
    u16::try_from(place.expect("BUG: classes come from the names")).unwrap_or(u16::MAX)
}
