//! PeerAuthentication and RequestAuthentication (`ValidatePeerAuthentication`, `ValidateRequestAuthentication`).

use semver::Version;

use super::Refusals;
use crate::istio::{JwtRule, PeerAuthentication, RequestAuthentication, since};
use crate::located::Located;
use crate::{Diagnostic, Object};

impl Object<PeerAuthentication> {
    /// Why the API server or istiod's webhook of this version would refuse the object; empty if they accept it.
    #[must_use]
    pub fn webhook_findings(&self, _istio: &Version) -> Vec<Diagnostic> {
        let mut refusals = Refusals::of(&self.meta);
        let spec = &self.body.spec;
        refusals.no_dry_run();
        if let Some(selector) = &spec.selector {
            refusals.selector(selector.at, selector.match_labels.as_ref());
        }
        let Some(ports) = &spec.port_level_mtls else { return refusals.found };
        let at = ports.values().next().map_or_else(|| refusals.start(), |mtls| mtls.at);
        let selects = spec.selector.as_ref().is_some_and(|selector| !selector.is_empty());
        refusals.add_if(!selects, at, "`portLevelMtls` requires a `selector` with labels");
        refusals.add_if(ports.is_empty(), at, "`portLevelMtls` must have at least one port");
        for (port, mtls) in ports {
            let valid = port.parse::<u16>().is_ok_and(|port| port > 0);
            refusals.add_if(!valid, mtls.at, "a port must be between 1 and 65535");
        }
        refusals.found
    }
}

impl Object<RequestAuthentication> {
    /// Why the API server or istiod's webhook of this version would refuse the object; empty if they accept it.
    #[must_use]
    pub fn webhook_findings(&self, istio: &Version) -> Vec<Diagnostic> {
        let mut refusals = Refusals::of(&self.meta);
        let spec = &self.body.spec;
        refusals.no_dry_run();
        refusals.attachment(spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
        for rule in &spec.jwt_rules {
            refusals.jwt_rule(rule, istio);
        }
        refusals.found
    }
}

impl Refusals<'_> {
    fn jwt_rule(&mut self, rule: &Located<JwtRule>, istio: &Version) {
        let at = rule.at;
        let uri = rule.uri();
        let both = rule.jwks_uri.is_some() && rule.jwks_uri_snake.is_some();
        self.add_if(both || (uri.is_some() && rule.jwks.is_some()), at, "only one of `jwks` and `jwksUri` can be set");
        if since(istio, 1, 30, 0) {
            self.add_if(rule.issuer.is_empty() && uri.is_none(), at, "`issuer` or `jwksUri` must be set");
        } else {
            self.add_if(rule.issuer.is_empty(), at, "`issuer` must be set");
            self.add_if(
                !rule.space_delimited_claims.is_empty(),
                at,
                "a JWT rule has no field `spaceDelimitedClaims` before Istio 1.30",
            );
        }
        let http = uri.is_none_or(|uri| uri.starts_with("http://") || uri.starts_with("https://"));
        self.add_if(!http, at, "`jwksUri` must begin with http:// or https://");
        let keys = rule.jwks.as_deref().filter(|jwks| !jwks.is_empty());
        let parsed = keys.is_none_or(|jwks| serde_json::from_str::<serde_json::Value>(jwks).is_ok());
        self.add_if(!parsed, at, "`jwks` is no JSON");
        self.jwt_names(rule);
    }

    fn jwt_names(&mut self, rule: &Located<JwtRule>) {
        let names = rule.audiences.iter().chain(&rule.from_params).chain(&rule.from_cookies);
        let headers = rule.from_headers.iter().map(|header| &header.name);
        let outputs = rule.output_claim_to_headers.iter().flat_map(|output| [&output.header, &output.claim]);
        let empty = names.chain(headers).chain(outputs).any(String::is_empty);
        self.add_if(empty, rule.at, "audiences, locations, headers and claims must not be empty");
        let strict = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let valid = rule.output_claim_to_headers.iter().all(|output| strict(&output.header));
        self.add_if(!valid, rule.at, "a header's name has only letters, digits, `-` and `_`");
    }
}
