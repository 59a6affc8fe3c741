//! Presets and templates that ship inside the binary.
//!
//! One list per folder; a test holds each equal to its folder. A user's file of the same name wins.

/// A YAML file of the repository, as it was when the binary was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// The folder: `stages` or `pipelines`.
    pub folder: &'static str,
    /// The file's stem: what `use:` or `init` names.
    pub name: &'static str,
    /// All of it.
    pub text: &'static str,
}

impl BuiltIn {
    /// How the snapshot and `plan` name it: `builtin:stages/x.yaml`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("builtin:{}/{}.yaml", self.folder, self.name)
    }
}

/// The files of one folder, by their stems.
macro_rules! built_in {
    ($folder:literal: $($name:literal)*) => {
        &[$(BuiltIn {
            folder: $folder,
            name: $name,
            text: include_str!(concat!("../../", $folder, "/", $name, ".yaml")),
        }),*]
    };
}

/// Presets: partial stages of `stages/`.
pub const PRESETS: &[BuiltIn] = built_in!("stages":
    "metaqnn-retrain" "metaqnn-score" "metaqnn-search" "nasnet-retrain" "nasnet-score" "nasnet-search"
    "reinforce-cells" "zoph-score" "zoph-search");

/// Ready studies of `pipelines/`, which `init` copies.
pub const TEMPLATES: &[BuiltIn] = built_in!("pipelines":
    "compare-strategies" "fashion-mnist" "metaqnn-leaves" "metaqnn-paper" "mock-vs-real" "nasnet-leaves" "quickstart"
    "transfer" "zoph-layerwise");

/// The preset called `name`.
#[must_use]
pub fn preset(name: &str) -> Option<&'static BuiltIn> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// The template called `name`.
#[must_use]
pub fn template(name: &str) -> Option<&'static BuiltIn> {
    TEMPLATES.iter().find(|template| template.name == name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_list_equals_its_folder() {
        for (folder, list) in [("stages", PRESETS), ("pipelines", TEMPLATES)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            let mut found: Vec<String> = folder
                .read_dir()
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
                .collect();
            found.sort();
            let mut listed: Vec<&str> = list.iter().map(|built_in| built_in.name).collect();
            listed.sort_unstable();
            assert_eq!(listed, found, "the list in src/spec/builtin.rs for {}", folder.display());
        }
    }
}
