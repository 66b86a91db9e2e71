//! The subscribers of a run, and what becomes of one that cannot write.

use std::io;

use airtight_manifest::Diagnostic;

use super::event::{Event, Subscriber};

/// Tells every subscriber every event, until it fails.
pub(super) struct Subscribers<'s, 'a> {
    members: Vec<Option<&'s mut (dyn Subscriber + 'a)>>,
    /// What subscribers could not write; a report that is missing must not look like a run that passed.
    pub(super) failures: Vec<Diagnostic>,
}

impl<'s, 'a> Subscribers<'s, 'a> {
    pub(super) fn new(subscribers: &'s mut [&'a mut dyn Subscriber]) -> Self
    where
        'a: 's,
    {
        let members = subscribers.iter_mut().map(|subscriber| Some(&mut **subscriber as &mut dyn Subscriber)).collect();
        Self { members, failures: Vec::new() }
    }

    /// Tells an event. A reader that closed its pipe has seen enough, and is left alone from then on.
    pub(super) fn tell(&mut self, event: &Event<'_>) {
        for member in &mut self.members {
            let Some(subscriber) = member else { continue };
            if let Err(error) = subscriber.event(event) {
                if error.kind() != io::ErrorKind::BrokenPipe {
                    self.failures.push(
                        Diagnostic::error("report", format!("a report could not be written: {error}"))
                            .hint("check that its folder exists, can be written to and has room"),
                    );
                }
                *member = None;
            }
        }
    }
}
