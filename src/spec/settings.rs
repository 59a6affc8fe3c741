//! Settings of a stage that never change its result, and the amounts and times in them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::Settings;

/// The keys of a stage that say how it runs.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SettingsKeys {
    /// Tokens that the stage holds while it runs, by pool: `gpu: 1`, `memory: 8 GiB`.
    resources: BTreeMap<String, Amount>,
    /// Attempts after the first, when the stage crashes or runs out of time.
    #[schemars(range(max = 100))]
    retries: u32,
    /// Limit of one attempt: `90s`, `6h`, `1h30m`.
    timeout: Option<TimeLimit>,
    /// Use the output that the lock file names, whatever the parameters say.
    frozen: bool,
    /// Put the outputs into `out/` even when other stages read them.
    publish: bool,
    /// A sentence for people.
    description: Option<String>,
}

/// The names of [`SettingsKeys`].
pub(super) const SETTINGS_KEYS: [&str; 6] =
    ["resources", "retries", "timeout", "frozen", "publish", "description"];

impl From<SettingsKeys> for Settings {
    fn from(keys: SettingsKeys) -> Self {
        Self {
            resources: keys.resources.into_iter().map(|(pool, amount)| (pool, amount.0)).collect(),
            retries: keys.retries,
            timeout: keys.timeout.map(|limit| limit.0),
            frozen: keys.frozen,
            publish: keys.publish,
            description: keys.description,
        }
    }
}

/// An amount of tokens; `8 GiB` is its number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amount(pub(super) u64);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;
        impl Visitor<'_> for AmountVisitor {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or a size such as `8 GiB`")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Amount, E> {
                let value = u64::try_from(value);
                value.map(Amount).map_err(|_| E::custom("an amount cannot be negative"))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Amount, E> {
                if value.fract() != 0.0 || !(0.0..1e15).contains(&value) {
                    return Err(E::custom(format!("{value} is no whole amount")));
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked"
                )]
                Ok(Amount(value as u64))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                let wrong = || E::custom(format!("`{text}` is no amount; write `2` or `8 GiB`"));
                size(text).map(Amount).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(AmountVisitor)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": "^[0-9]+ *([KMGT]i?B|B)$"}
        ]})
    }
}

/// The bytes of `8 GiB`, `512MiB`, `10 GB`.
fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A span of time as people write it: `90s`, `6h`, `1h30m`, `2d`, `500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit(pub Duration);

impl<'de> Deserialize<'de> for TimeLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            let message = format!("`{text}` is no time; write `90s`, `15m`, `6h`, `1h30m` or `2d`");
            de::Error::custom(message)
        };
        time(&text).filter(|time| !time.is_zero()).map(Self).ok_or_else(wrong)
    }
}

impl serde::Serialize for TimeLimit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}ms", self.0.as_millis()))
    }
}

impl JsonSchema for TimeLimit {
    fn schema_name() -> Cow<'static, str> {
        "TimeLimit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9]+(ms|s|m|h|d))+$",
            "x-noun": "a time such as `90s`, `6h` or `1h30m`"
        })
    }
}

/// Reads `1h30m` and the like; units may each stand once or more, in any order.
#[must_use]
pub fn time(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let time = match &rest[..letters] {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            "d" => Duration::from_secs(number.checked_mul(86_400)?),
            _ => return None,
        };
        total = total.checked_add(time)?;
        rest = rest[letters..].trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let secs = |text| time(text).map(|time| time.as_secs_f64());
        assert_eq!(secs("90s"), Some(90.0));
        assert_eq!(secs("1h30m"), Some(5400.0));
        assert_eq!(secs("2d 1h"), Some(176_400.0));
        assert_eq!(secs("500ms"), Some(0.5));
        for text in ["", "6", "h", "6 h", "-1s", "1.5h", "6x", "99999999999999999999d"] {
            assert_eq!(secs(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes() {
        assert_eq!(size("8 GiB"), Some(8 << 30));
        assert_eq!(size("10GB"), Some(10_000_000_000));
        for text in ["8", "GiB", "8 gib", "-1 B", "99999999999999 TiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
