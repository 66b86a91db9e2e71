//! Things that are made unless they are there, and never taken from somebody else.

use super::step::Work;
use crate::docker::Docker;
use crate::failure::StepFailure;
use crate::plan::{Action, Ensure};
use crate::program::Bounds;
use crate::state::{Progress, Record};

/// What the question about a thing found.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    AsItShouldBe,
    Otherwise(String),
    Foreign(String),
}

/// What is done about it.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    Make,
    MakeAnew,
    Refuse(StepFailure),
}

pub(super) fn is_as_it_should_be(wanted: &Ensure, docker: &Docker, bounds: Bounds<'_>) -> bool {
    matches!(look(wanted, docker, bounds), Ok(Found::AsItShouldBe))
}

pub(super) fn ensure(wanted: &Ensure, work: &Work<'_>, bounds: Bounds<'_>) -> Result<(), StepFailure> {
    // Who was started with a former certificate still shows it.
    let prior = work.prior.filter(|_| !work.step.actions.iter().any(|action| matches!(action, Action::Certify(_))));
    match verdict(wanted, look(wanted, work.executor.docker, bounds)?, prior, work.digest) {
        Verdict::Keep => return Ok(()),
        Verdict::Make => {}
        Verdict::MakeAnew => wanted.remove.iter().try_for_each(|remove| work.invoke(remove, bounds))?,
        Verdict::Refuse(failure) => return Err(failure),
    }
    if wanted.make.is_empty() {
        return Err(StepFailure::new(
            "not-there",
            format!("{} is not on this machine, and may not be pulled", wanted.what),
            "load it with `docker load`, give --image-archive, or leave --no-pull out",
        ));
    }
    for call in &wanted.make {
        work.patiently(bounds, || work.invoke(call, bounds))?;
    }
    Ok(())
}

fn look(wanted: &Ensure, docker: &Docker, bounds: Bounds<'_>) -> Result<Found, StepFailure> {
    let said = docker.look(&wanted.ask, bounds)?;
    Ok(said.map_or(Found::Nothing, |said| classify(wanted, &said)))
}

fn classify(wanted: &Ensure, said: &str) -> Found {
    let mut lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    let found = lines.join("\n");
    let ours = |word: &String| lines.iter().all(|line| line.split_whitespace().any(|part| part == word));
    match (&wanted.expect, &wanted.ours) {
        _ if lines.is_empty() => Found::Nothing,
        (None, _) => Found::AsItShouldBe,
        (Some(expected), _) if *expected == found => Found::AsItShouldBe,
        (Some(_), Some(word)) if !ours(word) => Found::Foreign(found),
        (Some(_), _) => Found::Otherwise(found),
    }
}

fn verdict(wanted: &Ensure, found: Found, prior: Option<&Record>, digest: &str) -> Verdict {
    let same = prior.is_some_and(|record| record.digest == digest);
    let done = prior.is_some_and(|record| record.progress == Progress::Done);
    match found {
        Found::Nothing => Verdict::Make,
        Found::Foreign(found) => Verdict::Refuse(foreign(wanted, &found)),
        // What can only be kept is kept.
        Found::AsItShouldBe if wanted.remove.is_none() || (done && same) => Verdict::Keep,
        Found::AsItShouldBe | Found::Otherwise(_) if !wanted.guarded => Verdict::MakeAnew,
        // It was left half-made, by us.
        Found::AsItShouldBe | Found::Otherwise(_) if prior.is_some() && !done && wanted.remove.is_some() => {
            Verdict::MakeAnew
        }
        Found::AsItShouldBe => Verdict::Refuse(differs(wanted, prior)),
        Found::Otherwise(found) => Verdict::Refuse(changed(wanted, &found)),
    }
}

fn foreign(wanted: &Ensure, found: &str) -> StepFailure {
    let message = format!("{} is there already and not ours (found `{}`)", wanted.what, found.replace('\n', ", "));
    StepFailure::new("foreign", message, "choose another --name; what is not ours is never touched")
}

fn differs(wanted: &Ensure, prior: Option<&Record>) -> StepFailure {
    let why =
        if prior.is_some() { "was made with other settings" } else { "is there, and no record says how it was made" };
    StepFailure::new(
        "differs",
        format!("{} {why}", wanted.what),
        "`airtight down` removes it, `airtight up` then makes it anew",
    )
}

fn changed(wanted: &Ensure, found: &str) -> StepFailure {
    let expected = wanted.expect.as_deref().unwrap_or_default().replace('\n', ", ");
    let message =
        format!("{} is not as it was made: found `{}` instead of `{expected}`", wanted.what, found.replace('\n', ", "));
    StepFailure::new(
        "changed",
        message,
        "start what was stopped with `docker start`, or `airtight down` and `airtight up`; another --subnet needs another --name",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker_call::DockerThing;
    use crate::invocation::Invocation;
    use crate::program::Program;

    fn cluster() -> Ensure {
        let call = || Invocation::from(Program::Kind.call(["version"]));
        Ensure {
            what: "kind cluster a".to_owned(),
            ask: DockerThing::Nodes("a".to_owned()),
            ours: Some("airtight-a".to_owned()),
            expect: Some("a-control-plane airtight-a running\na-worker airtight-a running".to_owned()),
            remove: Some(call()),
            make: vec![call()],
            guarded: true,
        }
    }

    fn record(progress: Progress, digest: &str) -> Record {
        Record { progress, digest: digest.to_owned(), seconds: 0, failure: None }
    }

    const WHOLE: &str = "a-worker airtight-a running\na-control-plane airtight-a running\n";

    #[test]
    fn the_order_of_an_answer_does_not_matter() {
        assert_eq!(classify(&cluster(), WHOLE), Found::AsItShouldBe);
    }

    #[test]
    fn what_is_done_with_the_same_content_is_kept() {
        let done = record(Progress::Done, "x");
        assert_eq!(verdict(&cluster(), Found::AsItShouldBe, Some(&done), "x"), Verdict::Keep);
    }

    #[test]
    fn a_cluster_left_half_made_is_made_anew() {
        let half = classify(&cluster(), "a-control-plane airtight-a running\n");
        let begun = record(Progress::Begun, "x");
        assert_eq!(verdict(&cluster(), half, Some(&begun), "x"), Verdict::MakeAnew);
    }

    #[test]
    fn a_cluster_of_other_settings_is_never_removed_unasked() {
        let done = record(Progress::Done, "old");
        let Verdict::Refuse(failure) = verdict(&cluster(), Found::AsItShouldBe, Some(&done), "new") else { panic!() };
        assert_eq!(failure.code, "differs");
        let Verdict::Refuse(failure) = verdict(&cluster(), Found::AsItShouldBe, None, "new") else { panic!() };
        assert_eq!(failure.code, "differs");
    }

    #[test]
    fn a_cluster_on_another_network_is_not_ours() {
        let found = classify(&cluster(), "a-control-plane kind running\n");
        let begun = record(Progress::Begun, "x");
        let Verdict::Refuse(failure) = verdict(&cluster(), found, Some(&begun), "x") else { panic!() };
        assert_eq!(failure.code, "foreign");
    }

    #[test]
    fn stopped_nodes_are_told_apart_from_foreign_ones() {
        let found = classify(&cluster(), "a-control-plane airtight-a exited\na-worker airtight-a running\n");
        let done = record(Progress::Done, "x");
        let Verdict::Refuse(failure) = verdict(&cluster(), found, Some(&done), "x") else { panic!() };
        assert_eq!(failure.code, "changed");
    }
}
