//! A run on a terminal: progress, what is not as it should be, and one line of counts.

use std::io::{self, Write};
use std::path::PathBuf;

use airtight_manifest::{Diagnostic, Severity};
use airtight_matrix::run::{CanaryRecord, CaseRecord, Event, ExitStatus, RunRecord, StackRecord, Subscriber};

use super::cases;
use super::progress::Progress;
use super::style::Style;
use crate::cause::groups;
use crate::skip::{Skips, skips};
use crate::standing::Standing;
use crate::text::{count, duration, one_line, visible};
use crate::wording::{counts, headline, is_uncovered, list, status_word, uncovered, uncovered_words};

/// Tells a run to people: progress, then everything that is not as it should be, then one line of counts.
///
/// ```
/// use airtight_report::{Style, Terminal, replay};
/// # fn of(record: &airtight_matrix::run::RunRecord) -> std::io::Result<()> {
/// let mut terminal = Terminal::new(std::io::stdout(), Style::of(&std::io::stdout()));
/// replay(record, &mut terminal)?;
/// terminal.written(&["report/report.html".into()])
/// # }
/// ```
#[derive(Debug)]
pub struct Terminal<W> {
    out: W,
    style: Style,
    progress: Progress,
}

impl<W: Write> Terminal<W> {
    /// A terminal (or pipe) to write to.
    pub fn new(out: W, style: Style) -> Self {
        Self { out, style, progress: Progress::default() }
    }

    /// Says where report files were written.
    ///
    /// # Errors
    /// The stream's.
    pub fn written(&mut self, paths: &[PathBuf]) -> io::Result<()> {
        for path in paths {
            let path = path.display().to_string();
            writeln!(self.out, "{} {}", self.style.dim("report"), visible(&path))?;
        }
        self.out.flush()
    }

    /// The stream.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn started(&mut self, testbed: &str, stack: &StackRecord, cases: usize, manifests: &str) -> io::Result<()> {
        self.progress.expect(cases);
        let title = format!("airtight: {} on {}", count(cases, "case", "cases"), one_line(testbed));
        writeln!(self.out, "{}", self.style.bold(&title))?;
        let versions = list(stack.versions.iter().map(|(name, version)| format!("{name} {version}")));
        let stack = if versions.is_empty() { one_line(&stack.name) } else { format!("{}: {versions}", stack.name) };
        self.field("stack", &stack)?;
        self.field("loaded", manifests)
    }

    fn canary(&mut self, canary: &CanaryRecord) -> io::Result<()> {
        if canary.enforces {
            self.field("canary", &format!("the testbed enforces: {}", canary.detail))
        } else {
            let text = format!("canary: the testbed does not enforce: {}", one_line(&canary.detail));
            writeln!(self.out, "{}", self.style.red(&text))
        }
    }

    fn finding(&mut self, finding: &Diagnostic) -> io::Result<()> {
        self.progress.clear(&mut self.out, self.style)?;
        let word = format!("{}[{}]", severity_word(finding.severity), one_line(&finding.code));
        let word = match finding.severity {
            Severity::Note => self.style.cyan(&word),
            Severity::Warning => self.style.yellow(&word),
            Severity::Error => self.style.red(&word),
        };
        writeln!(self.out, "{word} {}", one_line(&finding.message))?;
        if let Some(location) = &finding.location {
            writeln!(self.out, "  {} {}", self.style.dim("at"), one_line(&location.to_string()))?;
        }
        match &finding.hint {
            Some(hint) => self.field("hint", hint),
            None => Ok(()),
        }
    }

    fn finished(&mut self, record: &RunRecord) -> io::Result<()> {
        self.progress.finish(&mut self.out, self.style)?;
        self.skipped(record)?;
        self.cases(record, Standing::Waived)?;
        self.flaky(record)?;
        self.uncovered(record)?;
        self.causes(record)?;
        self.conclusion(record)
    }

    fn stopped(&mut self, judged: usize) -> io::Result<()> {
        self.progress.finish(&mut self.out, self.style)?;
        let after = count(judged, "judged case", "judged cases");
        let text = format!("ended by the user after {after}: this run proves nothing, and no report is written");
        writeln!(self.out, "\n{}", self.style.yellow(&text))?;
        self.out.flush()
    }

    /// What was not tried, by reason.
    fn skipped(&mut self, record: &RunRecord) -> io::Result<()> {
        let all = skips(&record.cases);
        if all.is_empty() {
            return Ok(());
        }
        self.section("skipped, by reason", all.iter().map(Skips::count).sum())?;
        for skips in all {
            self.out.write_all(cases::tell_skips(&skips, self.style).as_bytes())?;
        }
        Ok(())
    }

    /// The cases of one standing, each told as its standing needs it.
    fn cases(&mut self, record: &RunRecord, standing: Standing) -> io::Result<()> {
        let cases: Vec<&CaseRecord> = record.cases.iter().filter(|case| Standing::of(case) == standing).collect();
        if cases.is_empty() {
            return Ok(());
        }
        self.section(standing.word(), cases.len())?;
        for case in cases {
            self.out.write_all(cases::tell(case, self.style).as_bytes())?;
        }
        Ok(())
    }

    /// Failed and inconclusive cases by their causes, the severest first.
    fn causes(&mut self, record: &RunRecord) -> io::Result<()> {
        let groups = groups(record);
        if groups.is_empty() {
            return Ok(());
        }
        self.section("what did not pass, by cause", groups.len())?;
        for (index, group) in groups.iter().enumerate() {
            if index > 0 {
                writeln!(self.out)?;
            }
            self.out.write_all(cases::tell_group(group, self.style).as_bytes())?;
        }
        Ok(())
    }

    fn flaky(&mut self, record: &RunRecord) -> io::Result<()> {
        let flaky: Vec<&CaseRecord> = record.cases.iter().filter(|case| case.judgement.flaky).collect();
        if flaky.is_empty() {
            return Ok(());
        }
        self.section("flaky", flaky.len())?;
        for case in flaky {
            let attempts = case.observation.as_ref().map_or(0, |observation| observation.attempts);
            let title = one_line(&case.case.title);
            writeln!(self.out, "  {} {title}: passed at attempt {attempts}", self.style.yellow(&case.case.id))?;
        }
        Ok(())
    }

    fn uncovered(&mut self, record: &RunRecord) -> io::Result<()> {
        let (listed, sums) = uncovered(record);
        let number = record.policies.iter().filter(|policy| is_uncovered(policy)).count();
        if number == 0 {
            return Ok(());
        }
        self.section("policy objects that no case notices", number)?;
        let listed = listed.into_iter();
        let texts = listed.map(|policy| format!("{}: {}", one_line(&policy.rule.to_string()), uncovered_words(policy)));
        for text in texts.chain(sums) {
            writeln!(self.out, "  {}", self.style.wrap(&text, 4))?;
        }
        Ok(())
    }

    fn conclusion(&mut self, record: &RunRecord) -> io::Result<()> {
        let status = record.summary.status;
        let line = format!("{} ({}, exit code {})", headline(record), status_word(status), status.code());
        let line = match status {
            ExitStatus::Passed => self.style.green(&line),
            ExitStatus::Inconclusive => self.style.yellow(&line),
            ExitStatus::Failed | ExitStatus::InputError | ExitStatus::NothingSelected | ExitStatus::NoTestbed => {
                self.style.red(&line)
            }
        };
        writeln!(self.out, "\n{line}")?;
        writeln!(self.out, "{} in {}", counts(record), duration(record.duration_ms))?;
        self.out.flush()
    }

    fn section(&mut self, title: &str, number: usize) -> io::Result<()> {
        writeln!(self.out, "\n{}", self.style.bold(&format!("{title} ({number})")))
    }

    fn field(&mut self, name: &str, text: &str) -> io::Result<()> {
        let text = self.style.wrap(&one_line(text), 10);
        writeln!(self.out, "  {} {text}", self.style.dim(&format!("{name:<7}")))
    }
}

impl<W: Write> Subscriber for Terminal<W> {
    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Started { testbed, stack, cases, manifests } => self.started(testbed, stack, *cases, manifests),
            Event::Finding(finding) => self.finding(finding),
            Event::Canary(canary) => self.canary(canary),
            Event::CaseFinished(case) => self.progress.case(&mut self.out, self.style, case),
            Event::Finished(record) => self.finished(record),
            Event::Stopped(judged) => self.stopped(*judged),
        }
    }
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
