//! Groups: which images are near-duplicates that must share a split.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dataset::files::normal;
use crate::dataset::{DatasetError, ProjectFiles, csv};

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

impl Group {
    /// Project files that it reads.
    pub(super) fn files(&self) -> Option<String> {
        match self {
            Self::Prefix(_) => None,
            Self::Table(table) => Some(normal(&table.path)),
        }
    }

    /// The group of each of `names` (`class/file`) that has one.
    pub(super) fn of(
        &self,
        files: ProjectFiles<'_>,
        names: &[&str],
    ) -> Result<BTreeMap<String, String>, DatasetError> {
        match self {
            Self::Prefix(prefix) => Ok(names
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), prefix.of(name)?)))
                .collect()),
            Self::Table(table) => table.read(files, names),
        }
    }
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
