//! One flow from its start to its end.

use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{timeout, timeout_at};

use super::dns::{self, Settings, SettingsError};
use super::ending::Ending;
use super::member::{self, Identity};
use super::record::Record;
use super::{exchange, http, ping, tcp, tls, tunnel, udp};
use crate::wire::{
    Answer, Attempt, Exchange, Family, Flow, HttpExchange, Lookups, Member, Outcome, Phase, Ping, Refusal,
    SHORTEST_DEADLINE_MS, Target, TlsExchange,
};

/// Tries `flow`, which ends at its deadline at the latest.
pub(super) async fn dial(line: u64, flow: &Flow, system: &Result<Settings, SettingsError>) -> Answer {
    let names = Names { flow, system };
    // The certificate is no part of the flow, nor is the time that it takes.
    let plan = names.tunnel_plan().await;
    let mut record = Record::start(line, &flow.id, Duration::from_millis(flow.deadline_ms));
    let plan = match plan {
        Ok(plan) => plan,
        Err(ending) => return record.answer(ending),
    };
    let deadline = record.deadline;
    let ending = match timeout_at(deadline, attempt(&names, plan, &mut record)).await {
        Ok(Ok(outcome)) => Ending::of(outcome),
        Ok(Err(ending)) => ending,
        Err(_) => record.overdue(),
    };
    record.answer(ending)
}

async fn attempt(names: &Names<'_>, plan: Option<tunnel::Plan<'_>>, record: &mut Record) -> Result<Outcome, Ending> {
    let flow = names.flow;
    if flow.deadline_ms < SHORTEST_DEADLINE_MS {
        return Err(Ending::probe_error(format!(
            "a deadline of {} ms cannot tell a drop from a delay; give at least {SHORTEST_DEADLINE_MS} ms",
            flow.deadline_ms
        )));
    }
    match (&flow.attempt, plan) {
        (Attempt::Tcp(exchange), plan) => try_tcp(exchange, names, plan, record).await,
        (Attempt::Tls(exchange), plan) => try_tls(exchange, names, plan, record).await,
        (Attempt::Http(exchange), plan) => try_http(exchange, names, plan, record).await,
        (Attempt::Udp(exchange), None) => try_udp(exchange, names, record).await,
        (Attempt::Lookup(lookup), None) => try_lookup(lookup, names, record).await,
        (Attempt::Ping(wanted), None) => try_ping(wanted, names, record).await,
        (Attempt::Udp(_) | Attempt::Lookup(_) | Attempt::Ping(_), Some(_)) => {
            Err(Ending::probe_error("only what goes over TCP goes through a tunnel"))
        }
    }
}

async fn try_tcp(
    exchange: &Exchange,
    names: &Names<'_>,
    plan: Option<tunnel::Plan<'_>>,
    record: &mut Record,
) -> Result<Outcome, Ending> {
    let mut stream = names.connect(&exchange.to, plan, record).await?;
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

async fn try_tls(
    exchange: &TlsExchange,
    names: &Names<'_>,
    plan: Option<tunnel::Plan<'_>>,
    record: &mut Record,
) -> Result<Outcome, Ending> {
    let handshake = tls::plan(&exchange.tls, &exchange.to.host)?;
    let stream = names.connect(&exchange.to, plan, record).await?;
    let mut stream = tls::shake(handshake, stream, record).await?;
    match &exchange.say {
        Some(say) => exchange::speak(&mut stream, say, names.id(), record).await,
        None => exchange::overhear(&mut stream, record).await,
    }
}

async fn try_http(
    exchange: &HttpExchange,
    names: &Names<'_>,
    plan: Option<tunnel::Plan<'_>>,
    record: &mut Record,
) -> Result<Outcome, Ending> {
    let head = http::request(exchange).map_err(Ending::probe_error)?;
    let handshake = exchange.tls.as_ref().map(|settings| tls::plan(settings, &exchange.to.host)).transpose()?;
    let mut stream = names.connect(&exchange.to, plan, record).await?;
    match handshake {
        Some(handshake) => {
            let mut stream = tls::shake(handshake, stream, record).await?;
            http::exchange(&mut stream, &head, &exchange.request, record).await
        }
        None => http::exchange(&mut stream, &head, &exchange.request, record).await,
    }
}

async fn try_lookup(lookup: &Lookups, names: &Names<'_>, record: &mut Record) -> Result<Outcome, Ending> {
    record.addresses = names.resolve(&lookup.name, lookup.family, record).await?;
    Ok(Outcome::Connected)
}

/// A connection, straight or through a tunnel.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// How a flow's names are resolved.
struct Names<'a> {
    flow: &'a Flow,
    system: &'a Result<Settings, SettingsError>,
}

impl Names<'_> {
    fn id(&self) -> &str {
        &self.flow.id
    }

    /// What the tunnel of the flow is opened with, if it has one.
    async fn tunnel_plan(&self) -> Result<Option<tunnel::Plan<'_>>, Ending> {
        let Some(wanted) = &self.flow.tunnel else { return Ok(None) };
        let got = timeout(member::PATIENCE, self.certificate(&wanted.member)).await;
        let got = got.unwrap_or_else(|_| Err(format!("nothing came within {} s", member::PATIENCE.as_secs())));
        let plan = got.and_then(|identity| tunnel::plan(wanted, identity));
        plan.map(Some).map_err(|why| Ending::probe_error(format!("the mesh gives no certificate: {why}")))
    }

    /// A certificate of the mesh. What goes wrong on the way to it is never the flow's end.
    async fn certificate(&self, member: &Member) -> Result<Identity, String> {
        let Target { host, family, .. } = &member.authority;
        let mut aside = Record::start(0, self.id(), member::PATIENCE);
        let addresses = self.of_host(host, *family, &mut aside).await;
        let addresses = addresses.map_err(|ending| format!("{host} does not resolve: {}", ending.outcome))?;
        member::certificate(member, &addresses).await
    }

    /// Connects to the target; through a tunnel, once its name is resolved.
    async fn connect(
        &self,
        to: &Target,
        plan: Option<tunnel::Plan<'_>>,
        record: &mut Record,
    ) -> Result<Box<dyn Stream>, Ending> {
        let addresses = self.of_target(to, record).await?;
        Ok(match plan {
            Some(plan) => Box::new(tunnel::open(plan, record).await?),
            None => Box::new(tcp::connect_any(&addresses, to.port, record).await?),
        })
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

    fn settings(&self) -> Result<Settings, Ending> {
        Settings::of(self.flow.resolver.as_ref(), self.system)
            .map_err(|error| Ending::probe_error(format!("names cannot be resolved: {error}")))
    }

    async fn resolve(&self, name: &str, family: Family, record: &mut Record) -> Result<Vec<IpAddr>, Ending> {
        let settings = self.settings()?;
        record.enter(Phase::Dns);
        let budget = Duration::from_millis(self.flow.deadline_ms);
        dns::resolve(name, family, &settings.within(budget), record).await
    }
}
