//! The integration's id: given by the operator, or resolved by name (stand-alone) and kept in the data directory.
//!
//! Stand-alone, the id that was resolved last is in force at once after a restart, if it was resolved for the same
//! host and name; until one is known, customers' messages wait in the outbox and Genesys is answered 503. When Genesys
//! says that the integration is gone, its name is looked up again, so that one that was created anew is found.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use messaging_bridge_clients::genesys::{GenesysClient, IntegrationId, find_integration};
use messaging_bridge_clients::{BlockedCause, ErrorKind};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::chance::Chance;
use crate::dispatch::gate::Cause;
use crate::dispatch::retry;
use crate::dispatch::traffic::Traffic;
use crate::outbox::Outbox;
use crate::settings::Settings;

const FILE: &str = "integration.json";

/// How often a blocked direction is looked at for a lost integration.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// What was resolved, and for whom.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    host: String,
    name: String,
    id: String,
}

/// The id in force at start: the configured one, or the one remembered for the same host and name.
pub fn at_start(settings: &Settings, data_dir: &Path) -> Option<IntegrationId> {
    settings.integration_id.clone().or_else(|| {
        let text = std::fs::read_to_string(data_dir.join(FILE)).ok()?;
        let remembered: Remembered = serde_json::from_str(&text).ok()?;
        let ours = remembered.host == settings.genesys_host
            && remembered.name == settings.integration_name;
        ours.then(|| IntegrationId::new(remembered.id))
    })
}

/// Looks the integration up by name.
pub struct Resolver {
    /// Genesys' API.
    pub genesys: GenesysClient,
    /// Host and name.
    pub settings: Arc<Settings>,
    /// Where the id is remembered.
    pub data_dir: PathBuf,
    /// Who is told.
    pub resolved: watch::Sender<Option<IntegrationId>>,
    /// Rows learn the id.
    pub outbox: Arc<dyn Outbox>,
    /// Says when the integration is gone.
    pub inbound: Arc<Traffic>,
    /// Rises when a Secret changed: worth another try at once.
    pub changes: watch::Receiver<u64>,
    /// Randomness.
    pub chance: Arc<dyn Chance>,
}

impl Resolver {
    /// Resolves the id, now and whenever Genesys says that the integration is gone.
    pub async fn run(mut self) {
        let mut tries = 0;
        loop {
            let wait = match self.resolve().await {
                Ok(()) => {
                    tries = 0;
                    self.until_gone().await;
                    continue;
                }
                Err(why) => {
                    tracing::error!(
                        integration = self.settings.integration_name,
                        why,
                        "the integration's id is not known yet"
                    );
                    tries += 1;
                    retry::after(tries, self.chance.fraction())
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = self.changes.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn resolve(&self) -> Result<(), String> {
        let integrations =
            self.genesys
                .open_integrations()
                .await
                .map_err(|error| match error.kind {
                    ErrorKind::Blocked(cause) => format!("{error}; {}", cause.fix()),
                    _ => error.to_string(),
                })?;
        let found = find_integration(&integrations, &self.settings.integration_name)
            .map_err(|error| error.to_string())?;
        self.remember(&found.id);
        if let Err(error) = self.outbox.learn_integration(found.id.as_str()).await {
            tracing::warn!(%error, "the integration's id could not be stored with the messages");
        }
        let changed = self.resolved.send_if_modified(|known| {
            let changed = known.as_ref() != Some(&found.id);
            *known = Some(found.id.clone());
            changed
        });
        if changed {
            tracing::info!(integration = self.settings.integration_name, id = %found.id, "the integration is resolved");
        }
        Ok(())
    }

    fn remember(&self, id: &IntegrationId) {
        let remembered = Remembered {
            host: self.settings.genesys_host.clone(),
            name: self.settings.integration_name.clone(),
            id: id.as_str().to_owned(),
        };
        let text = serde_json::to_string(&remembered).expect("three strings always serialise");
        if let Err(error) = std::fs::write(self.data_dir.join(FILE), text) {
            tracing::warn!(%error, "the integration's id could not be remembered; a restart resolves it again");
        }
    }

    async fn until_gone(&self) {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let cause = self.inbound.blocked().map(|blocked| blocked.cause);
            if cause == Some(Cause::Platform(BlockedCause::IntegrationGone)) {
                return;
            }
        }
    }
}
