//! A file by its URL, with the client that kube brings.

use std::time::Duration;

use http::{Request, Uri, header};
use kube::client::Body;
use kube::{Client, Config};

use super::body::{Cut, whole};
use super::error::chain;
use super::limits::LARGEST;
use crate::retry;

/// How often a server may point elsewhere.
const REDIRECTS: usize = 8;

/// How long one server may take for its answer.
const ANSWER: Duration = Duration::from_mins(1);

/// Why a file could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotFetched {
    /// In a few words.
    pub why: String,
    /// Whether the same again may well succeed.
    pub passing: bool,
}

/// What one server answered.
enum Answer {
    Text(String),
    Elsewhere(Uri),
}

/// Fetches a text; follows redirects, and asks the proxy that the environment names.
///
/// # Errors
/// When no server has it, or what it has is no text.
pub fn fetch(url: &str) -> Result<String, NotFetched> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| lasting(&error))?;
    let mut at: Uri = url.parse().map_err(|error| lasting(&format!("no URL: {error}")))?;
    for _ in 0..REDIRECTS {
        let asked = runtime.block_on(async { tokio::time::timeout(ANSWER, ask(&at)).await });
        match asked.unwrap_or_else(|_| Err(passing(format!("no answer within {} s", ANSWER.as_secs()))))? {
            Answer::Text(text) => return Ok(text),
            Answer::Elsewhere(next) => at = next,
        }
    }
    Err(lasting(&format!("more than {REDIRECTS} redirects")))
}

fn passing(why: String) -> NotFetched {
    NotFetched { why, passing: true }
}

fn lasting(why: &dyn std::fmt::Display) -> NotFetched {
    NotFetched { why: why.to_string(), passing: false }
}

async fn ask(url: &Uri) -> Result<Answer, NotFetched> {
    let host = url.host().ok_or_else(|| lasting(&format!("{url} names no host")))?;
    let origin =
        format!("{}://{}", url.scheme_str().unwrap_or("https"), url.authority().map_or(host, |at| at.as_str()));
    let mut config = Config::new(origin.parse().map_err(|error: http::uri::InvalidUri| lasting(&error))?);
    config.connect_timeout = Some(Duration::from_secs(10));
    config.default_retry = false;
    config.proxy_url = proxy(url.scheme_str(), host);
    let client = Client::try_from(config).map_err(|error| lasting(&error))?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).body(Body::empty()).map_err(|error| lasting(&error))?;
    let response = client.send(request).await.map_err(|error| passing(chain(&error).join(": ")))?;
    let (head, body) = response.into_parts();
    if head.status.is_redirection() {
        let next = head.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
        let next = next.ok_or_else(|| lasting(&format!("{} without a Location", head.status)))?;
        let next = if next.starts_with('/') { format!("{origin}{next}") } else { next.to_owned() };
        return Ok(Answer::Elsewhere(next.parse().map_err(|error| lasting(&error))?));
    }
    if !head.status.is_success() {
        let passing = retry::status(head.status.as_u16());
        return Err(NotFetched { why: format!("the server says {}", head.status), passing });
    }
    let bytes = whole(body).await.map_err(|cut| match cut {
        Cut::Broken(error) => passing(chain(&error).join(": ")),
        Cut::Endless => lasting(&format!("it is larger than {} MiB", LARGEST >> 20)),
    })?;
    String::from_utf8(bytes).map(Answer::Text).map_err(|_| lasting(&"it is no text"))
}

fn proxy(scheme: Option<&str>, host: &str) -> Option<Uri> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // `HTTP_PROXY` in capitals may come from a request that a CGI program serves (httpoxy).
    let named =
        if scheme == Some("http") { set("http_proxy") } else { set("HTTPS_PROXY").or_else(|| set("https_proxy")) };
    let direct = set("NO_PROXY").or_else(|| set("no_proxy")).unwrap_or_default();
    named.filter(|_| !is_direct(host, &direct))?.parse().ok()
}

/// Whether `NO_PROXY` has a host, a domain above it, or everything.
fn is_direct(host: &str, direct: &str) -> bool {
    direct.split(',').map(|entry| entry.trim().trim_start_matches("*.").trim_start_matches('.')).any(|entry| {
        let below = host.strip_suffix(entry).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        entry == "*" || (!entry.is_empty() && below)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_asked_directly_by_itself_or_by_a_domain_above_it() {
        for (direct, is) in [
            ("github.com", true),
            (".com", true),
            ("*.github.com, other", true),
            ("*", true),
            ("hub.com", false),
            ("", false),
            ("other,", false),
        ] {
            assert_eq!(is_direct("github.com", direct), is, "{direct}");
        }
    }
}
