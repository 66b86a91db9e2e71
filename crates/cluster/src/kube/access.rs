//! Which cluster, and as whom: the kubeconfig.

use std::path::{Path, PathBuf};

use airtight_manifest::Failure;
use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};

/// Which cluster, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// The kubeconfig; none: `KUBECONFIG`, then `~/.kube/config`, then the service account of one's own pod.
    pub kubeconfig: Option<PathBuf>,
    /// Its context; none: its current one.
    pub context: Option<String>,
}

impl Access {
    /// The context that is used; none within a pod, which has no kubeconfig.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub fn context_used(&self) -> Result<Option<String>, Failure> {
        let current = || Ok(self.kubeconfig()?.and_then(|kubeconfig| kubeconfig.current_context));
        self.context.clone().map_or_else(current, |named| Ok(Some(named)))
    }

    pub(super) async fn config(&self) -> Result<Config, Failure> {
        let Some(kubeconfig) = self.kubeconfig()? else { return in_cluster() };
        let named: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
        let mut clusters = kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref());
        let proxied = clusters.any(|cluster| cluster.proxy_url.is_some());
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.map_err(|error| unusable(&error, &named))?;
        // No client asks a proxy for this machine because of `HTTPS_PROXY` (Go `net/http`, `ProxyFromEnvironment`).
        if !proxied && config.cluster_url.host().is_some_and(is_this_machine) {
            config.proxy_url = None;
        }
        Ok(config)
    }

    /// The file that is meant; none if none was asked for and there is none.
    fn kubeconfig(&self) -> Result<Option<Kubeconfig>, Failure> {
        if let Some(path) = &self.kubeconfig {
            return Kubeconfig::read_from(path).map(Some).map_err(|error| unread(&error));
        }
        let set = std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty());
        let home = std::env::home_dir().map(|home| home.join(".kube/config"));
        if set || home.as_deref().is_some_and(Path::exists) {
            return Kubeconfig::read().map(Some).map_err(|error| unread(&error));
        }
        match &self.context {
            None => Ok(None),
            Some(context) => Err(Failure {
                code: "no-kubeconfig",
                message: format!("there is no kubeconfig in which context {context} could be"),
                hint: Some("name one with --kubeconfig or KUBECONFIG".to_owned()),
            }),
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn in_cluster() -> Result<Config, Failure> {
    Config::incluster().map_err(|error| Failure {
        code: "no-kubeconfig",
        message: format!("there is no kubeconfig, and this is no pod with a service account: {error}"),
        hint: Some("name a kubeconfig with --kubeconfig or KUBECONFIG".to_owned()),
    })
}

fn unread(error: &KubeconfigError) -> Failure {
    Failure {
        code: "kubeconfig",
        message: format!("the kubeconfig cannot be used: {error}"),
        hint: Some("`kubectl config view` reads the same file".to_owned()),
    }
}

fn unusable(error: &KubeconfigError, contexts: &[String]) -> Failure {
    let existing = if contexts.is_empty() {
        "the kubeconfig has no context at all".to_owned()
    } else {
        format!("there are: {}", contexts.join(", "))
    };
    match error {
        KubeconfigError::LoadContext(name) => Failure {
            code: "no-such-context",
            message: format!("the kubeconfig has no context {name}"),
            hint: Some(existing),
        },
        KubeconfigError::CurrentContextNotSet => Failure {
            code: "no-such-context",
            message: "the kubeconfig has no current context, and none was named".to_owned(),
            hint: Some(format!("name one with --context; {existing}")),
        },
        other => unread(other),
    }
}
