//! The machine that a run is on, for people who compare costs.

use std::fs;

use crate::wording;

/// Processor, cores and memory, each with its name; what cannot be found out is missing.
#[must_use]
pub fn hardware() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if let Some(model) = field(&processors, "model name") {
        found.push(("processor".to_owned(), model.to_owned()));
    }
    if let Ok(cores) = std::thread::available_parallelism() {
        found.push(("cores".to_owned(), cores.to_string()));
    }
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = field(&memory, "MemTotal").and_then(|text| text.strip_suffix(" kB"));
    if let Some(Ok(kibibytes)) = kibibytes.map(str::parse::<u64>) {
        found.push(("memory".to_owned(), wording::bytes(kibibytes * 1024)));
    }
    found
}

/// The value of the first line `name : value`.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_what_follows_its_colon() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n";
        assert_eq!(field(text, "model name"), Some("Some CPU @ 2 GHz"));
        assert_eq!(field(text, "MemTotal"), None);
    }
}
