//! A cluster for tests, which answers each path by one rule.

use std::time::Duration;

use airtight_cluster::{ApiAnswer, ApiCall, Cluster, Container, Execution};
use airtight_manifest::Failure;
use serde_json::Value;

/// Answers by path: status and body.
pub(crate) struct Scripted<F>(pub(crate) F);

impl<F: Fn(&str) -> (u16, Value) + Sync> Cluster for Scripted<F> {
    fn send(&self, call: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
        let (status, body) = self.0(call.path);
        Ok(ApiAnswer { status, body })
    }

    fn exec(&self, _: &Container, _: &[&str], _: &[u8], _: Duration) -> Result<Execution, Failure> {
        unreachable!("nothing is run")
    }

    fn logs(&self, _: &Container, _: jiff::Timestamp) -> Result<String, Failure> {
        unreachable!("nothing is read")
    }
}
