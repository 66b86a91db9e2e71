//! How a scenario file is written: the types that its YAML decodes to, before any name is looked up.

use std::collections::BTreeMap;
use std::fmt;

use airtight_manifest::Located;
use airtight_model::policy::{Claim, Layer, Reason, TokenState};
use airtight_model::world::Protocol;
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, IgnoredAny, Visitor};
use serde::{Deserialize as DeriveDeserialize, de};
use serde_json::Value;

use super::case::Severity;
use super::one_or_many::{listed, listed_map};

/// `apiVersion` of scenario files.
pub const API_VERSION: &str = "airtight.dev/v1alpha1";

/// `kind` of scenario files.
pub const KIND: &str = "Scenario";

/// A scenario without its cases, which are decoded one by one so that each reports its own findings.
#[derive(Debug, Clone, DeriveDeserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeadForm {
    pub(super) spec: SpecHeadForm,
}

/// `spec` of a scenario without its cases.
#[derive(Debug, Clone, DeriveDeserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpecHeadForm {
    pub(super) title: String,
    #[serde(default)]
    pub(super) suite: Option<Located<String>>,
    #[serde(default)]
    pub(super) severity: Option<Severity>,
    #[serde(default)]
    pub(super) controls: Vec<Located<String>>,
    #[expect(dead_code, reason = "named so that the decoder knows the field; cases are decoded one by one")]
    pub(super) cases: IgnoredAny,
}

/// A scenario file.
#[derive(JsonSchema)]
#[schemars(rename = "Scenario", rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used; `HeadForm` and `CaseForm` are what is decoded")]
pub(super) struct ScenarioForm {
    /// `airtight.dev/v1alpha1`.
    #[schemars(regex(pattern = r"^airtight\.dev/v1alpha1$"))]
    api_version: String,
    /// `Scenario`.
    #[schemars(regex(pattern = r"^Scenario$"))]
    kind: String,
    /// Its name.
    metadata: MetadataForm,
    /// Its cases and their defaults.
    spec: SpecForm,
}

/// Metadata of a scenario.
#[derive(JsonSchema)]
#[schemars(rename = "Metadata", rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct MetadataForm {
    /// Name of the scenario: lower-case letters, digits and hyphens.
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    name: String,
}

/// The cases of a scenario, and what they have in common.
#[derive(JsonSchema)]
#[schemars(rename = "Spec", rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct SpecForm {
    /// One sentence: what the scenario shows.
    title: String,
    /// The suite that its cases belong to.
    #[schemars(default)]
    suite: Option<String>,
    /// Severity of the cases that name none.
    #[schemars(default)]
    severity: Option<Severity>,
    /// Controls of the cases that name none.
    #[schemars(default)]
    controls: Vec<String>,
    /// The cases.
    #[schemars(length(min = 1))]
    cases: Vec<CaseForm>,
}

/// One case, or several that differ in what is written as a list.
#[derive(Debug, Clone, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Case", deny_unknown_fields)]
pub(super) struct CaseForm {
    /// Stable id, such as `MCP-01`; letters, digits, `-` and `_`.
    #[schemars(with = "String", regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"))]
    pub(super) id: Located<String>,
    /// One sentence: the claim.
    pub(super) title: String,
    /// Who attempts it: `namespace/workload`, `outside`, `node/NAME` or `kubelet`; for an attempt to change an object
    /// `cluster-admin`, `{user: NAME, groups: [...]}` or `{serviceAccount: namespace/name}`.
    #[schemars(schema_with = "listed::<SourceSchema>")]
    pub(super) from: Vec<Located<SourceForm>>,
    /// What it aims at.
    #[schemars(schema_with = "listed::<TargetForm>")]
    pub(super) to: Vec<Located<TargetForm>>,
    /// The HTTP request; none for a bare connection.
    #[serde(default)]
    #[schemars(schema_with = "listed::<RequestForm>")]
    pub(super) request: Vec<Located<RequestForm>>,
    /// Objects that the cluster administrator applies before, in their order.
    #[serde(default)]
    #[schemars(with = "Vec<Manifest>")]
    pub(super) given: Vec<Located<Value>>,
    /// Changes that are made, accepted and followed up before, after the given objects, in their order.
    #[serde(default)]
    #[schemars(with = "Vec<StepForm>")]
    pub(super) after: Vec<Located<StepForm>>,
    /// What must come of it.
    #[schemars(with = "ExpectForm")]
    pub(super) expect: Located<ExpectForm>,
    /// For a denied case: the id of the allowed case that differs in exactly one thing.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) twin: Option<Located<String>>,
    /// How bad a failure is.
    #[serde(default)]
    pub(super) severity: Option<Severity>,
    /// Controls that it gives evidence for, as `framework/ID`.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) controls: Option<Vec<Located<String>>>,
    /// Claims of the architecture that it decides, such as `S1-16`.
    #[serde(default)]
    pub(super) claims: Vec<String>,
    /// A known failure that someone answers for, until a day.
    #[serde(default)]
    #[schemars(with = "Option<WaiverForm>")]
    pub(super) waive: Option<Located<WaiverForm>>,
}

/// A whole object, as in a manifest.
type Manifest = serde_json::Map<String, Value>;

/// Who attempts a flow, as a text or spelt out.
#[derive(JsonSchema)]
#[schemars(rename = "SourceOrName", untagged)]
#[expect(dead_code, reason = "only its schema is used; a text is brought into the other form before it is decoded")]
pub(super) enum SourceSchema {
    /// `namespace/workload`, `outside`, `node/NAME`, `kubelet` or `cluster-admin`.
    Name(String),
    /// A user of the API server.
    User(SourceForm),
}

/// Who attempts a flow: exactly one of `name`, `user` and `serviceAccount`.
#[derive(Debug, Clone, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Source", deny_unknown_fields)]
pub(super) struct SourceForm {
    /// `namespace/workload`, `outside`, `node/NAME`, `kubelet` or `cluster-admin`; a text alone stands for this.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<Located<String>>,
    /// A user of the API server, by name.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) user: Option<Located<String>>,
    /// Groups of the user; `system:authenticated` is among them unsaid.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) groups: Vec<Located<String>>,
    /// A service account that talks to the API server, as `namespace/name`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) service_account: Option<Located<String>>,
}

/// A change that is made before a flow: exactly one of `apply`, `update` and `delete`.
#[derive(Debug, Clone, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Step", deny_unknown_fields)]
pub(super) struct StepForm {
    /// Who makes it; `cluster-admin` where nobody is written.
    #[serde(default)]
    #[schemars(with = "Option<SourceSchema>")]
    pub(super) from: Option<Located<SourceForm>>,
    /// The object is made, or replaced if it is there.
    #[serde(default)]
    #[schemars(with = "Option<Manifest>")]
    pub(super) apply: Option<Located<Value>>,
    /// The object is replaced.
    #[serde(default)]
    #[schemars(with = "Option<Manifest>")]
    pub(super) update: Option<Located<Value>>,
    /// The object is deleted.
    #[serde(default)]
    #[schemars(with = "Option<ObjectForm>")]
    pub(super) delete: Option<Located<ObjectForm>>,
}

/// An object by name.
#[derive(Debug, Clone, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Object", deny_unknown_fields)]
pub(super) struct ObjectForm {
    /// Kind, such as `NetworkPolicy`.
    #[schemars(with = "String")]
    pub(super) kind: Located<String>,
    /// Namespace, for a namespaced kind; `default` where none is written.
    #[serde(default)]
    pub(super) namespace: Option<String>,
    /// Name.
    pub(super) name: String,
}

/// What a flow aims at: exactly one of `service`, `pod`, `host`, `address`, `gateway`, `node`, `name`, and for an
/// attempt to change an object `apply`, `update`, `delete`.
#[derive(Debug, Clone, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Target", deny_unknown_fields)]
pub(super) struct TargetForm {
    /// A Service, as `namespace/name`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) service: Option<Located<String>>,
    /// A pod's own address, by `namespace/workload`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) pod: Option<Located<String>>,
    /// A host outside the cluster, by name.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) host: Option<Located<String>>,
    /// A literal IP address.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) address: Option<Located<String>>,
    /// A Gateway as a user outside reaches it, as `namespace/name`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) gateway: Option<Located<String>>,
    /// A node, by name.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) node: Option<Located<String>>,
    /// Only the resolution of this DNS name.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<Located<String>>,
    /// The object is made, or replaced if it is there; the whole object as in a manifest.
    #[serde(default)]
    #[schemars(with = "Option<Manifest>")]
    pub(super) apply: Option<Located<Value>>,
    /// The object is replaced, and must be there; the whole object as it shall be.
    #[serde(default)]
    #[schemars(with = "Option<Manifest>")]
    pub(super) update: Option<Located<Value>>,
    /// The object is deleted.
    #[serde(default)]
    #[schemars(with = "Option<ObjectForm>")]
    pub(super) delete: Option<Located<ObjectForm>>,
    /// The port that the client dials.
    #[serde(default)]
    #[schemars(with = "Option<u16>")]
    pub(super) port: Option<Located<u16>>,
    /// The transport protocol; TCP where none is written (UDP for a bare name).
    #[serde(default)]
    pub(super) protocol: Option<Protocol>,
    /// TLS without an HTTP request: `true`, or the server name to ask for.
    #[serde(default)]
    #[schemars(with = "Option<TlsForm>")]
    pub(super) tls: Option<Located<TlsForm>>,
}

/// An HTTP request.
#[derive(Debug, Clone, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Request", deny_unknown_fields)]
pub(super) struct RequestForm {
    /// Method; `GET` where none is written.
    #[serde(default)]
    pub(super) method: Option<String>,
    /// Path and query; `/` where none is written.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) path: Option<Located<String>>,
    /// `:authority`; what a client would send for this target where none is written.
    #[serde(default)]
    pub(super) host: Option<String>,
    /// Headers; a list as value repeats the header.
    #[serde(default)]
    #[schemars(schema_with = "listed_map")]
    pub(super) headers: BTreeMap<String, Vec<String>>,
    /// The bearer token.
    #[serde(default)]
    pub(super) token: Option<TokenForm>,
    /// `true` for HTTPS with the host as server name, or the server name to ask for.
    #[serde(default)]
    #[schemars(with = "Option<TlsForm>")]
    pub(super) tls: Option<Located<TlsForm>>,
}

/// A JSON Web Token by what a verifier would find in it.
#[derive(Debug, Clone, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TokenInRequest", deny_unknown_fields)]
pub(super) struct TokenForm {
    /// `iss`.
    pub(super) issuer: String,
    /// `sub`.
    #[serde(default)]
    pub(super) subject: String,
    /// `aud`.
    #[serde(default)]
    #[schemars(schema_with = "listed::<String>")]
    pub(super) audiences: Vec<String>,
    /// Further claims as the token's JSON has them: texts, numbers, truth values, lists, objects.
    #[serde(default)]
    pub(super) claims: BTreeMap<String, Claim>,
    /// Whether it verifies; `valid` where none is written.
    #[serde(default)]
    pub(super) state: TokenState,
}

/// What must come of a flow: exactly one of `allow` and `deny`.
#[derive(Debug, Clone, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Expect", deny_unknown_fields)]
pub(super) struct ExpectForm {
    /// It must get through; `{}` accepts any 2xx of a request, and a made connection otherwise.
    #[serde(default)]
    #[schemars(with = "Option<AllowForm>")]
    pub(super) allow: Option<Located<AllowForm>>,
    /// It must not.
    #[serde(default)]
    #[schemars(with = "Option<DenyForm>")]
    pub(super) deny: Option<Located<DenyForm>>,
}

/// What getting through means.
#[derive(Debug, Clone, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Allow", deny_unknown_fields)]
pub(super) struct AllowForm {
    /// Accepted HTTP statuses.
    #[serde(default)]
    #[schemars(schema_with = "listed::<u16>")]
    pub(super) status: Vec<Located<u16>>,
    /// Accepted outcomes, such as `connected`.
    #[serde(default)]
    #[schemars(schema_with = "listed::<String>")]
    pub(super) outcome: Vec<Located<String>>,
    /// Layers that must lie on the way.
    #[serde(default)]
    #[schemars(schema_with = "listed::<Layer>")]
    pub(super) via: Vec<Layer>,
    /// Who must answer: a workload, as `namespace/workload`, or a host outside.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) answered_by: Option<Located<String>>,
    /// Request headers that the backend must see; `null`: must be absent.
    #[serde(default)]
    pub(super) backend_headers: BTreeMap<String, Option<String>>,
    /// The objects that rules generate of an accepted change, no more and no fewer; `[]`: none.
    #[serde(default)]
    #[schemars(with = "Option<Vec<ObjectForm>>")]
    pub(super) generates: Option<Vec<Located<ObjectForm>>>,
    /// What the object is like when it is stored.
    #[serde(default)]
    #[schemars(with = "Option<StoredForm>")]
    pub(super) mutates: Option<Located<StoredForm>>,
}

/// What an object is like when it is stored, after rules changed it.
#[derive(Debug, Clone, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Stored", deny_unknown_fields)]
pub(super) struct StoredForm {
    /// Its labels; `null`: must be absent.
    pub(super) labels: BTreeMap<String, Option<String>>,
}

/// What being denied means.
#[derive(Debug, Clone, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Deny", deny_unknown_fields)]
pub(super) struct DenyForm {
    /// The layer that must deny.
    #[schemars(with = "Layer")]
    pub(super) by: Located<Layer>,
    /// How many layers must each deny alone; 1 where none is written.
    #[serde(default)]
    #[schemars(with = "Option<u8>")]
    pub(super) layers: Option<Located<u8>>,
    /// Accepted HTTP statuses, instead of the layer's usual ones.
    #[serde(default)]
    #[schemars(schema_with = "listed::<u16>")]
    pub(super) status: Vec<Located<u16>>,
    /// Accepted outcomes, such as `timeout` or `dns-failure(refused)`, instead of the layer's usual ones.
    #[serde(default)]
    #[schemars(schema_with = "listed::<String>")]
    pub(super) outcome: Vec<Located<String>>,
    /// Why it must be denied, such as `invalid-object` where the API server's own schema shall refuse.
    #[serde(default)]
    #[schemars(with = "Option<Reason>")]
    pub(super) reason: Option<Reason>,
}

/// A known failure that someone answers for, until a day.
#[derive(Debug, Clone, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WaiverOfCase", deny_unknown_fields)]
pub(super) struct WaiverForm {
    /// The last day on which it holds, `YYYY-MM-DD`; at most 365 days ahead.
    #[schemars(with = "String", regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
    pub(super) until: Located<String>,
    /// Why, and who answers for it.
    #[schemars(length(min = 1))]
    pub(super) why: String,
}

/// `true`, `false` or a server name.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "Tls", untagged)]
pub(super) enum TlsForm {
    /// Whether the client speaks TLS, with the host as server name.
    Plain(bool),
    /// The server name to ask for.
    Named(String),
}

impl<'de> Deserialize<'de> for TlsForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TlsVisitor)
    }
}

struct TlsVisitor;

impl Visitor<'_> for TlsVisitor {
    type Value = TlsForm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true` or a server name")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<TlsForm, E> {
        Ok(TlsForm::Plain(on))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<TlsForm, E> {
        Ok(TlsForm::Named(name.to_owned()))
    }
}
