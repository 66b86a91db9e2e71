//! Resolving names, by the probe's own client: `getaddrinfo` folds refusal, absence and silence into one error.

mod query;
mod search;
mod settings;

pub use self::settings::{Settings, SettingsError};

use std::net::IpAddr;

use self::query::{Asked, Found};
use super::ending::Ending;
use super::record::Record;
use crate::wire::{Family, Outcome, Rcode};

/// The addresses of `name`.
///
/// The search list is walked as the GNU C library does (`resolv/res_query.c`): a candidate that does not exist, has no
/// address or makes the server fail leads to the next; one that is refused ends the list, and the name as it stands
/// comes next; silence ends it all. The outcome is that of the name as it stands, if it was asked for.
pub(super) async fn resolve(
    name: &str,
    family: Family,
    settings: &Settings,
    record: &mut Record,
) -> Result<Vec<IpAddr>, Ending> {
    let mut first_failure = None;
    let mut skip_search = false;
    for candidate in search::candidates(name, settings) {
        if skip_search && !candidate.as_it_stands {
            continue;
        }
        let failure = match of_candidate(&candidate.name, family, settings, record).await? {
            Ok(addresses) => return Ok(addresses),
            Err(rcode) => rcode,
        };
        if candidate.as_it_stands || first_failure.is_none() {
            first_failure = Some(failure);
        }
        match failure {
            Rcode::Timeout => break,
            Rcode::Refused => skip_search |= !candidate.as_it_stands,
            Rcode::Nxdomain | Rcode::Nodata | Rcode::Servfail => {}
        }
    }
    match first_failure {
        Some(rcode) => Err(Ending::of(Outcome::DnsFailure(rcode))),
        None => Err(Ending::probe_error(format!("{name:?} is no name"))),
    }
}

/// The addresses of one absolute name, or why there are none. IPv6 is asked for if IPv4 has none.
async fn of_candidate(
    name: &str,
    family: Family,
    settings: &Settings,
    record: &mut Record,
) -> Result<Result<Vec<IpAddr>, Rcode>, Ending> {
    let asked = match family {
        Family::Any | Family::Ipv4 => Asked::V4,
        Family::Ipv6 => Asked::V6,
    };
    match (family, query::ask(name, asked, settings, record).await?) {
        (Family::Any, Found::Failure(Rcode::Nodata)) => Ok(query::ask(name, Asked::V6, settings, record).await?.into()),
        (Family::Any | Family::Ipv4 | Family::Ipv6, found) => Ok(found.into()),
    }
}

impl From<Found> for Result<Vec<IpAddr>, Rcode> {
    fn from(found: Found) -> Self {
        match found {
            Found::Addresses(addresses) => Ok(addresses),
            Found::Failure(rcode) => Err(rcode),
        }
    }
}
