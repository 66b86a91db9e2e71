//! Names that CoreDNS resolves to stand-ins.

use std::net::Ipv4Addr;

use serde::Serialize;

const BEGIN: &str = "    # airtight: names of stand-ins";
const END: &str = "    # airtight: end";

/// A name and the address that it resolves to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct HostName {
    /// The name.
    pub name: String,
    /// The address.
    pub address: Ipv4Addr,
}

/// A Corefile without the server block of the cluster's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Corefile has no server block `.:53 {{`")]
pub struct CorefileError;

/// A Corefile that resolves `names`, and everything else as before; names of an earlier call are replaced.
///
/// # Errors
/// When there is no server block for all names.
pub fn with_names(corefile: &str, names: &[HostName]) -> Result<String, CorefileError> {
    let plain = without_names(corefile);
    let at = plain.find(".:53 {\n").ok_or(CorefileError)? + ".:53 {\n".len();
    let (head, tail) = plain.split_at(at);
    if names.is_empty() {
        return Ok(plain);
    }
    let lines: Vec<String> = names.iter().map(|host| format!("       {} {}", host.address, host.name)).collect();
    let lines = lines.join("\n");
    Ok(format!("{head}{BEGIN}\n    hosts {{\n{lines}\n       fallthrough\n    }}\n{END}\n{tail}"))
}

fn without_names(corefile: &str) -> String {
    match (corefile.find(BEGIN), corefile.find(END)) {
        (Some(from), Some(to)) if from < to => {
            let rest = corefile[to + END.len()..].trim_start_matches('\n');
            format!("{}{rest}", &corefile[..from])
        }
        _ => corefile.to_owned(),
    }
}
