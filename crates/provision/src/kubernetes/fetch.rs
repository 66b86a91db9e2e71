//! A file of manifests by its URL, with the client that kube brings.

use std::time::Duration;

use http::{Request, Uri, header};
use kube::client::Body;
use kube::{Client, Config};

use crate::failure::StepFailure;

/// How often a server may point elsewhere.
const REDIRECTS: usize = 8;

/// How long one server may take for its answer.
const ANSWER: Duration = Duration::from_mins(1);

/// What one server answered.
enum Answer {
    Text(String),
    Elsewhere(Uri),
}

/// Fetches a text; follows redirects, and asks the proxy that the environment names.
pub(super) fn fetch(url: &str) -> Result<String, StepFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| not_fetched(url, &error.to_string(), false))?;
    let mut at: Uri = url.parse().map_err(|error| not_fetched(url, &format!("no URL: {error}"), false))?;
    for _ in 0..REDIRECTS {
        let asked = runtime.block_on(async { tokio::time::timeout(ANSWER, ask(&at)).await });
        match asked.unwrap_or_else(|_| Err((format!("no answer within {} s", ANSWER.as_secs()), true))) {
            Ok(Answer::Text(text)) => return Ok(text),
            Ok(Answer::Elsewhere(next)) => at = next,
            Err((why, transient)) => return Err(not_fetched(url, &why, transient)),
        }
    }
    Err(not_fetched(url, &format!("more than {REDIRECTS} redirects"), false))
}

/// Why not, and whether it may pass.
type Reason = (String, bool);

async fn ask(url: &Uri) -> Result<Answer, Reason> {
    let lasting = |error: &dyn std::fmt::Display| (error.to_string(), false);
    let host = url.host().ok_or_else(|| (format!("{url} names no host"), false))?;
    let origin =
        format!("{}://{}", url.scheme_str().unwrap_or("https"), url.authority().map_or(host, |at| at.as_str()));
    let mut config = Config::new(origin.parse().map_err(|error: http::uri::InvalidUri| lasting(&error))?);
    config.connect_timeout = Some(Duration::from_secs(10));
    config.default_retry = false;
    config.proxy_url = proxy(url.scheme_str(), host);
    let client = Client::try_from(config).map_err(|error| lasting(&error))?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).body(Body::empty()).map_err(|error| lasting(&error))?;
    let response = client.send(request).await.map_err(|error| (chain(&error), true))?;
    let (head, body) = response.into_parts();
    if head.status.is_redirection() {
        let next = head.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
        let next = next.ok_or_else(|| (format!("{} without a Location", head.status), false))?;
        let next = if next.starts_with('/') { format!("{origin}{next}") } else { next.to_owned() };
        return Ok(Answer::Elsewhere(next.parse().map_err(|error| lasting(&error))?));
    }
    if !head.status.is_success() {
        let passing = head.status.is_server_error() || head.status.as_u16() == 429;
        return Err((format!("the server says {}", head.status), passing));
    }
    let bytes = body.collect_bytes().await.map_err(|error| (chain(&error), true))?;
    String::from_utf8(bytes.to_vec()).map(Answer::Text).map_err(|_| ("it is no text".to_owned(), false))
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

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        cause = error.source();
    }
    said
}

fn not_fetched(url: &str, why: &str, transient: bool) -> StepFailure {
    let hint =
        "check the network and HTTPS_PROXY; without one, run `airtight bundle` where there is, and give --chart-dir";
    StepFailure { transient, ..StepFailure::new("manifest-unreachable", format!("cannot fetch {url}: {why}"), hint) }
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
