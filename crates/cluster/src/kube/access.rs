//! Which cluster, and as whom: the kubeconfig.

use std::path::{Path, PathBuf};

use airtight_manifest::Failure;
use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError, NamedAuthInfo};

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

    /// The program that the kubeconfig has run for credentials, in words: whoever names a context has a right to know what
    /// is run for it. Its arguments and environment, which may hold secrets, are not told.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub fn credential_program(&self) -> Result<Option<String>, Failure> {
        let Some(kubeconfig) = self.kubeconfig()? else { return Ok(None) };
        let user = self.user_of(&kubeconfig);
        let command =
            user.and_then(|user| Some((&user.name, user.auth_info.as_ref()?.exec.as_ref()?.command.as_ref()?)));
        Ok(command.map(|(name, command)| format!("the kubeconfig's user {name} has `{command}` run for credentials")))
    }

    /// The user of the context that is used.
    fn user_of<'a>(&self, kubeconfig: &'a Kubeconfig) -> Option<&'a NamedAuthInfo> {
        let context = self.context.as_ref().or(kubeconfig.current_context.as_ref());
        let named = kubeconfig.contexts.iter().find(|known| Some(&known.name) == context);
        let user = named.and_then(|named| named.context.as_ref()?.user.as_deref())?;
        kubeconfig.auth_infos.iter().find(|known| known.name == user)
    }

    pub(super) async fn config(&self) -> Result<Config, Failure> {
        let Some(kubeconfig) = self.kubeconfig()? else { return in_cluster() };
        let named: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
        let mut clusters = kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref());
        let proxied = clusters.any(|cluster| cluster.proxy_url.is_some());
        self.usable_user(&kubeconfig)?;
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.map_err(|error| unusable(&error, &named))?;
        // No client asks a proxy for this machine because of `HTTPS_PROXY` (Go `net/http`, `ProxyFromEnvironment`).
        if !proxied && config.cluster_url.host().is_some_and(is_this_machine) {
            config.proxy_url = None;
        }
        Ok(config)
    }

    /// Refuses credentials that kubectl would not use either, or that no header can carry.
    fn usable_user(&self, kubeconfig: &Kubeconfig) -> Result<(), Failure> {
        let Some(user) = self.user_of(kubeconfig) else { return Ok(()) };
        let Some(info) = &user.auth_info else { return Ok(()) };
        let refused = |what: String, hint: &str| {
            let message = format!("the kubeconfig's user {} {what}", user.name);
            Err(Failure { code: "kubeconfig", message, hint: Some(hint.to_owned()) })
        };
        if let Some(provider) = &info.auth_provider {
            let what = format!("has the auth provider `{}`, whose command nobody runs any more", provider.name);
            return refused(what, "kubectl has had none since 1.26; use an exec plugin instead");
        }
        let written = serde_json::to_value(info).unwrap_or_default();
        let unfit = |letter: char| letter.is_control() || !letter.is_ascii();
        if written["token"].as_str().is_some_and(|token| token.contains(unfit)) {
            return refused(
                "has a token with characters that no header can carry".to_owned(),
                "is there a line break in it?",
            );
        }
        Ok(())
    }

    /// The file that is meant; none if none was asked for and there is none.
    fn kubeconfig(&self) -> Result<Option<Kubeconfig>, Failure> {
        if let Some(path) = &self.kubeconfig {
            endless(path)?;
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

/// A device is no kubeconfig, and some have no end.
#[cfg(unix)]
fn endless(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::FileTypeExt;

    let kind = std::fs::metadata(path).map(|metadata| metadata.file_type());
    let is_device = kind.is_ok_and(|kind| kind.is_char_device() || kind.is_block_device());
    if is_device {
        let message = format!("{} is a device, and no kubeconfig", path.display());
        return Err(Failure::new("kubeconfig", message).hint("name a file with --kubeconfig"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn endless(_: &Path) -> Result<(), Failure> {
    Ok(())
}

/// Without the words of the parser, which quote what they could not read: that may be a token or a key.
fn unread(error: &KubeconfigError) -> Failure {
    let why = match error {
        KubeconfigError::Parse(error) => error.location().map_or_else(
            || "it is no YAML, or a field has a value of another type".to_owned(),
            |place| {
                format!("at {}:{} it is no YAML, or a field has a value of another type", place.line(), place.column())
            },
        ),
        KubeconfigError::ParseClusterUrl(_) => "the server's URL cannot be read".to_owned(),
        KubeconfigError::ParseProxyUrl(_) => "the proxy's URL cannot be read".to_owned(),
        KubeconfigError::LoadClientKey(_) => "the client's key cannot be read".to_owned(),
        KubeconfigError::LoadClientCertificate(_) => "the client's certificate cannot be read".to_owned(),
        other => other.to_string(),
    };
    Failure {
        code: "kubeconfig",
        message: format!("the kubeconfig cannot be used: {why}"),
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
