//! One flow from its start to its end.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout_at;

use super::dns::{self, Settings, SettingsError};
use super::ending::Ending;
use super::record::Record;
use super::{exchange, http, ping, tcp, tls, udp};
use crate::wire::{
    Answer, Attempt, Exchange, Family, Flow, HttpExchange, Lookups, Outcome, Phase, Ping, Refusal,
    SHORTEST_DEADLINE_MS, Target, TlsExchange,
};

/// Tries `flow`, which ends at its deadline at the latest.
pub(super) async fn dial(line: u64, flow: &Flow, system: &Result<Settings, SettingsError>) -> Answer {
    let mut record = Record::start(line, &flow.id, Duration::from_millis(flow.deadline_ms));
    let deadline = record.deadline;
    let ending = match timeout_at(deadline, attempt(flow, system, &mut record)).await {
        Ok(Ok(outcome)) => Ending::of(outcome),
        Ok(Err(ending)) => ending,
        Err(_) => record.overdue(),
    };
    record.answer(ending)
}

async fn attempt(
    flow: &Flow,
    system: &Result<Settings, SettingsError>,
    record: &mut Record,
) -> Result<Outcome, Ending> {
    if flow.deadline_ms < SHORTEST_DEADLINE_MS {
        return Err(Ending::probe_error(format!(
            "a deadline of {} ms cannot tell a drop from a delay; give at least {SHORTEST_DEADLINE_MS} ms",
            flow.deadline_ms
        )));
    }
    let names = Names { flow, system };
    match &flow.attempt {
        Attempt::Tcp(exchange) => try_tcp(exchange, &names, record).await,
        Attempt::Udp(exchange) => try_udp(exchange, &names, record).await,
        Attempt::Tls(exchange) => try_tls(exchange, &names, record).await,
        Attempt::Http(exchange) => try_http(exchange, &names, record).await,
        Attempt::Lookup(lookup) => try_lookup(lookup, &names, record).await,
        Attempt::Ping(wanted) => try_ping(wanted, &names, record).await,
    }
}

async fn try_tcp(exchange: &Exchange, names: &Names<'_>, record: &mut Record) -> Result<Outcome, Ending> {
    let addresses = names.of_target(&exchange.to, record).await?;
    let mut stream = tcp::connect_any(&addresses, exchange.to.port, record).await?;
    exchange::speak(&mut stream, &exchange.say, names.id(), record).await
}

async fn try_udp(exchange: &Exchange, names: &Names<'_>, record: &mut Record) -> Result<Outcome, Ending> {
    let addresses = names.of_target(&exchange.to, record).await?;
    let first = addresses.first().ok_or_else(|| Ending::probe_error("there is no address to send to"))?;
    udp::speak((*first, exchange.to.port).into(), &exchange.say, names.id(), record).await
}

async fn try_ping(wanted: &Ping, names: &Names<'_>, record: &mut Record) -> Result<Outcome, Ending> {
    let addresses = names.of_host(&wanted.host, wanted.family, record).await?;
    let first = addresses.first().ok_or_else(|| Ending::probe_error("there is no address to ping"))?;
    ping::speak(*first, names.id(), record).await
}

async fn try_tls(exchange: &TlsExchange, names: &Names<'_>, record: &mut Record) -> Result<Outcome, Ending> {
    let plan = tls::plan(&exchange.tls, &exchange.to.host)?;
    let addresses = names.of_target(&exchange.to, record).await?;
    let stream = tcp::connect_any(&addresses, exchange.to.port, record).await?;
    let mut stream = tls::shake(plan, stream, record).await?;
    match &exchange.say {
        Some(say) => exchange::speak(&mut stream, say, names.id(), record).await,
        None => exchange::overhear(&mut stream, record).await,
    }
}

async fn try_http(exchange: &HttpExchange, names: &Names<'_>, record: &mut Record) -> Result<Outcome, Ending> {
    let head = http::request(exchange).map_err(Ending::probe_error)?;
    let plan = exchange.tls.as_ref().map(|settings| tls::plan(settings, &exchange.to.host)).transpose()?;
    let addresses = names.of_target(&exchange.to, record).await?;
    let mut stream = tcp::connect_any(&addresses, exchange.to.port, record).await?;
    match plan {
        Some(plan) => {
            let mut stream = tls::shake(plan, stream, record).await?;
            http::exchange(&mut stream, &head, &exchange.request, record).await
        }
        None => http::exchange(&mut stream, &head, &exchange.request, record).await,
    }
}

async fn try_lookup(lookup: &Lookups, names: &Names<'_>, record: &mut Record) -> Result<Outcome, Ending> {
    record.addresses = names.resolve(&lookup.name, lookup.family, record).await?;
    Ok(Outcome::Connected)
}

/// How a flow's names are resolved.
struct Names<'a> {
    flow: &'a Flow,
    system: &'a Result<Settings, SettingsError>,
}

impl Names<'_> {
    fn id(&self) -> &str {
        &self.flow.id
    }

    async fn of_target(&self, to: &Target, record: &mut Record) -> Result<Vec<IpAddr>, Ending> {
        self.of_host(&to.host, to.family, record).await
    }

    /// The addresses of a host. That its resolver is rejected says nothing about the host.
    async fn of_host(&self, host: &str, family: Family, record: &mut Record) -> Result<Vec<IpAddr>, Ending> {
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(vec![address]);
        }
        let addresses = self.resolve(host, family, record).await.map_err(|ending| match ending.refusal {
            Some(Refusal::Reset | Refusal::PortUnreachable | Refusal::Prohibited) => {
                Ending { outcome: Outcome::ProbeError("the resolver is refused".to_owned()), ..ending }
            }
            None => ending,
        })?;
        record.addresses.clone_from(&addresses);
        Ok(addresses)
    }

    async fn resolve(&self, name: &str, family: Family, record: &mut Record) -> Result<Vec<IpAddr>, Ending> {
        let settings = Settings::of(self.flow.resolver.as_ref(), self.system)
            .map_err(|error| Ending::probe_error(format!("names cannot be resolved: {error}")))?;
        record.enter(Phase::Dns);
        let budget = Duration::from_millis(self.flow.deadline_ms);
        dns::resolve(name, family, &settings.within(budget), record).await
    }
}
