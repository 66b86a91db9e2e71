//! Ids that other formats ask for: UUIDs of version 5, so that the same name has the same id wherever it is written.

use airtight_matrix::run::RunRecord;
use uuid::Uuid;

/// The namespace of every id.
fn namespace() -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"airtight.dev")
}

/// The id of what outlives a run (a component, a control), by what it is and its name.
pub(super) fn lasting(what: &str, name: &str) -> String {
    let kind = Uuid::new_v5(&namespace(), what.as_bytes());
    Uuid::new_v5(&kind, name.as_bytes()).to_string()
}

/// The id of what belongs to one run (an observation, a finding), by what it is and its name.
pub(super) fn of_run(record: &RunRecord, what: &str, name: &str) -> String {
    let run = Uuid::new_v5(&namespace(), format!("run {}", record.id).as_bytes());
    let kind = Uuid::new_v5(&run, what.as_bytes());
    Uuid::new_v5(&kind, name.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_version_5_and_stay() {
        assert_eq!(lasting("component", "cni"), lasting("component", "cni"));
        assert_ne!(lasting("component", "cni"), lasting("control", "cni"));
        let id = lasting("component", "cni").parse::<Uuid>().map(|id| id.get_version_num());
        assert_eq!(id, Ok(5));
    }
}
