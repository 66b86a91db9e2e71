//! A trace, hop by hop.

use airtight_manifest::RuleRef;
use airtight_model::path::{Check, End, Hop, Trace};
use airtight_model::policy::{Decision, Effect};

use super::style::Style;
use crate::text::one_line;
use crate::wording::{effect_words, list};

/// The way of a flow, hop by hop: wire, checkpoints in order, the rules that decided with their places, and what the
/// client sees at last. Every line ends with a line break.
#[must_use]
pub fn render_trace(trace: &Trace, style: Style) -> String {
    let mut out = format!("{}\n", style.bold(&one_line(&trace.flow.to_string())));
    push_trace(&mut out, trace, style, 2);
    out
}

/// Where a flow ended, or what let it through: of hops and checkpoints before that only that they were passed.
pub(super) fn push_turning_point(out: &mut String, trace: &Trace, style: Style, indent: usize) {
    let mut lines = Lines { out, style, indent };
    let ends = trace.checks().any(|check| check.decision.effect != Effect::Allow);
    for (index, hop) in trace.hops.iter().enumerate() {
        lines.hop(index + 1, hop);
        let passed = hop.checkpoints.iter().take_while(|check| check.decision.effect == Effect::Allow);
        // Of a flow that got through each rule that let it may be the wrong one.
        let (silent, telling): (Vec<&Check>, Vec<&Check>) =
            passed.partition(|check| ends || check.decision.rules.is_empty());
        lines.passed(&silent);
        for check in telling {
            lines.turning(check);
        }
        if let Some(check) = hop.checkpoints.iter().find(|check| check.decision.effect != Effect::Allow) {
            lines.turning(check);
            break;
        }
    }
    lines.end(trace);
}

/// The same without the flow, behind `indent` columns.
fn push_trace(out: &mut String, trace: &Trace, style: Style, indent: usize) {
    let mut lines = Lines { out, style, indent };
    let mut denied = false;
    for (index, hop) in trace.hops.iter().enumerate() {
        lines.hop(index + 1, hop);
        for check in &hop.checkpoints {
            lines.check(check, denied);
            denied |= check.decision.effect == Effect::Deny;
        }
    }
    lines.end(trace);
}

struct Lines<'a> {
    out: &'a mut String,
    style: Style,
    indent: usize,
}

impl Lines<'_> {
    fn hop(&mut self, number: usize, hop: &Hop) {
        let way = format!("hop {number}  {} → {}", one_line(&hop.from), one_line(&hop.to));
        self.line(0, &format!("{}  {}", self.style.bold(&way), self.style.dim(&hop.wire.to_string())));
    }

    fn check(&mut self, check: &Check, behind: bool) {
        let decision = &check.decision;
        let (glyph, words) = (glyph(decision.effect), effect_words(decision.effect, behind));
        let head = format!("{glyph} {} {words}", check.checkpoint);
        let head = match (decision.effect, behind) {
            (_, true) => self.style.dim(&head),
            (Effect::Allow, false) => self.style.green(&head),
            (Effect::Deny, false) => self.style.red(&head),
            (Effect::Unknown, false) => self.style.yellow(&head),
        };
        self.line(2, &format!("{head}  {}", self.style.dim(&decision.reason.to_string())));
        self.wrapped(6, &decision.detail);
        for rule in &decision.rules {
            self.rule(rule);
        }
        for miss in &decision.near {
            let (object, at) = rule_words(&miss.rule);
            self.wrapped(6, &format!("nearly allowed by {object} ({at}): {}", miss.but));
        }
        if let Some(symptom) = decision.symptom.as_ref().filter(|_| !behind) {
            self.wrapped(6, &format!("the client sees {symptom}"));
        }
        if let Some(log) = &decision.log {
            self.wrapped(6, &format!("log: {log}"));
        }
    }

    fn passed(&mut self, checks: &[&Check]) {
        if !checks.is_empty() {
            let line = format!("{} passed {}", glyph(Effect::Allow), list(checks.iter().map(|check| check.checkpoint)));
            self.line(2, &self.style.green(&line));
        }
    }

    /// A check with its rules, and without what the end says as well.
    fn turning(&mut self, check: &Check) {
        let decision = Decision { symptom: None, log: None, ..check.decision.clone() };
        self.check(&Check { decision, ..*check }, false);
    }

    fn rule(&mut self, rule: &RuleRef) {
        let (object, at) = rule_words(rule);
        let at = self.style.dim(&at);
        self.line(6, &format!("{}  {at}", self.style.cyan(&object)));
    }

    fn end(&mut self, trace: &Trace) {
        match &trace.end {
            End::Outcome(outcome) => {
                let seen = self.style.bold(&one_line(&outcome.to_string()));
                self.line(0, &format!("end    the client sees {seen}{}", denied_by(trace)));
            }
            End::Unknown(why) => self.line(0, &format!("end    {}: {}", self.style.yellow("unknown"), one_line(why))),
        }
        let layers = trace.denying_layers();
        if layers.len() > 1 {
            self.line(7, &format!("each of these layers alone would deny: {}", list(layers)));
        }
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.out.extend(std::iter::repeat_n(' ', self.indent + indent));
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn wrapped(&mut self, indent: usize, text: &str) {
        let text = self.style.wrap(&one_line(text), self.indent + indent);
        self.line(indent, &text);
    }
}

/// A rule and its place.
fn rule_words(rule: &RuleRef) -> (String, String) {
    let path = rule.rule.as_deref().map(|path| format!(" {path}")).unwrap_or_default();
    (one_line(&format!("{}{path}", rule.object)), one_line(&rule.at.to_string()))
}

fn glyph(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "✓",
        Effect::Deny => "✗",
        Effect::Unknown => "?",
    }
}

fn denied_by(trace: &Trace) -> String {
    trace
        .denial()
        .map(|check| format!(", denied by {} at {}", check.checkpoint.layer(), check.checkpoint))
        .unwrap_or_default()
}
