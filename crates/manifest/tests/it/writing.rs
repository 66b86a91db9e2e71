//! What is written as YAML is read back as the same value, whatever its texts look like.

use std::sync::Arc;

use airtight_manifest::yaml;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Texts in which YAML has signs of its own.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-%*&!|>@`\"'#{}\\[\\],:? \n\t~a0.]{0,12}",
        "[%*&!|>@`'\"-][a-z ]{90,120}",
        Just("yes".to_owned()),
        Just("0x1F".to_owned()),
        Just("2026-01-01".to_owned()),
        Just("---".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![text().prop_map(Value::from), any::<i64>().prop_map(Value::from), Just(Value::Null)];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(text(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #![proptest_config(airtight_testkit::random::cases(256))]

    #[test]
    fn whatever_is_written_is_read_back(value in value()) {
        let value = json!({ "value": value });
        let text = yaml::to_string(&value).unwrap();
        // JSON holds what YAML 1.1 has no characters for.
        let read: Value = match yaml::parse(&Arc::from("written"), &text) {
            Ok(documents) => documents[0].root.to_json(),
            Err(_) => serde_json::from_str(&text).unwrap(),
        };
        prop_assert_eq!(read, value, "{}", text);
    }
}
