//! What a cluster's coming up looks like on standard error: one line for each thing that happens.

use std::io::{self, Write};

use airtight_provision::{Event, Plan};

/// Writes an event.
pub(super) fn write(event: &Event, out: &mut dyn Write) -> io::Result<()> {
    match event {
        Event::Kept { step } => writeln!(out, "  kept  {step}"),
        Event::Started { step, title } => writeln!(out, "  ...   {step}: {title}"),
        Event::Waiting { step, what, seconds } => writeln!(out, "  ...   {step} ({seconds} s): {what}"),
        Event::Done { step, seconds } => writeln!(out, "  done  {step} ({seconds} s)"),
        Event::Failed { step, seconds, failure } => {
            writeln!(out, "  FAIL  {step} ({seconds} s): {} [{}]", failure.message, failure.code)
        }
        Event::Logs { folder } => writeln!(out, "  logs  {}", folder.display()),
        Event::NoLogs { folder, failure } => {
            writeln!(out, "  logs  {}, not all of them: {}", folder.display(), failure.message)
        }
    }
}

/// Writes a plan for people.
pub(super) fn write_plan(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "cluster {} of stack {}, {} steps", plan.cluster, plan.stack, plan.steps.len())?;
    for (number, step) in (1..).zip(&plan.steps) {
        let after = if step.needs.is_empty() { String::new() } else { format!(" (after {})", step.needs.join(", ")) };
        writeln!(out, "{number:>3}. {}: {}{after}", step.id, step.title)?;
        write_step(step, out)?;
    }
    plan.left_out.iter().try_for_each(|left| writeln!(out, "left out: {left}"))
}

fn write_step(step: &airtight_provision::Step, out: &mut dyn Write) -> io::Result<()> {
    use airtight_provision::{Action, Source};
    for action in &step.actions {
        match action {
            Action::Write { path, .. } => writeln!(out, "     write {}", path.display())?,
            Action::Run(call) => writeln!(out, "     $ {call}")?,
            Action::RunAfresh { call, .. } => writeln!(out, "     $ {call}")?,
            Action::Ensure(ensure) => {
                writeln!(out, "     unless there: {}", ensure.what)?;
                ensure.make.iter().try_for_each(|call| writeln!(out, "     $ {call}"))?;
            }
            Action::Pack(packed) => {
                let (archive, program) = (packed.archive.display(), packed.program.display());
                writeln!(out, "     write {archive} of {program}")?;
            }
            Action::Authority(folder) => writeln!(out, "     unless there: authority in {}", folder.display())?,
            Action::Certify(certificate) => {
                let (folder, names) = (certificate.folder.display(), certificate.names.join(", "));
                writeln!(out, "     write {folder}/tls.crt and tls.key, for {names}")?;
            }
            Action::Apply(Source::Location(location)) => writeln!(out, "     apply {location}")?,
            Action::Apply(Source::Text { name, .. }) => writeln!(out, "     apply {name}")?,
            Action::Trust(trust) => {
                writeln!(out, "     let waypoints trust the authority, in {}", trust.namespaces.join(", "))?;
                let secrets = trust.secrets.iter().map(|secret| (secret, secret.certificate.names.join(", ")));
                for (secret, names) in secrets {
                    writeln!(out, "     Secret {}/{} with a certificate for {names}", secret.namespace, secret.name)?;
                }
            }
            Action::Ways(ways) => writeln!(out, "     routes from {} to the pods of each node", ways.container)?,
            Action::Name(hosts) => {
                hosts.iter().try_for_each(|host| writeln!(out, "     {} is {}", host.name, host.address))?;
            }
        }
    }
    step.gates.iter().try_for_each(|gate| writeln!(out, "     wait for {gate}"))
}
