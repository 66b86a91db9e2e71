//! Quantities (apimachinery `pkg/api/resource/quantity.go`).

/// The number that a quantity stands for; none for a text that is none.
pub(super) fn quantity(text: &str) -> Option<f64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    // Divided and not multiplied by a thousandth: `700m` is `0.7` to the last bit.
    let number: f64 = number.parse().ok()?;
    let value = match suffix {
        "" => number,
        "n" => number / 1e9,
        "u" => number / 1e6,
        "m" => number / 1e3,
        "k" => number * 1e3,
        "M" => number * 1e6,
        "G" => number * 1e9,
        "T" => number * 1e12,
        "P" => number * 1e15,
        "E" => number * 1e18,
        "Ki" => number * 1024f64,
        "Mi" => number * 1024f64.powi(2),
        "Gi" => number * 1024f64.powi(3),
        "Ti" => number * 1024f64.powi(4),
        "Pi" => number * 1024f64.powi(5),
        "Ei" => number * 1024f64.powi(6),
        exponent => number * 10f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_suffixes() {
        for (text, expected) in [
            ("1", Some(1.0)),
            ("700m", Some(0.7)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("+2Ki", Some(2048.0)),
            ("-1k", Some(-1000.0)),
            ("1e3", Some(1000.0)),
            ("1E-1", Some(0.1)),
            ("1E", Some(1e18)),
            ("", None),
            (".", None),
            ("1.2.3", None),
            ("foo", None),
            ("1 Gi", None),
            ("1gi", None),
            ("1e", None),
        ] {
            assert_eq!(quantity(text), expected, "{text}");
        }
    }
}
