//! AuthorizationPolicy (`ValidateAuthorizationPolicy`).

use semver::Version;

use super::{DRY_RUN, Refusals, attribute};
use crate::istio::{Action, AuthorizationPolicy, Condition, Operation, Rule, Source, since};
use crate::located::Located;
use crate::{Diagnostic, Object, Position};

const MAX_RULES: usize = 512;

impl Object<AuthorizationPolicy> {
    /// Why the API server or istiod's webhook of this version would refuse the object; empty if they accept it.
    #[must_use]
    pub fn webhook_findings(&self, istio: &Version) -> Vec<Diagnostic> {
        let mut refusals = Refusals::of(&self.meta);
        let spec = &self.body.spec;
        refusals.attachment(spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
        refusals.action(self);
        refusals.dry_run(spec.action());
        refusals.add_if(spec.rules().len() > MAX_RULES, refusals.start(), "`rules` can have 512 entries at most");
        for rule in spec.rules() {
            refusals.rule(rule, spec.action(), istio);
        }
        refusals.found
    }
}

impl Refusals<'_> {
    fn action(&mut self, policy: &Object<AuthorizationPolicy>) {
        let spec = &policy.body.spec;
        let at = spec.action.as_ref().map_or_else(|| self.start(), |action| action.at);
        let named = spec.provider.as_ref().is_some_and(|provider| !provider.name.is_empty());
        match spec.action() {
            Action::Custom if spec.rules().is_empty() => self.add_with_hint(
                at,
                "a CUSTOM policy without rules is never triggered",
                "add the empty rule `{}` to trigger it for every request",
            ),
            Action::Custom => self.add_if(!named, at, "a CUSTOM policy needs `provider.name`"),
            Action::Deny if spec.rules().is_empty() => self.add_with_hint(
                at,
                "a DENY policy without rules denies nothing",
                "add the empty rule `{}` to deny every request",
            ),
            Action::Allow | Action::Deny | Action::Audit => {}
        }
        let foreign = spec.provider.is_some() && spec.action() != Action::Custom;
        self.add_if(foreign, at, "only a CUSTOM policy can have a `provider`");
    }

    fn dry_run(&mut self, action: Action) {
        let Some(value) = self.meta.annotations.get(DRY_RUN) else { return };
        match action {
            Action::Allow | Action::Deny if crate::istio::go_bool(value).is_none() => {
                self.add(self.start(), format!("annotation `{DRY_RUN}` has the value `{value}`, which is no boolean"));
            }
            Action::Allow | Action::Deny => {}
            Action::Audit | Action::Custom => {
                self.add(self.start(), format!("annotation `{DRY_RUN}` is only for ALLOW and DENY"));
            }
        }
    }

    /// An empty list arrives at istiod as none at all.
    fn rule(&mut self, rule: &Located<Rule>, action: Action, istio: &Version) {
        for from in rule.from.iter().flatten() {
            match &from.source {
                Some(source) => self.source(from.at, source, action, istio),
                None => self.add(from.at, "`from.source` must be set"),
            }
        }
        for to in rule.to.iter().flatten() {
            match &to.operation {
                Some(operation) => self.operation(to.at, operation),
                None => self.add(to.at, "`to.operation` must be set"),
            }
        }
        for condition in &rule.when {
            self.condition(condition, action, istio);
        }
    }

    fn source(&mut self, at: Position, source: &Source, action: Action, istio: &Version) {
        self.trust_domains(at, source, istio);
        self.source_is_filled(at, source, istio);
        let identities = &source.l4_fields()[..4];
        let accounts = &source.l4_fields()[4..6];
        let written = |fields: &[(&str, &[String])]| fields.iter().any(|(_, values)| !values.is_empty());
        self.add_if(
            written(identities) && written(accounts),
            at,
            "`serviceAccounts` cannot stand beside `principals` or `namespaces` in one source",
        );
        for (field, values) in accounts {
            self.take(at, attribute::service_accounts(field, values));
        }
        for (field, values) in source.l4_fields().into_iter().chain(source.http_fields()) {
            self.take(at, attribute::filled(field, values));
        }
        for values in [&source.ip_blocks, &source.not_ip_blocks, &source.remote_ip_blocks, &source.not_remote_ip_blocks]
        {
            self.take(at, attribute::addresses(values));
        }
        if action == Action::Custom {
            self.custom_source(at, source);
        }
    }

    fn source_is_filled(&mut self, at: Position, source: &Source, istio: &Version) {
        let domains = source.trust_domain_fields();
        let known = since(istio, 1, 30, 2);
        let filled = source
            .l4_fields()
            .iter()
            .chain(&source.http_fields())
            .chain(domains.iter().filter(|_| known))
            .any(|(_, values)| !values.is_empty());
        self.add_if(!filled, at, "`from.source` must not be empty");
    }

    /// The CRD has the fields since 1.30.0, istiod reads them since 1.30.2.
    fn trust_domains(&mut self, at: Position, source: &Source, istio: &Version) {
        for (field, values) in source.trust_domain_fields() {
            if !values.is_empty() && !since(istio, 1, 30, 0) {
                self.add_with_hint(
                    at,
                    format!("a source has no field `{field}` before Istio 1.30"),
                    "name the trust domain in `principals`",
                );
            } else if since(istio, 1, 30, 2) {
                self.take(at, attribute::trust_domains(field, values));
            }
        }
    }

    fn custom_source(&mut self, at: Position, source: &Source) {
        let addresses = ["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"];
        let fields = source.l4_fields().into_iter().chain(source.http_fields()).chain(source.trust_domain_fields());
        for (field, values) in fields {
            if !values.is_empty() && !addresses.contains(&field) {
                self.add(at, format!("a CUSTOM policy cannot use `{field}`"));
            }
        }
    }

    fn operation(&mut self, at: Position, operation: &Operation) {
        let ports = [("ports", operation.ports.as_slice()), ("notPorts", &operation.not_ports)];
        let http = operation.http_fields();
        let empty = ports.iter().chain(&http).all(|(_, values)| values.is_empty());
        self.add_if(empty, at, "`to.operation` must not be empty");
        for (field, values) in ports.iter().chain(&http) {
            self.take(at, attribute::filled(field, values));
        }
        for (_, values) in ports {
            self.take(at, attribute::ports(values));
        }
        self.take(at, attribute::path_templates("paths", &operation.paths));
        self.take(at, attribute::path_templates("notPaths", &operation.not_paths));
    }

    fn condition(&mut self, condition: &Located<Condition>, action: Action, istio: &Version) {
        let at = condition.at;
        let key = condition.key.as_str();
        if key.is_empty() {
            return self.add(at, "a condition needs a `key`");
        }
        if condition.values.is_empty() && condition.not_values.is_empty() {
            return self.add(at, format!("the condition on `{key}` needs `values` or `notValues`"));
        }
        let values = attribute::condition(key, &condition.values, istio);
        self.take(at, values.and_then(|()| attribute::condition(key, &condition.not_values, istio)));
        let identity =
            ["source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal"].contains(&key);
        if action == Action::Custom && (identity || key.starts_with("request.auth.")) {
            self.add(at, format!("a CUSTOM policy cannot use `{key}`"));
        }
    }
}
