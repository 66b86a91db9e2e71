//! Schedules of CronJobs, as the CronJob controller's parser reads them (github.com/robfig/cron/v3 `parser.go`,
//! `ParseStandard`).

use std::ops::RangeInclusive;

/// Name, bounds and words of each field.
const FIELDS: [(&str, RangeInclusive<u32>, &[&str]); 5] = [
    ("minute", 0..=59, &[]),
    ("hour", 0..=23, &[]),
    ("day of the month", 1..=31, &[]),
    ("month", 1..=12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    ("day of the week", 0..=6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

const DESCRIPTORS: &[&str] = &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Why a text is no schedule; none if it is one.
pub(super) fn no_schedule(text: &str) -> Option<String> {
    if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
        return Some("a time zone belongs to timeZone".to_owned());
    }
    if text.starts_with('@') {
        let known = DESCRIPTORS.contains(&text) || text.strip_prefix("@every ").is_some_and(|every| !every.is_empty());
        return (!known).then(|| format!("\"{text}\" is not known: {}, @every DURATION", DESCRIPTORS.join(", ")));
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Some("five fields are expected: minute, hour, day of the month, month, day of the week".to_owned());
    }
    FIELDS.iter().zip(fields).find_map(|((name, bounds, words), field)| {
        let wrong = field.split(',').find(|item| !is_item(item, bounds, words))?;
        Some(format!("\"{wrong}\" is no {name} ({} to {})", bounds.start(), bounds.end()))
    })
}

/// `*`, `n`, `n-m`, each with `/step`.
fn is_item(item: &str, bounds: &RangeInclusive<u32>, words: &[&str]) -> bool {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let stepped = step.is_none_or(|step| step.parse::<u32>().is_ok_and(|step| step > 0));
    let number = |text: &str| value(text, *bounds.start(), words).filter(|number| bounds.contains(number));
    let ranged = match range.split_once('-') {
        _ if matches!(range, "*" | "?") => true,
        Some((first, last)) => matches!((number(first), number(last)), (Some(first), Some(last)) if first <= last),
        None => number(range).is_some(),
    };
    stepped && ranged
}

/// A number, or a word for one.
fn value(text: &str, first: u32, words: &[&str]) -> Option<u32> {
    let word = words.iter().zip(first..).find(|(word, _)| text.eq_ignore_ascii_case(word));
    word.map(|(_, number)| number).or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_controller_reads() {
        for text in ["*/5 * * * *", "0 6 * * 1-5", "0,30 0-6/2 1 JAN sun", "@hourly", "@every 1h30m", "0 0 ? * *"] {
            assert_eq!(no_schedule(text), None, "{text}");
        }
        for text in ["99 6 * * 1", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 7", "5-1 * * * *", "*/0 * * * *"] {
            assert!(no_schedule(text).is_some(), "{text}");
        }
        for text in ["* * * *", "@sometimes", "TZ=UTC 0 0 * * *", "a * * * *", "@every "] {
            assert!(no_schedule(text).is_some(), "{text}");
        }
    }
}
