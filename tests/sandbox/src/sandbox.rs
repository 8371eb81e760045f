//! The running sandbox and what a test or the command line does with it.

use std::sync::Arc;

use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

use crate::connection::{Connection, CuttableListener};
use crate::faults::Faults;
use crate::genesys::{self, WebhookOutcome};
use crate::log::Log;
use crate::options::{Options, SandboxError};
use crate::world::World;
use crate::{control, twilio};

/// A running sandbox. Clones are handles to the same one; it runs until [`Sandbox::shutdown`] or the runtime's end.
#[derive(Clone)]
pub struct Sandbox {
    world: Arc<World>,
}

impl Sandbox {
    /// Serves both platforms' APIs, the control API and the page on one listener.
    ///
    /// # Errors
    ///
    /// If the options name a tenant that neither platform would have, or the listener is not usable.
    #[expect(
        clippy::unused_async,
        reason = "starting may wait one day; callers should not have to change"
    )]
    pub async fn start(options: Options, listener: TcpListener) -> Result<Self, SandboxError> {
        options.check()?;
        let address = listener.local_addr().map_err(SandboxError::Listener)?;
        let url = Url::parse(&format!("http://{address}")).map_err(SandboxError::Address)?;
        let world = World::new(options, url)?;
        let service =
            control::router(Arc::clone(&world)).into_make_service_with_connect_info::<Connection>();
        let stopped = world.stopped();
        tokio::spawn(async move {
            let server =
                axum::serve(CuttableListener(listener), service).with_graceful_shutdown(stopped);
            if let Err(error) = server.await {
                tracing::error!(%error, "the sandbox's server ended");
            }
        });
        Ok(Self { world })
    }

    /// Where everything is served.
    pub fn url(&self) -> Url {
        self.world.url.clone()
    }

    /// The tenant that is simulated.
    pub fn options(&self) -> &Options {
        &self.world.options
    }

    /// Sends the webhooks for this public host to another place from now on. Only scheme, host and port of `to`
    /// count: path and query are those of the public URL.
    pub fn connect(&self, host: &str, to: Url) {
        self.world.connect(host, to);
    }

    /// A customer texts the number. Returns the `MessageSid` at once; the webhook goes in the background, by Twilio's
    /// rules.
    #[expect(clippy::unused_async, reason = "symmetry with what does wait")]
    pub async fn customer_sends(&self, from: &str, text: &str) -> String {
        twilio::customer_sends(&self.world, from, text, &[])
    }

    /// As [`Sandbox::customer_sends`], with fields added to the webhook or replaced: `NumMedia`, `MediaUrl0`,
    /// `OptOutType`, what is yet unknown.
    #[expect(clippy::unused_async, reason = "symmetry with what does wait")]
    pub async fn customer_sends_fields(
        &self,
        from: &str,
        text: &str,
        fields: &[(&str, &str)],
    ) -> String {
        twilio::customer_sends(&self.world, from, text, fields)
    }

    /// The agent answers a customer. Returns the id of the message at once; the webhook goes in the background, with
    /// Genesys' retries.
    #[expect(clippy::unused_async, reason = "symmetry with what does wait")]
    pub async fn agent_sends(&self, to: &str, text: &str) -> String {
        genesys::agent_sends(&self.world, to, text)
    }

    /// Posts any body to the integration's webhook, signed, and waits for what becomes of it, retries included.
    pub async fn agent_sends_raw(&self, body: Value) -> WebhookOutcome {
        genesys::agent_sends_raw(&self.world, &body).await
    }

    /// Replaces all planted faults, and frees what they held back. Rules without meaning ([`Faults::check`]) do
    /// nothing.
    pub fn set_faults(&self, faults: impl Into<Faults>) {
        self.world.set_faults(faults.into());
    }

    /// The planted faults, with what is left of their counts.
    pub fn faults(&self) -> Faults {
        self.world.state().faults.clone()
    }

    /// All tokens issued so far die now.
    pub fn kill_tokens(&self) {
        self.world.state().genesys.kill_tokens();
    }

    /// What both platforms saw and did so far.
    pub fn log(&self) -> Log {
        self.world.state().log.clone()
    }

    /// Forgets messages, log and faults; Twilio's number is configured as at the start. Tokens and integrations stay.
    pub fn reset(&self) {
        self.world.reset();
    }

    /// Stops listening, and gives up what runs in the background. Requests in flight are still answered.
    pub fn shutdown(&self) {
        self.world.stop();
    }
}
