//! A folder of classes: one folder of PNG or JPEG images for each class, named after it.
//!
//! Classes follow the folders' names in byte order. Nothing is passed over in silence: what is no image
//! counts as broken, but for the droppings of operating systems (`.DS_Store`, `Thumbs.db`).

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Item, Listing, Opened, PictureError, Pictures};
use crate::dataset::files::normal;
use crate::dataset::image_file::{decode, format_of};
use crate::dataset::{DatasetError, Picture, ProjectFiles, csv};

/// A folder of classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// The folder that the class folders lie in.
    pub path: String,
    /// What to do about images that cannot be read.
    #[serde(default)]
    pub broken: Broken,
    /// Which images are near-duplicates that must share a split; each stands alone when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
}

/// What to do about images that cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// The stage fails and names them.
    #[default]
    Refuse,
    /// They are left out, and named and counted in the card.
    Skip,
}

/// How an image's group is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "kind")]
pub enum Group {
    /// By the beginning of its file name: `oak7_3.jpg` and `oak7_4.jpg` with `before: _`.
    Prefix(GroupPrefix),
    /// By a CSV table with the columns `file` (class folder and name) and `group`.
    Table(GroupTable),
}

/// The file name's beginning is the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupPrefix {
    /// The group ends before the last of these in the name.
    #[schemars(length(min = 1))]
    pub before: String,
}

/// A table has the groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupTable {
    /// The CSV file.
    pub path: String,
}

impl Folder {
    pub(super) fn files(&self) -> Vec<String> {
        let mut files = vec![normal(&self.path)];
        if let Some(Group::Table(table)) = &self.group {
            files.push(normal(&table.path));
        }
        files
    }

    pub(super) fn open<'a>(&'a self, files: ProjectFiles<'a>) -> Result<Opened<'a>, DatasetError> {
        let names = self.image_names(files)?;
        let classes = classes_of(&names);
        for folder in files.folders_in(&self.path)? {
            if !folder.starts_with('.') && !classes.contains(&folder) {
                return Err(DatasetError::EmptyClass { class: folder });
            }
        }
        let groups = self.groups(files, &names)?;
        let pool = names.iter().enumerate().map(|(place, name)| Item {
            name: (*name).to_owned(),
            label: label_of(name, &classes),
            group: groups.get(*name).cloned(),
            place,
        });
        let listing = Listing {
            pool: pool.collect(),
            test: None,
            description: "folder of classes".to_owned(),
            synthetic: false,
            classes,
        };
        Ok(Opened { listing, pictures: Box::new(ImageFiles { files, folder: &self.path }) })
    }

    /// `class/name` of everything that stands in a class folder.
    fn image_names<'a>(&self, files: ProjectFiles<'a>) -> Result<Vec<&'a str>, DatasetError> {
        let mut names = Vec::new();
        for name in files.below(&self.path) {
            if is_dropping(name) {
                continue;
            }
            match name.split('/').collect::<Vec<_>>()[..] {
                [_, _] => names.push(name),
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
        Ok(names)
    }

    fn groups(
        &self,
        files: ProjectFiles<'_>,
        names: &[&str],
    ) -> Result<BTreeMap<String, String>, DatasetError> {
        match &self.group {
            None => Ok(BTreeMap::new()),
            Some(Group::Prefix(prefix)) => Ok(names
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), prefix.of(name)?)))
                .collect()),
            Some(Group::Table(table)) => table.read(files, names),
        }
    }
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

impl GroupPrefix {
    /// Class and beginning: equal beginnings in two classes are two plants.
    fn of(&self, name: &str) -> Option<String> {
        let (class, file) = name.split_once('/')?;
        let (beginning, _) = file.rsplit_once(self.before.as_str())?;
        Some(format!("{class}/{beginning}"))
    }
}

impl GroupTable {
    fn read(
        &self,
        files: ProjectFiles<'_>,
        names: &[&str],
    ) -> Result<BTreeMap<String, String>, DatasetError> {
        let wrong = |reason: String| DatasetError::Groups { path: self.path.clone(), reason };
        let text = String::from_utf8(files.read(&self.path)?)
            .map_err(|_| wrong("is not UTF-8 text".to_owned()))?;
        let records = csv::records(&text)
            .map_err(|line| wrong(format!("has a quote out of place in line {line}")))?;
        let Some((head, rows)) = records.split_first() else {
            return Err(wrong("is empty".to_owned()));
        };
        let column = |name: &str| {
            head.fields
                .iter()
                .position(|field| field.trim() == name)
                .ok_or_else(|| wrong(format!("has no column `{name}`")))
        };
        let (file, group) = (column("file")?, column("group")?);
        let mut groups = BTreeMap::new();
        for row in rows {
            let field = |column: usize| row.fields.get(column).map(|field| field.trim());
            let (Some(file), Some(group)) = (field(file), field(group)) else {
                return Err(wrong(format!("has too few fields in line {}", row.line)));
            };
            if groups.insert(normal(file), group.to_owned()).is_some() {
                return Err(wrong(format!("names `{file}` again in line {}", row.line)));
            }
        }
        match names.iter().find(|name| !groups.contains_key(**name)) {
            Some(name) => Err(wrong(format!("does not name `{name}`"))),
            None => Ok(groups),
        }
    }
}

struct ImageFiles<'a> {
    files: ProjectFiles<'a>,
    folder: &'a str,
}

impl Pictures for ImageFiles<'_> {
    fn picture(&self, item: &Item) -> Result<Picture, PictureError> {
        let path = format!("{}/{}", self.folder, item.name);
        let bytes = self.files.read(&path).map_err(PictureError::Fatal)?;
        decode(&item.name, &bytes).map_err(PictureError::Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_last_mark() {
        let prefix = GroupPrefix { before: "_".to_owned() };
        assert_eq!(prefix.of("oak/tree_7_3.jpg").as_deref(), Some("oak/tree_7"));
        assert_eq!(prefix.of("oak/single.jpg"), None);
    }
}
