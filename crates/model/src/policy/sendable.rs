//! Requests that a client can send at all: a request line or a header that is none says nothing of a policy.

use super::request::Request;

impl Request {
    /// Why no client could send it (RFC 9110 §5.1, §5.5, §9.1; RFC 9112 §3.2); none if one could.
    ///
    /// ```
    /// use airtight_model::policy::Request;
    /// let mut request = Request {
    ///     method: "GET".into(), path: "/items?page=2".into(), host: "shop.example:8080".into(),
    ///     headers: vec![("x-tenant".into(), "acme".into())], token: None,
    /// };
    /// assert_eq!(request.unsendable(), None);
    /// request.host = "shop.example:99999".into();
    /// assert!(request.unsendable().is_some());
    /// request.host = "[2001:db8::1]:443".into();
    /// assert_eq!(request.unsendable(), None);
    /// request.method = "POST X".into();
    /// assert_eq!(request.unsendable().as_deref(), Some("\"POST X\" is no method: it is one word"));
    /// ```
    #[must_use]
    pub fn unsendable(&self) -> Option<String> {
        let Self { method, path, host, headers, .. } = self;
        if !is_token(method) {
            return Some(format!("{method:?} is no method: it is one word"));
        }
        if !(path.starts_with('/') || path == "*") || !path.chars().all(is_visible) {
            return Some(format!(
                "{path:?} is no path: it begins with `/` and has neither spaces nor control characters"
            ));
        }
        if host.is_empty() || !host.chars().all(|c| is_visible(c) && !"/?#@\\".contains(c)) {
            return Some(format!("{host:?} is no host: a name or an address, with a port or without"));
        }
        if let Some(port) = port(host).filter(|port| !port.is_empty() && !is_port(port)) {
            return Some(format!("{host:?} is no host: {port:?} is no port, a number up to 65535"));
        }
        headers.iter().find_map(|(name, value)| {
            if !is_token(name) {
                return Some(format!("{name:?} is no name of a header"));
            }
            let steers = value.chars().any(|c| c != '\t' && c.is_control());
            steers.then(|| format!("{value:?} is no value of a header: it has control characters"))
        })
    }
}

/// What stands behind the colon; colons in brackets are an address's (RFC 3986 §3.2.2).
fn port(host: &str) -> Option<&str> {
    let behind_address = host.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(_, rest)| rest);
    behind_address.unwrap_or(host).split_once(':').map(|(_, port)| port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

/// Whatever has a shape; bytes beyond ASCII are sent as they are.
fn is_visible(c: char) -> bool {
    !c.is_control() && !c.is_whitespace()
}
