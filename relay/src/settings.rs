//! What this relay is configured with: a rendered `RelayConfig` or a `MessagingBridge` manifest, together with the
//! flags that name places. Everything is checked here once; the rest of the relay reads typed values.

use std::path::{Path, PathBuf};
use std::time::Duration;

use messaging_bridge_clients::genesys::{GenesysHosts, IntegrationId, WireProfile};
use messaging_bridge_clients::twilio;
use messaging_bridge_crds as crds;
use url::Url;

use crate::outbox::Identity;
use crate::public_url::{PublicUrl, PublicUrlError};

/// Genesys' default allowance for one client's token, in requests a minute.
const DEFAULT_REQUESTS_PER_MINUTE: u32 = 300;

/// What Twilio gives most senders, in messages a second (Twilio: rate limits and queues). Faster ones only wait in
/// Twilio's queue instead of ours, where nothing can be said about them.
const DEFAULT_MESSAGES_PER_SECOND: u32 = 10;

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A `MessagingBridge` manifest: the relay resolves the integration by itself (stand-alone).
    Bridge(PathBuf),
    /// A `RelayConfig` that the operator rendered.
    Config(PathBuf),
}

/// The configuration, checked and typed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `namespace/name`, for logs and status.
    pub bridge: String,
    /// The Twilio number, E.164.
    pub number: String,
    /// The public URL.
    pub public_url: PublicUrl,
    /// Genesys' hosts.
    pub genesys_hosts: GenesysHosts,
    /// The host that rows are identified by, also when `--genesys-base-url` points elsewhere.
    pub genesys_host: String,
    /// Twilio's API.
    pub twilio_api: Url,
    /// What to speak with Genesys.
    pub profile: WireProfile,
    /// The integration's name.
    pub integration_name: String,
    /// The integration's id, when the operator resolved it.
    pub integration_id: Option<IntegrationId>,
    /// Requests a minute that Genesys allows until its headers say otherwise; `fixed` when the user set them.
    pub requests_per_minute: Allowance,
    /// The folder of the Genesys Secret, below `--secrets`.
    pub genesys_secret: String,
    /// The folder of the Twilio Secret, below `--secrets`.
    pub twilio_secret: String,
    /// Messages a second for our sender.
    pub messages_per_second: u32,
    /// Bytes of waiting messages at most.
    pub max_bytes: u64,
    /// Waiting messages at most.
    pub max_messages: u64,
    /// How long after its arrival an agent's message may be sent.
    pub validity: Duration,
    /// What follows when nobody can say whether a message was sent.
    pub on_unresolved: OnUnresolved,
    /// Whether failures are also told as messages in the conversation.
    pub failure_notices: bool,
}

/// What follows when nobody can say whether a message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnresolved {
    /// It is not sent again, and the agent is told.
    Fail,
    /// It is sent again: the customer may get it twice.
    Resend,
}

/// How many requests a minute Genesys allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Requests a minute.
    pub per_minute: u32,
    /// Set by the user: the headers of the platform do not change it.
    pub fixed: bool,
}

/// Replacements for every host of a platform (tests, proxies).
#[derive(Debug, Clone, Default)]
pub struct BaseUrls {
    /// Instead of Genesys' API and login hosts.
    pub genesys: Option<Url>,
    /// Instead of Twilio's.
    pub twilio: Option<Url>,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest breaks rules; each problem names its field and the fix.
    #[error("{}", list_problems(path, problems))]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problems: Vec<crds::Problem>,
    },
    /// The rendered configuration cannot be read.
    #[error("{}: {source}", path.display())]
    Config {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: crds::RelayConfigError,
    },
    /// The region is not known.
    #[error("spec.genesys.region: {0}")]
    Region(#[from] crds::RegionError),
    /// The public URL cannot be used.
    #[error(transparent)]
    PublicUrl(#[from] PublicUrlError),
    /// A host in the rendered configuration is not one.
    #[error("{field}: {value:?} is not a host name")]
    Host {
        /// The field.
        field: &'static str,
        /// What stands there.
        value: String,
    },
}

fn list_problems(path: &Path, problems: &[crds::Problem]) -> String {
    let mut text = format!("{} is not a valid MessagingBridge:", path.display());
    for problem in problems {
        text.push_str("\n  ");
        if !problem.field.is_empty() {
            text.push_str(&problem.field);
            text.push_str(": ");
        }
        text.push_str(&problem.message);
    }
    text
}

impl Settings {
    /// Reads and checks the configuration.
    pub fn load(source: &Source, base_urls: &BaseUrls) -> Result<Self, SettingsError> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
                path: path.clone(),
                source,
            })
        };
        let config = match source {
            Source::Bridge(path) => {
                let bridge = crds::check_manifest(&read(path)?).map_err(|problems| {
                    SettingsError::Manifest {
                        path: path.clone(),
                        problems,
                    }
                })?;
                crds::RelayConfig::from_bridge(&bridge, "default")?
            }
            Source::Config(path) => {
                crds::RelayConfig::parse(&read(path)?).map_err(|source| SettingsError::Config {
                    path: path.clone(),
                    source,
                })?
            }
        };
        Self::from_config(config, base_urls)
    }

    /// Types a configuration.
    pub fn from_config(
        config: crds::RelayConfig,
        base_urls: &BaseUrls,
    ) -> Result<Self, SettingsError> {
        let crds::RelayConfig {
            version: _,
            bridge,
            genesys,
            twilio,
            public_url,
            queue,
        } = config;
        let genesys_hosts = match &base_urls.genesys {
            Some(base) => GenesysHosts {
                api: base.clone(),
                login: base.clone(),
            },
            None => GenesysHosts {
                api: https("genesys.apiHost", &genesys.api_host)?,
                login: https("genesys.loginHost", &genesys.login_host)?,
            },
        };
        let twilio_api = match &base_urls.twilio {
            Some(base) => base.clone(),
            None => twilio::api_base(twilio.region.as_deref(), twilio.edge.as_deref()),
        };
        Ok(Self {
            bridge: format!("{}/{}", bridge.namespace, bridge.name),
            number: twilio.number,
            public_url: PublicUrl::parse(&public_url)?,
            genesys_hosts,
            genesys_host: genesys.api_host,
            twilio_api,
            profile: match genesys.wire_profile {
                crds::WireProfile::Current => WireProfile::Current,
                crds::WireProfile::Guide => WireProfile::Guide,
            },
            integration_name: genesys.integration_name,
            integration_id: genesys.integration_id.map(IntegrationId::new),
            requests_per_minute: Allowance {
                per_minute: genesys
                    .requests_per_minute
                    .unwrap_or(DEFAULT_REQUESTS_PER_MINUTE),
                fixed: genesys.requests_per_minute.is_some(),
            },
            genesys_secret: genesys.credentials,
            twilio_secret: twilio.credentials,
            messages_per_second: twilio
                .messages_per_second
                .unwrap_or(DEFAULT_MESSAGES_PER_SECOND),
            max_bytes: queue.max_bytes,
            validity: Duration::from_secs(twilio.validity_seconds.into()),
            on_unresolved: match twilio.on_unresolved {
                crds::OnUnresolved::Fail => OnUnresolved::Fail,
                crds::OnUnresolved::Resend => OnUnresolved::Resend,
            },
            failure_notices: genesys.failure_notices,
            max_messages: queue.max_messages,
        })
    }

    /// Who the rows of this relay belong to.
    pub fn identity(&self, integration: Option<&IntegrationId>) -> Identity {
        Identity {
            sender: self.number.clone(),
            genesys_host: self.genesys_host.clone(),
            integration_name: self.integration_name.clone(),
            integration_id: integration.map(|id| id.as_str().to_owned()),
        }
    }
}

fn https(field: &'static str, host: &str) -> Result<Url, SettingsError> {
    let refuse = || SettingsError::Host {
        field,
        value: host.to_owned(),
    };
    let url = Url::parse(&format!("https://{host}")).map_err(|_| refuse())?;
    if url.host_str() == Some(host) && url.path() == "/" {
        Ok(url)
    } else {
        Err(refuse())
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot read its own input should stop there"
    )]

    use super::*;
    use rstest::rstest;

    const GOLDEN: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../crds/relay-config.golden.yaml"
    );
    const MINIMAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds/examples/minimal.yaml");
    const FULL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds/examples/full.yaml");

    fn load(source: &Source) -> Settings {
        Settings::load(source, &BaseUrls::default()).unwrap()
    }

    #[test]
    fn the_golden_configuration_of_the_operator_is_read() {
        let settings = load(&Source::Config(GOLDEN.into()));
        assert!(
            settings.integration_id.is_some(),
            "the operator hands the id on"
        );
        assert!(
            settings
                .genesys_hosts
                .api
                .as_str()
                .starts_with("https://api.")
        );
        assert!(
            settings
                .genesys_hosts
                .login
                .as_str()
                .starts_with("https://login.")
        );
    }

    #[test]
    fn a_manifest_is_read_without_a_cluster_and_its_id_is_not_known_yet() {
        let settings = load(&Source::Bridge(MINIMAL.into()));
        assert!(settings.integration_id.is_none());
        assert_eq!(
            settings.requests_per_minute,
            Allowance {
                per_minute: 300,
                fixed: false
            }
        );
        assert_eq!(settings.messages_per_second, 10);
        assert_eq!(settings.profile, WireProfile::Current);
    }

    #[test]
    fn what_is_not_written_has_the_default_in_both_forms_and_what_is_written_counts() {
        let minimal = load(&Source::Bridge(MINIMAL.into()));
        assert_eq!(minimal.validity, Duration::from_hours(4));
        assert_eq!(minimal.on_unresolved, OnUnresolved::Fail);
        assert!(!minimal.failure_notices);
        for full in [Source::Bridge(FULL.into()), Source::Config(GOLDEN.into())] {
            let full = load(&full);
            assert_eq!(full.validity, Duration::from_mins(150));
            assert!(full.failure_notices);
        }
    }

    #[test]
    fn what_the_user_set_is_fixed() {
        let settings = load(&Source::Bridge(FULL.into()));
        assert!(settings.requests_per_minute.fixed);
        assert_eq!(settings.messages_per_second, 20);
    }

    #[test]
    fn a_base_url_replaces_both_hosts_of_a_platform_but_not_what_rows_are_identified_by() {
        let base: Url = "http://127.0.0.1:4010".parse().unwrap();
        let base_urls = BaseUrls {
            genesys: Some(base.clone()),
            twilio: Some(base.clone()),
        };
        let settings = Settings::load(&Source::Bridge(MINIMAL.into()), &base_urls).unwrap();
        assert_eq!(
            [
                &settings.genesys_hosts.api,
                &settings.genesys_hosts.login,
                &settings.twilio_api
            ],
            [&base; 3]
        );
        assert!(settings.identity(None).genesys_host.starts_with("api."));
    }

    #[rstest]
    #[case("api.mypurecloud.com", true)]
    #[case("api.mypurecloud.com/path", false)]
    #[case("user@api.mypurecloud.com", false)]
    #[case("api.mypurecloud.com:8443", false)]
    #[case("", false)]
    fn a_host_is_a_host_alone(#[case] host: &str, #[case] accepted: bool) {
        assert_eq!(https("genesys.apiHost", host).is_ok(), accepted);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Settings::load(
            &Source::Bridge("/nowhere/b.yaml".into()),
            &BaseUrls::default(),
        )
        .unwrap_err();
        assert!(
            error.to_string().starts_with("/nowhere/b.yaml: "),
            "{error}"
        );
    }
}
