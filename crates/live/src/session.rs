//! A session: all flows of a round that start from one place.

use std::collections::BTreeMap;
use std::time::Duration;

use airtight_cluster::{Cluster, Ended, Execution};
use airtight_probe::wire;

use crate::options::{AT_A_TIME, Options};
use crate::origin::Origin;
use crate::outside::{self, Outside};

/// The flows that start from each place, by their number in the round.
pub(super) type Jobs = BTreeMap<Origin, Vec<Job>>;

/// One flow to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    /// Its number in the round.
    pub(super) number: usize,
    pub(super) what: wire::Attempt,
    /// Through which tunnel of the mesh it goes.
    pub(super) tunnel: Option<wire::Tunnel>,
}

impl Job {
    /// A flow that is dialled as it stands.
    pub(super) fn plain(number: usize, what: wire::Attempt) -> Self {
        Self { number, what, tunnel: None }
    }
}

/// A flow's own answer, and the line in which it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) answer: wire::Answer,
    pub(super) line: String,
}

/// What came of each flow, by its number: its own answer, or why it has none.
pub(super) type Answers = BTreeMap<usize, Result<Answered, String>>;

/// Runs one session for each place, side by side, so that a round takes as long as its longest session.
pub(super) fn round(cluster: &dyn Cluster, options: &Options, jobs: &Jobs) -> Answers {
    std::thread::scope(|scope| {
        let sessions: Vec<_> = jobs
            .iter()
            .map(|(place, flows)| (flows, scope.spawn(move || session(cluster, options, place, flows))))
            .collect();
        let answers = sessions.into_iter().flat_map(|(flows, session)| {
            session.join().unwrap_or_else(|_| {
                flows.iter().map(|job| (job.number, Err("its session panicked".to_owned()))).collect()
            })
        });
        answers.collect()
    })
}

fn session(cluster: &dyn Cluster, options: &Options, place: &Origin, flows: &[Job]) -> Answers {
    let outcome = match input(options, flows) {
        Ok(input) => dial(cluster, options, place, input.as_bytes(), options.session(flows.len())),
        Err(error) => Err(format!("a flow cannot be written: {error}")),
    };
    match outcome {
        Ok(execution) => read(&execution, flows, place),
        Err(why) => flows.iter().map(|job| (job.number, Err(format!("no session: {why}")))).collect(),
    }
}

fn dial(
    cluster: &dyn Cluster,
    options: &Options,
    place: &Origin,
    input: &[u8],
    within: Duration,
) -> Result<Execution, String> {
    let concurrency = AT_A_TIME.to_string();
    let arguments = ["dial", "--concurrency", &concurrency];
    match (place, &options.outside) {
        (Origin::Pod(container), _) => {
            let command = [&[options.program.as_str()], &arguments[..]].concat();
            cluster.exec(container, &command, input, within).map_err(|error| error.to_string())
        }
        (Origin::Outside, Outside::Probe(probe)) => outside::run(cluster, probe, &arguments, input, within),
        (Origin::Outside, Outside::Nowhere(why)) => Err(why.clone()),
    }
}

fn input(options: &Options, flows: &[Job]) -> serde_json::Result<String> {
    let mut input = String::new();
    for job in flows {
        let flow = wire::Flow {
            id: job.number.to_string(),
            attempt: job.what.clone(),
            deadline_ms: options.deadline_ms(),
            resolver: None,
            tunnel: job.tunnel.clone(),
        };
        input.push_str(&serde_json::to_string(&flow)?);
        input.push('\n');
    }
    Ok(input)
}

/// Gives each flow its own answer. What is anybody else's, or nobody's, explains why a flow has none.
fn read(execution: &Execution, flows: &[Job], place: &Origin) -> Answers {
    let mut own: BTreeMap<usize, Vec<Answered>> = BTreeMap::new();
    let mut odd = Vec::new();
    for line in String::from_utf8_lossy(&execution.stdout).lines().filter(|line| !line.trim().is_empty()) {
        match of_line(line, flows) {
            Ok((number, answered)) => own.entry(number).or_default().push(answered),
            Err(why) => odd.push(why),
        }
    }
    let why = why_none(execution, &odd, place);
    let single = |number: &usize| match own.remove(number).as_deref() {
        Some([answered]) => Ok(answered.clone()),
        Some([]) | None => Err(why.clone()),
        Some(several) => Err(format!("it was answered {} times", several.len())),
    };
    let mut single = single;
    flows.iter().map(|job| (job.number, single(&job.number))).collect()
}

/// The flow that a line answers: its id and its line number must name the same.
fn of_line(line: &str, flows: &[Job]) -> Result<(usize, Answered), String> {
    let answer: wire::Answer =
        serde_json::from_str(line).map_err(|error| format!("a line is no answer ({error}): {}", excerpt(line)))?;
    let asked = usize::try_from(answer.line).ok().and_then(|line| flows.get(line.checked_sub(1)?));
    match (asked, &answer.id) {
        (Some(Job { number, .. }), Some(id)) if *id == number.to_string() => {
            Ok((*number, Answered { answer, line: line.to_owned() }))
        }
        (Some(_) | None, id) => {
            let id = id.as_deref().unwrap_or("none");
            Err(format!("an answer (id {id}, line {}) is to no flow of this session", answer.line))
        }
    }
}

fn why_none(execution: &Execution, odd: &[String], place: &Origin) -> String {
    let ended = match &execution.ended {
        Ended::Status(0) => format!("the probe in {place} ended without an answer to it"),
        Ended::Status(status) => format!("the probe in {place} ended with status {status}"),
        Ended::Cut(why) => format!("the session in {place} was cut: {why}"),
    };
    let stderr = String::from_utf8_lossy(&execution.stderr);
    let said = Some(stderr.trim()).filter(|said| !said.is_empty()).map(|said| format!("it wrote: {}", excerpt(said)));
    std::iter::once(ended).chain(odd.iter().take(1).cloned()).chain(said).collect::<Vec<_>>().join("; ")
}

fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, number: u64) -> String {
        format!(
            r#"{{"id":"{id}","line":{number},"outcome":"timeout","phase":"connect","startedUnixUs":1,"timing":{{"totalUs":1}}}}"#
        )
    }

    fn flows() -> Vec<Job> {
        let lookup = wire::Attempt::Lookup(wire::Lookups { name: "a".to_owned(), family: wire::Family::Any });
        vec![Job::plain(3, lookup.clone()), Job::plain(7, lookup)]
    }

    fn answers(stdout: &str, ended: Ended) -> Answers {
        let place = Origin::Outside;
        let execution = Execution { stdout: stdout.as_bytes().to_vec(), stderr: b"oops".to_vec(), ended };
        read(&execution, &flows(), &place)
    }

    fn why(answers: &Answers, number: usize) -> &str {
        answers[&number].as_ref().unwrap_err()
    }

    #[test]
    fn answers_are_matched_by_id() {
        let answers = answers(&format!("{}\n{}\n", line("7", 2), line("3", 1)), Ended::Status(0));
        assert!(answers.values().all(Result::is_ok));
    }

    #[test]
    fn what_is_nobodys_answer_is_no_answer() {
        for (stdout, part) in [
            (line("8", 2), "is to no flow"),
            (line("7", 1), "is to no flow"),
            (line("7", 0), "is to no flow"),
            (line("7", 2).replace("\"7\"", "null"), "is to no flow"),
            ("{\"id\":\"7\"".to_owned(), "a line is no answer"),
            (format!("{}\n{}", line("7", 2), line("7", 2)), "answered 2 times"),
            (String::new(), "without an answer"),
        ] {
            let answers = answers(&stdout, Ended::Status(0));
            assert!(why(&answers, 7).contains(part), "{stdout}: {}", why(&answers, 7));
        }
    }

    #[test]
    fn a_session_that_dies_leaves_what_it_had_answered() {
        for (ended, part) in [(Ended::Status(137), "status 137"), (Ended::Cut("gone".to_owned()), "was cut: gone")] {
            let answers = answers(&line("3", 1), ended);
            assert!(answers[&3].is_ok());
            assert!(why(&answers, 7).contains(part) && why(&answers, 7).contains("oops"));
        }
    }
}
