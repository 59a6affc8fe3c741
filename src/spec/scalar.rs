//! Scalars: what unquoted words mean, by the core schema of YAML 1.2.
//!
//! `yes`, `on` and `012` are what they look like there: text, text and twelve. One thing more is a number:
//! `12_000_000`, with groups of three digits, as people write the sizes of networks.

use super::Value;

/// The value of an unquoted word.
pub(super) fn resolve(word: &str) -> Value {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        _ => number(word).unwrap_or_else(|| Value::Text(word.to_owned())),
    }
}

fn number(word: &str) -> Option<Value> {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Some(digits) = word.strip_prefix("0x") {
        return whole(digits, 16);
    }
    if let Some(digits) = word.strip_prefix("0o") {
        return whole(digits, 8);
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        // A whole number too large for 64 bits becomes a float, which binding refuses as inexact.
        return word.parse().map(Value::Int).ok().or_else(|| word.parse().map(Value::Float).ok());
    }
    if is_grouped(unsigned) {
        return word.replace('_', "").parse().map(Value::Int).ok();
    }
    is_float(unsigned).then(|| word.parse().map(Value::Float).ok())?
}

/// `[0-9]{1,3}(_[0-9]{3})+`; other underscores are text, `2024_01` is no number.
fn is_grouped(unsigned: &str) -> bool {
    let digits = |group: &str| group.bytes().all(|b| b.is_ascii_digit());
    let mut groups = unsigned.split('_');
    let first = groups.next().unwrap_or_default();
    let mut groups = groups.peekable();
    groups.peek().is_some()
        && (1..=3).contains(&first.len())
        && digits(first)
        && groups.all(|group| group.len() == 3 && digits(group))
}

fn whole(digits: &str, radix: u32) -> Option<Value> {
    let is_digits = digits.chars().all(|c| c.is_digit(radix));
    is_digits.then(|| i64::from_str_radix(digits, radix).ok())?.map(Value::Int)
}

/// `[0-9]+(\.[0-9]*)?` or `\.[0-9]+`, then perhaps `[eE][-+]?[0-9]+`.
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (left, right) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    !(left.is_empty() && right.is_empty()) && digits(left) && digits(right) && has_exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_yaml_1_2_says() {
        let cases = [
            ("", Value::Null),
            ("~", Value::Null),
            ("true", Value::Bool(true)),
            ("yes", Value::Text("yes".into())),
            ("12", Value::Int(12)),
            ("-7", Value::Int(-7)),
            ("+7", Value::Int(7)),
            ("012", Value::Int(12)),
            ("0x1f", Value::Int(31)),
            ("0o17", Value::Int(15)),
            ("-12_000_000", Value::Int(-12_000_000)),
            ("2024_01", Value::Text("2024_01".into())),
            ("1000_000", Value::Text("1000_000".into())),
            ("1_000_", Value::Text("1_000_".into())),
            ("12345678901234567890_000", Value::Text("12345678901234567890_000".into())),
            ("2e1", Value::Float(20.0)),
            (".5", Value::Float(0.5)),
            ("1.", Value::Float(1.0)),
            ("1e", Value::Text("1e".into())),
            (".", Value::Text(".".into())),
            ("-", Value::Text("-".into())),
            ("1.2.3", Value::Text("1.2.3".into())),
            ("6h", Value::Text("6h".into())),
            ("inf", Value::Text("inf".into())),
            ("nan", Value::Text("nan".into())),
            ("-.inf", Value::Float(f64::NEG_INFINITY)),
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("18446744073709551615", Value::Float(18_446_744_073_709_551_615.0)),
        ];
        for (word, value) in cases {
            assert_eq!(resolve(word), value, "{word}");
        }
    }
}
