//! The program `airtight-probe`: its command line and its roles.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::dial::{Dialler, Settings};
use crate::serve::{ServeError, Server};
use crate::wire::{Certificate, HttpAnswer, HttpListener, Identity, Listener, Own, Serving, Speak};

/// Dials flows and serves stand-ins: the agent in airtight's probe pods.
#[derive(Parser)]
#[command(name = "airtight-probe", version)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Read flows as JSON lines from the standard input, write one answer a line to the standard output.
    Dial(DialArgs),
    /// Serve stand-ins until SIGTERM. One line of JSON with the addresses is written once all listeners are bound.
    Serve(ServeArgs),
    /// Do nothing until SIGTERM: for a pod from which flows only start.
    Pause,
}

#[derive(Args)]
struct DialArgs {
    /// How many flows are under way at a time.
    #[arg(long, default_value_t = 512, value_name = "N")]
    concurrency: usize,
    /// Where the system's DNS servers and search list are written.
    #[arg(long, default_value = "/etc/resolv.conf", value_name = "FILE")]
    resolv_conf: PathBuf,
}

#[derive(Args)]
struct ServeArgs {
    /// The configuration: a file, or JSON itself.
    #[arg(long, value_name = "FILE|JSON")]
    config: Option<String>,
    /// A listener more, such as `http=8080` (all IPv4 addresses) or `http=[::1]:8080`. Protocols: http, https, mcp, llm, metadata, tcp, udp, tls, postgres, redis, amqp, mute, reset.
    #[arg(long, value_name = "PROTOCOL=ADDRESS")]
    listen: Vec<String>,
    /// A name that the certificates of `https` and `tls` are for.
    #[arg(long = "name", value_name = "NAME", default_value = "localhost")]
    names: Vec<String>,
    /// The pod that it says it is; otherwise the environment's `POD_NAME`.
    #[arg(long)]
    pod: Option<String>,
    /// Its namespace; otherwise the environment's `POD_NAMESPACE`.
    #[arg(long)]
    namespace: Option<String>,
    /// What it stands in for.
    #[arg(long)]
    role: Option<String>,
    /// Write the configuration as JSON, and serve nothing.
    #[arg(long)]
    check: bool,
}

/// The program, from its arguments to its exit code; the first is what it was called by.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = Cli::parse_from(arguments);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start: {error}"), 1),
    };
    let code = runtime.block_on(async {
        match cli.role {
            Role::Dial(args) => dial(&args).await,
            Role::Serve(args) => serve(args).await,
            Role::Pause => pause().await,
        }
    });
    // A read of the standard input may still hang when writing has failed.
    runtime.shutdown_background();
    code
}

async fn dial(args: &DialArgs) -> ExitCode {
    let dialler = Dialler::new(args.concurrency, Settings::read(&args.resolv_conf));
    match dialler.run(tokio::io::stdin(), tokio::io::stdout()).await {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string(), 1),
    }
}

async fn serve(args: ServeArgs) -> ExitCode {
    let check = args.check;
    let serving = match serving(args) {
        Ok(serving) => serving,
        Err(why) => return failed(&why, 2),
    };
    if check {
        return shown(&serving);
    }
    let server = match Server::bind(&serving).await {
        Ok(server) => server,
        Err(error) => return failed(&error.to_string(), 1),
    };
    let stop = match stopped() {
        Ok(stop) => stop,
        Err(error) => return failed(&format!("cannot wait for signals: {error}"), 1),
    };
    let ready = serde_json::to_string(server.ready()).unwrap_or_default();
    if let Err(error) = writeln!(io::stdout(), "{ready}") {
        return failed(&format!("cannot write that it is ready: {error}"), 1);
    }
    server.run(stop).await;
    ExitCode::SUCCESS
}

/// The configuration as it would be served. Of what it names, such as files and addresses, nothing is touched.
fn shown(serving: &Serving) -> ExitCode {
    if serving.listeners.is_empty() {
        return failed(&ServeError::NoListener.to_string(), 1);
    }
    let text = serde_json::to_string(serving).unwrap_or_default();
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("cannot write the configuration: {error}"), 1),
    }
}

async fn pause() -> ExitCode {
    match stopped() {
        Ok(stop) => stop.await,
        Err(error) => return failed(&format!("cannot wait for signals: {error}"), 1),
    }
    ExitCode::SUCCESS
}

/// Ready on SIGTERM or SIGINT. As process 1 of a container, neither would do anything otherwise.
fn stopped() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The configuration, with what the flags and the environment add to it.
fn serving(args: ServeArgs) -> Result<Serving, String> {
    let mut serving = match &args.config {
        Some(config) => configured(config)?,
        None => Serving::default(),
    };
    for text in &args.listen {
        serving.listeners.push(listener(text, &args.names)?);
    }
    let Identity { pod, namespace, role } = &mut serving.identity;
    settle(pod, args.pod, "POD_NAME");
    settle(namespace, args.namespace, "POD_NAMESPACE");
    settle(role, args.role, "POD_ROLE");
    if pod.is_empty() {
        return Err("it does not know who it is; give --pod, `identity` in the configuration, or POD_NAME".to_owned());
    }
    Ok(serving)
}

/// A flag wins over the configuration, which wins over the environment.
fn settle(value: &mut String, flag: Option<String>, variable: &str) {
    if let Some(flag) = flag {
        *value = flag;
    } else if value.is_empty() {
        *value = std::env::var(variable).unwrap_or_default();
    }
}

fn configured(config: &str) -> Result<Serving, String> {
    let text = if config.trim_start().starts_with('{') {
        config.to_owned()
    } else {
        std::fs::read_to_string(config).map_err(|error| format!("cannot read {config}: {error}"))?
    };
    serde_json::from_str(&text).map_err(|error| format!("the configuration does not parse: {error}"))
}

fn listener(text: &str, names: &[String]) -> Result<Listener, String> {
    let wrong = || format!("{text:?} is no listener; write, for example, http=8080 or http=127.0.0.1:8080");
    let (protocol, address) = text.split_once('=').ok_or_else(wrong)?;
    let bind = match address.parse::<u16>() {
        Ok(port) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        Err(_) => address.parse().map_err(|_| wrong())?,
    };
    let http = |answer| Speak::Http(HttpListener { answer, ..HttpListener::default() });
    let speak = match protocol {
        "http" | "https" => http(HttpAnswer::Echo),
        "mcp" => http(HttpAnswer::Mcp),
        "llm" => http(HttpAnswer::Llm),
        "metadata" => http(HttpAnswer::Metadata),
        "tcp" | "tls" => Speak::Tcp,
        "udp" => Speak::Udp,
        "postgres" => Speak::Postgres,
        "redis" => Speak::Redis,
        "amqp" => Speak::Amqp,
        "mute" => Speak::Mute,
        "reset" => Speak::Reset,
        _ => return Err(wrong()),
    };
    let tls = matches!(protocol, "https" | "tls").then(|| Certificate::Own(Own { names: names.to_vec() }));
    Ok(Listener { bind, tls, speak })
}

fn failed(why: &str, code: u8) -> ExitCode {
    // There is nowhere else to say it.
    let _ = writeln!(io::stderr(), "airtight-probe: {why}");
    ExitCode::from(code)
}
