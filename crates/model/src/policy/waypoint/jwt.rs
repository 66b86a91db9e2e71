//! Verification of tokens before authorization (Istio `pilot/pkg/security/authn/policy_applier.go`,
//! `convertToEnvoyJwtConfig`; Envoy `source/extensions/filters/http/jwt_authn`).

use airtight_manifest::istio::{JwtRule, RequestAuthentication};
use airtight_manifest::{Object, RuleRef};

use super::attach::Targets;
use super::input::{HttpInput, VerifiedToken};
use crate::policy::{Decision, Outcome, Reason, Request, Token, TokenState};

/// A RequestAuthentication with target references.
#[derive(Debug, Clone)]
pub(super) struct JwtPolicy {
    pub(super) targets: Targets,
    pub(super) rules: Vec<(JwtRule, RuleRef)>,
}

/// Whether a rule finds a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extraction {
    Token,
    Missing,
    /// It finds something in a place where the engine knows no token.
    Uncertain,
}

/// Claims that Istio always splits at spaces.
const SPLIT: [&str; 2] = ["scope", "permission"];

impl JwtPolicy {
    pub(super) fn compile(object: &Object<RequestAuthentication>) -> Option<Self> {
        let spec = &object.body.spec;
        let targets = Targets::of(object.meta.namespace(), spec.targets())?;
        let rules = spec.jwt_rules.iter().enumerate();
        let rules = rules
            .map(|(index, rule)| (rule.value.clone(), object.meta.rule(format!("spec.jwtRules[{index}]"), rule.at)));
        Some(Self { targets, rules: rules.collect() })
    }
}

/// Verifies the token of a request against the rules in force, and leaves in `input` what the filter leaves.
/// The rule that verified it, if there is a token.
///
/// No token is no error. A token is one if no rule that finds it verifies it.
pub(super) fn authenticate<'a>(
    rules: &[&'a (JwtRule, RuleRef)],
    request: &'a Request,
    input: &mut HttpInput<'a>,
) -> Result<Option<&'a RuleRef>, Decision> {
    if rules.is_empty() || is_preflight(request) {
        return Ok(None);
    }
    let mut rules: Vec<_> = rules.to_vec();
    rules.sort_by(|a, b| a.0.issuer.cmp(&b.0.issuer));
    sanitize(&rules, input);
    let extractions: Vec<Extraction> = rules.iter().map(|(rule, _)| extraction(rule, request)).collect();
    if extractions.contains(&Extraction::Uncertain) {
        let detail = "the request has a token in a header, parameter or cookie whose content is not known";
        return Err(Decision::unknown(rules.iter().map(|(_, origin)| origin.clone()).collect(), detail));
    }
    let finders =
        rules.iter().zip(&extractions).filter(|(_, found)| **found == Extraction::Token).map(|(rule, _)| *rule);
    let finders: Vec<&(JwtRule, RuleRef)> = finders.collect();
    let Some(token) = request.token.as_ref().filter(|_| !finders.is_empty()) else { return Ok(None) };
    match finders.iter().find(|(rule, _)| verify(rule, token).is_ok()) {
        Some((rule, origin)) => {
            accept(rule, token, input);
            Ok(Some(origin))
        }
        None => Err(refusal(&finders, token)),
    }
}

/// CORS preflight requests pass unverified (`bypass_cors_preflight`).
fn is_preflight(request: &Request) -> bool {
    let filled = |name| request.header(name).any(|value| !value.is_empty());
    request.method == "OPTIONS" && filled("origin") && filled("access-control-request-method")
}

/// Clients cannot set the headers that the filter writes.
fn sanitize(rules: &[&(JwtRule, RuleRef)], input: &mut HttpInput<'_>) {
    let written = |name: &str| {
        rules.iter().any(|(rule, _)| {
            rule.output_payload_to_header.eq_ignore_ascii_case(name)
                || rule.output_claim_to_headers.iter().any(|output| output.header.eq_ignore_ascii_case(name))
        })
    };
    input.headers.retain(|(name, _)| !written(name));
}

fn extraction(rule: &JwtRule, request: &Request) -> Extraction {
    let anywhere = rule.from_headers.is_empty() && rule.from_params.is_empty() && rule.from_cookies.is_empty();
    let bearer = anywhere
        || rule.from_headers.iter().any(|location| {
            location.name.eq_ignore_ascii_case("authorization") && location.prefix.trim_end() == "Bearer"
        });
    let other_header = rule.from_headers.iter().any(|location| {
        let is_bearer = location.name.eq_ignore_ascii_case("authorization");
        if is_bearer && location.prefix.trim_end() != "Bearer" {
            return request.token.is_some() || request.header("authorization").next().is_some();
        }
        !is_bearer && request.header(&location.name).any(|value| value.contains(location.prefix.as_str()))
    });
    let parameter = |name: &str| {
        let query = request.path.split_once('?').map_or("", |(_, query)| query);
        query.split(['&', '#']).any(|pair| pair.split('=').next() == Some(name))
    };
    let other_parameter =
        rule.from_params.iter().any(|name| parameter(name)) || (anywhere && parameter("access_token"));
    let cookie = |name: &str| {
        request.header("cookie").any(|list| list.split(';').any(|pair| pair.trim().split('=').next() == Some(name)))
    };
    if other_header || other_parameter || rule.from_cookies.iter().any(|name| cookie(name)) {
        Extraction::Uncertain
    } else if bearer && request.token.is_some() {
        Extraction::Token
    } else if bearer && request.header("authorization").any(|value| value.starts_with("Bearer ")) {
        Extraction::Uncertain
    } else {
        Extraction::Missing
    }
}

/// Status and body of a refusal, in the order in which Envoy checks.
fn verify(rule: &JwtRule, token: &Token) -> Result<(), (u16, &'static str)> {
    if token.state == TokenState::Unsigned {
        return Err((401, "Jwt header [alg] is not supported"));
    }
    if !rule.issuer.is_empty() && rule.issuer != token.issuer {
        return Err((401, UNKNOWN_ISSUER));
    }
    match token.state {
        TokenState::NotYetValid => return Err((401, "Jwt not yet valid")),
        TokenState::Expired => return Err((401, "Jwt is expired")),
        TokenState::Valid | TokenState::Forged | TokenState::Unsigned => {}
    }
    if !rule.audiences.is_empty() && !token.audiences.iter().any(|audience| rule.audiences.contains(audience)) {
        return Err((403, "Audiences in Jwt are not allowed"));
    }
    match token.state {
        _ if has_no_key(rule) => Err((401, "Jwks doesn't have any valid public key")),
        TokenState::Forged => Err((401, "Jwt verification fails")),
        TokenState::Valid | TokenState::Expired | TokenState::NotYetValid | TokenState::Unsigned => Ok(()),
    }
}

/// Whether the keys are written, and are none.
fn has_no_key(rule: &JwtRule) -> bool {
    let set = rule.jwks.as_deref().and_then(|jwks| serde_json::from_str::<serde_json::Value>(jwks).ok());
    set.is_some_and(|set| set["keys"].as_array().is_some_and(Vec::is_empty))
}

const UNKNOWN_ISSUER: &str = "Jwt issuer is not configured";

/// An error other than an unknown issuer says more.
fn refusal(finders: &[&(JwtRule, RuleRef)], token: &Token) -> Decision {
    let errors = || finders.iter().filter_map(|(rule, origin)| Some((verify(rule, token).err()?, origin)));
    let telling = errors().find(|((_, body), _)| *body != UNKNOWN_ISSUER);
    let (status, body) = telling.map_or((401, UNKNOWN_ISSUER), |(error, _)| error);
    let rules = match telling {
        Some((_, origin)) => vec![origin.clone()],
        None => errors().map(|(_, origin)| origin.clone()).collect(),
    };
    let detail = format!("the token of issuer `{}` is refused: {body}", token.issuer);
    Decision::deny(Reason::TokenInvalid, Outcome::Http(status), detail)
        .by(rules)
        .logged(format!("{status} jwt_authn_access_denied body=\"{body}\""))
}

/// What the filter leaves behind a verified token.
fn accept<'a>(rule: &'a JwtRule, token: &'a Token, input: &mut HttpInput<'a>) {
    let split = SPLIT.into_iter().chain(rule.space_delimited_claims.iter().map(String::as_str)).collect();
    let verified = VerifiedToken { token, split };
    if !rule.forward_original_token {
        input.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
    }
    for output in &rule.output_claim_to_headers {
        if let Some(value) = verified.claim_as_header(&output.claim) {
            input.headers.push((output.header.clone(), value));
        }
    }
    if !rule.output_payload_to_header.is_empty() {
        input.headers.push((rule.output_payload_to_header.clone(), "eyJ".to_owned()));
    }
    input.token = Some(verified);
}
