//! Label selectors as Cilium reads them: keys carry the source of the label.

use std::collections::HashMap;
use std::sync::OnceLock;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// The label that holds a pod's namespace.
pub(super) const NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// Prefix of the labels that hold a pod's namespace's labels.
pub(super) const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";
/// The label that holds a pod's cluster.
pub(super) const CLUSTER: &str = "io.cilium.k8s.policy.cluster";
/// The label that holds a pod's service account.
pub(super) const SERVICE_ACCOUNT: &str = "io.cilium.k8s.policy.serviceaccount";

/// Where a label comes from (Cilium `pkg/labels`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Source {
    /// Kubernetes.
    K8s,
    /// Cilium's own classes of peers.
    Reserved,
    /// CiliumCIDRGroups.
    CidrGroup,
    /// Anything else that a selector may name.
    Other(String),
}

/// A label with its source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Label {
    pub(super) key: String,
    pub(super) source: Source,
    pub(super) value: String,
}

impl Label {
    pub(super) fn k8s(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), source: Source::K8s, value: value.into() }
    }

    pub(super) fn reserved(key: &str) -> Self {
        Self { key: key.to_owned(), source: Source::Reserved, value: String::new() }
    }
}

/// A key of a selector; no source means any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) source: Option<Source>,
    pub(super) key: String,
}

impl Key {
    pub(super) fn k8s(key: impl Into<String>) -> Self {
        Self { source: Some(Source::K8s), key: key.into() }
    }

    pub(super) fn reserved(key: &str) -> Self {
        Self { source: Some(Source::Reserved), key: key.to_owned() }
    }

    /// `source:key`, `any:key` or a bare key, which takes `default`; `$key` and `reserved.key` are Cilium's own
    /// (`pkg/labels/labels.go`, `parseSource`).
    pub(super) fn parse(text: &str, default: Option<&Source>) -> Self {
        let own = text.strip_prefix('$').or_else(|| text.strip_prefix("reserved.").filter(|key| !key.contains(':')));
        if let Some(key) = own {
            return Self::reserved(key);
        }
        match text.split_once(':') {
            None | Some(("", _)) => Self { source: default.cloned(), key: text.trim_start_matches(':').to_owned() },
            // An unspecified source is asked for as any is (`pkg/labels/labels.go`, `parseSelectLabel`).
            Some(("any" | "unspec", key)) => Self { source: None, key: key.to_owned() },
            Some(("k8s", key)) => Self::k8s(key),
            Some(("reserved", key)) => Self::reserved(key),
            Some(("cidrgroup", key)) => Self { source: Some(Source::CidrGroup), key: key.to_owned() },
            Some((source, key)) => Self { source: Some(Source::Other(source.to_owned())), key: key.to_owned() },
        }
    }

    pub(super) fn names(&self, label: &Label) -> bool {
        self.key == label.key && self.source.as_ref().is_none_or(|source| *source == label.source)
    }

    /// Whether it can name a Kubernetes label.
    pub(super) fn is_k8s_or_any(&self) -> bool {
        matches!(self.source, None | Some(Source::K8s))
    }
}

/// What a selector demands of one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Test {
    /// Present with this value, as `matchLabels` demands.
    Is(String),
    /// Present with one of these values.
    In(Vec<String>),
    /// Absent, or with another value.
    NotIn(Vec<String>),
    /// Present.
    Exists,
    /// Absent.
    DoesNotExist,
    /// An operator that no version knows: nothing matches.
    Never,
}

/// A selector: all of its demands must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Selector {
    demands: Vec<(Key, Test)>,
}

impl Selector {
    /// A selector whose bare keys take `source`, each key changed by `rename` first.
    pub(super) fn read(selector: &LabelSelector, source: Option<&Source>, rename: impl Fn(&str) -> String) -> Self {
        let mut labels: Vec<(Key, Vec<String>)> = Vec::new();
        for (key, value) in selector.match_labels.iter().flatten() {
            let key = Key::parse(&rename(key), source);
            match labels.iter_mut().find(|(known, _)| *known == key) {
                // Which of them Cilium keeps is chance (see `ambiguous_key`): those of either are taken here.
                Some((_, values)) => values.push(value.clone()),
                None => labels.push((key, vec![value.clone()])),
            }
        }
        let labels = labels.into_iter().map(|(key, mut values)| match values.pop() {
            Some(value) if values.iter().all(|other| *other == value) => (key, Test::Is(value)),
            last => (key, Test::In(values.into_iter().chain(last).collect())),
        });
        let expressions = selector.match_expressions.iter().flatten().map(|requirement| {
            let values = requirement.values.clone().unwrap_or_default();
            let test = match requirement.operator.as_str() {
                "In" => Test::In(values),
                "NotIn" => Test::NotIn(values),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::DoesNotExist,
                _ => Test::Never,
            };
            (Key::parse(&rename(&requirement.key), source), test)
        });
        Self { demands: labels.chain(expressions).collect() }
    }

    /// The same selector with one more demand.
    pub(super) fn and(mut self, key: Key, test: Test) -> Self {
        self.demands.push((key, test));
        self
    }

    /// The demands of both.
    pub(super) fn and_all(mut self, other: Self) -> Self {
        self.demands.extend(other.demands);
        self
    }

    /// The same selector confined to a namespace; a `k8s:` match on another namespace is overwritten.
    pub(super) fn in_namespace(mut self, namespace: &str) -> Self {
        let key = Key::k8s(NAMESPACE);
        self.demands.retain(|(known, test)| *known != key || !matches!(test, Test::Is(_)));
        self.and(key, Test::Is(namespace.to_owned()))
    }

    pub(super) fn has(&self, wanted: impl Fn(&Key) -> bool) -> bool {
        self.demands.iter().any(|(key, _)| wanted(key))
    }

    /// Whether it demands this label with an empty value, and nothing else.
    pub(super) fn is_just(&self, wanted: &Key) -> bool {
        matches!(self.demands.as_slice(), [(key, Test::Is(value))] if key == wanted && value.is_empty())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.demands.is_empty()
    }

    /// Whether every demand is also met by absence: such a selector matches peers without any labels.
    pub(super) fn is_negative(&self) -> bool {
        !self.demands.is_empty()
            && self.demands.iter().all(|(_, test)| matches!(test, Test::NotIn(_) | Test::DoesNotExist))
    }

    pub(super) fn demands(&self) -> &[(Key, Test)] {
        &self.demands
    }

    /// Keys and values without which nothing matches.
    fn demanded_labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.demands.iter().filter_map(|(key, test)| match test {
            Test::Is(value) => Some((key.key.as_str(), value.as_str())),
            Test::In(_) | Test::NotIn(_) | Test::Exists | Test::DoesNotExist | Test::Never => None,
        })
    }

    /// The same selector with its demands in one order, so that equal selectors are equal values.
    fn canonical(mut self) -> Self {
        self.demands.sort();
        self.demands.dedup();
        self
    }

    /// Whether `labels` meet every demand.
    pub(super) fn matches(&self, labels: &[Label]) -> bool {
        self.unmet(labels).next().is_none()
    }

    /// The demands that `labels` do not meet.
    pub(super) fn unmet<'a>(&'a self, labels: &'a [Label]) -> impl Iterator<Item = (&'a Key, &'a Test)> {
        let unmet = self.demands.iter().filter(|(key, test)| {
            let value = labels.iter().find(|label| key.names(label)).map(|label| &label.value);
            !match test {
                Test::Is(wanted) => value == Some(wanted),
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => !value.is_some_and(|value| values.contains(value)),
                Test::Exists => value.is_some(),
                Test::DoesNotExist => value.is_none(),
                Test::Never => false,
            }
        });
        unmet.map(|(key, test)| (key, test))
    }
}

/// A key that `matchLabels` has twice with different values, once its sources are read: `app` and `any:app`. Cilium
/// keeps the one that comes last in a Go map, which has no order (`pkg/policy/api/selector.go`, `NewESFromK8sLabelSelector`).
pub(super) fn ambiguous_key(selector: &LabelSelector) -> Option<String> {
    let labels: Vec<_> =
        selector.match_labels.iter().flatten().map(|(key, value)| (Key::parse(key, None), value)).collect();
    let twice = labels.iter().find(|(key, value)| labels.iter().any(|(other, its)| other == key && its != value));
    twice.map(|(key, _)| key.key.clone())
}

/// Index of a distinct selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SelectorId(pub(super) u32);

/// Every distinct selector, once.
#[derive(Debug, Default)]
pub(super) struct Selectors {
    list: Vec<Selector>,
    ids: HashMap<Selector, SelectorId>,
    by_label: OnceLock<ByLabel>,
}

/// Selectors by the rarest label that each demands, so that few of them need a look for one set of labels.
#[derive(Debug, Default)]
struct ByLabel {
    /// Key, value, and indices of selectors.
    demanding: HashMap<String, HashMap<String, Vec<u32>>>,
    /// Those that demand no label by value.
    rest: Vec<u32>,
}

impl ByLabel {
    fn of(list: &[Selector]) -> Self {
        let mut counts: HashMap<(&str, &str), u32> = HashMap::new();
        for label in list.iter().flat_map(Selector::demanded_labels) {
            *counts.entry(label).or_default() += 1;
        }
        let mut index = Self::default();
        for (number, selector) in (0_u32..).zip(list) {
            match selector.demanded_labels().min_by_key(|label| counts[label]) {
                Some((key, value)) => {
                    let values = index.demanding.entry(key.to_owned()).or_default();
                    values.entry(value.to_owned()).or_default().push(number);
                }
                None => index.rest.push(number),
            }
        }
        index
    }

    fn candidates<'a>(&'a self, labels: &'a [Label]) -> impl Iterator<Item = u32> + 'a {
        let demanded = labels.iter().filter_map(|label| self.demanding.get(&label.key)?.get(&label.value)).flatten();
        demanded.chain(&self.rest).copied()
    }
}

impl Selectors {
    pub(super) fn intern(&mut self, selector: Selector) -> SelectorId {
        let selector = selector.canonical();
        if let Some(id) = self.ids.get(&selector) {
            return *id;
        }
        let id = SelectorId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.push(selector.clone());
        self.ids.insert(selector, id);
        self.by_label = OnceLock::new();
        id
    }

    pub(super) fn get(&self, id: SelectorId) -> &Selector {
        &self.list[id.0 as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Which selectors match `labels`, as a bit set.
    pub(super) fn matching(&self, labels: &[Label]) -> Box<[u64]> {
        let mut bits = vec![0_u64; self.list.len().div_ceil(64)];
        for index in self.by_label.get_or_init(|| ByLabel::of(&self.list)).candidates(labels) {
            let index = index as usize;
            if self.list[index].matches(labels) {
                bits[index / 64] |= 1 << (index % 64);
            }
        }
        bits.into_boxed_slice()
    }
}
