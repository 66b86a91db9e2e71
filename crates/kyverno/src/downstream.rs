//! What becomes of generated objects as time goes by (Kyverno `pkg/webhooks/resource/generation/handler.go`,
//! `pkg/background/generate`, `pkg/background/gpol`).

use serde::{Deserialize, Serialize};

/// Something that happens to a generated object, its trigger, its source or its policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DownstreamEvent {
    /// A trigger is admitted that the rule selects.
    TriggerAdmitted,
    /// The policy is created while triggers exist.
    PolicyCreated,
    /// The generated object is deleted.
    Deleted,
    /// The generated object is edited.
    Edited,
    /// The generated object is deleted while the webhook is bypassed or down.
    DeletedUnseen,
    /// The generated object is edited while the webhook is bypassed or down.
    EditedUnseen,
    /// The trigger is edited so that the rule selects it no longer (its match, or its preconditions).
    TriggerReleased,
    /// The trigger is deleted.
    TriggerDeleted,
    /// The source of a clone is edited.
    SourceEdited,
    /// The source of a clone is deleted.
    SourceDeleted,
    /// The policy's data are edited.
    PolicyEdited,
    /// The policy or the rule is deleted.
    PolicyDeleted,
}

/// What becomes of the generated object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DownstreamFate {
    /// It appears some time after the request was answered: the background controller makes it, with at most three
    /// retries, and never while it is down. What happens meanwhile happens without it.
    AppearsLater,
    /// It does not appear.
    NeverAppears,
    /// It stays, or stays as it was left.
    Stays,
    /// It stays gone.
    StaysGone,
    /// The background controller makes it again.
    Recreated,
    /// The background controller makes it as the rule says again, or as source or policy now say.
    Reverted,
    /// The background controller deletes it.
    Deleted,
}

/// What of a generating rule decides the fate of what it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifecycle {
    pub(super) synchronize: bool,
    pub(super) generate_existing: bool,
    pub(super) orphan: bool,
    /// Whether the object is a copy.
    pub(super) clone: bool,
    /// Whether the rule also makes objects when a trigger is deleted.
    pub(super) wants_deletions: bool,
    /// Whether the rule looks at deletions at all: `operations` that leave DELETE out hide them from it.
    pub(super) sees_deletions: bool,
    /// Whether a GeneratingPolicy makes it: it watches what it made, where a ClusterPolicy only sees requests.
    pub(super) watches: bool,
    /// Whether a trigger that is released takes the object with it.
    pub(super) releases: bool,
}

impl Lifecycle {
    pub(super) fn after(self, event: DownstreamEvent) -> DownstreamFate {
        use DownstreamEvent as Event;
        use DownstreamFate as Fate;
        let synchronized = |fate, otherwise| if self.synchronize { fate } else { otherwise };
        match event {
            Event::TriggerAdmitted => Fate::AppearsLater,
            Event::PolicyCreated => {
                if self.generate_existing {
                    Fate::AppearsLater
                } else {
                    Fate::NeverAppears
                }
            }
            // A ClusterPolicy learns of changes from requests only.
            Event::DeletedUnseen if !self.watches => Fate::StaysGone,
            Event::EditedUnseen if !self.watches => Fate::Stays,
            Event::Deleted | Event::DeletedUnseen => synchronized(Fate::Recreated, Fate::StaysGone),
            Event::TriggerReleased if !self.releases => Fate::Stays,
            Event::PolicyDeleted if self.orphan || self.clone => Fate::Stays,
            Event::TriggerDeleted if self.wants_deletions || !self.sees_deletions => Fate::Stays,
            Event::SourceEdited | Event::SourceDeleted if !self.clone => Fate::Stays,
            Event::TriggerReleased | Event::TriggerDeleted | Event::SourceDeleted | Event::PolicyDeleted => {
                synchronized(Fate::Deleted, Fate::Stays)
            }
            Event::Edited | Event::EditedUnseen | Event::SourceEdited | Event::PolicyEdited => {
                synchronized(Fate::Reverted, Fate::Stays)
            }
        }
    }
}
