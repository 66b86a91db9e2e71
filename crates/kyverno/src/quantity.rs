//! Durations as Go writes them, and Kubernetes quantities.

/// Nanoseconds of a Go duration such as `1h30m` (Go `time.ParseDuration`).
pub(super) fn duration(text: &str) -> Option<i128> {
    let (negative, rest) = sign(text);
    if rest == "0" {
        return Some(0);
    }
    let mut rest = rest;
    let mut total: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let after = &rest[number..];
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let scale = match &after[..unit] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total.checked_add(scaled(&rest[..number], scale)?)?;
        rest = &after[unit..];
    }
    Some(if negative { -total } else { total })
}

/// A Kubernetes quantity such as `500m` or `1.5Gi`, in billionths
/// (apimachinery `pkg/api/resource/quantity.go`).
pub(super) fn quantity(text: &str) -> Option<i128> {
    let (negative, rest) = sign(text);
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let value = scaled(number, suffix_scale(suffix)?)?;
    Some(if negative { -value } else { value })
}

fn sign(text: &str) -> (bool, &str) {
    text.strip_prefix('-').map_or_else(|| (false, text.strip_prefix('+').unwrap_or(text)), |rest| (true, rest))
}

/// Scale of a suffix in billionths.
fn suffix_scale(suffix: &str) -> Option<i128> {
    const UNIT: i128 = 1_000_000_000;
    let binary = |power: u32| UNIT.checked_mul(1024_i128.checked_pow(power)?);
    Some(match suffix {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => UNIT,
        "k" => UNIT * 1_000,
        "M" => UNIT * 1_000_000,
        "G" => UNIT * 1_000_000_000,
        "T" => UNIT * 1_000_000_000_000,
        "P" => UNIT * 1_000_000_000_000_000,
        "E" => UNIT * 1_000_000_000_000_000_000,
        "Ki" => binary(1)?,
        "Mi" => binary(2)?,
        "Gi" => binary(3)?,
        "Ti" => binary(4)?,
        "Pi" => binary(5)?,
        "Ei" => binary(6)?,
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            10_i128.checked_pow(u32::try_from(power.checked_add(9)?).ok()?)?
        }
    })
}

/// A decimal number times `scale`, rounded up as quantities are.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(scale)?;
    if !fraction.is_empty() {
        let digits: i128 = fraction.get(..fraction.len().min(18))?.parse().ok()?;
        let unit = 10_i128.pow(u32::try_from(fraction.len().min(18)).ok()?);
        let scaled = digits.checked_mul(scale)?;
        total = total.checked_add(scaled.div_euclid(unit) + i128::from(scaled % unit != 0))?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_and_durations() {
        assert_eq!(quantity("500m"), Some(500_000_000));
        assert_eq!(quantity("0.5"), quantity("500m"));
        assert_eq!(quantity("1Gi"), quantity("1024Mi"));
        assert_eq!(quantity("1e3"), quantity("1k"));
        assert_eq!(quantity("abc"), None);
        assert_eq!(quantity(""), None);
        assert_eq!(duration("1h30m"), duration("90m"));
        assert_eq!(duration("1.5s"), Some(1_500_000_000));
        assert_eq!(duration("5"), None);
        assert_eq!(duration("10Mi"), None);
    }
}
