//! Regular expressions as RE2 reads them, for both ways of asking.

use airtight_manifest::re2;
use airtight_testkit::vectors;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    title: String,
    pattern: String,
    #[serde(default)]
    takes: Vec<String>,
    #[serde(default)]
    leaves: Vec<String>,
    #[serde(default)]
    error: Option<String>,
}

#[test]
fn every_vector_holds() {
    for (_, vector) in vectors::listed::<Vector>("tests/vectors/expressions") {
        let read = re2::search(&vector.pattern);
        if let Some(error) = &vector.error {
            assert_eq!(&read.unwrap_err().to_string(), error, "{}", vector.title);
            assert_eq!(&re2::full_match(&vector.pattern).unwrap_err().to_string(), error, "{}", vector.title);
            continue;
        }
        let read = read.unwrap();
        assert!(vector.takes.iter().all(|text| read.is_match(text)), "{}: does not take all", vector.title);
        assert!(!vector.leaves.iter().any(|text| read.is_match(text)), "{}: takes too much", vector.title);
    }
}

#[test]
fn a_whole_text_is_matched_by_any_alternative() {
    let either = re2::full_match("a|bc").unwrap();
    assert!(either.is_match("a") && either.is_match("bc") && !either.is_match("ac"));
}
