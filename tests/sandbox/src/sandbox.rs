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
use crate::requests::PlatformRequest;
use crate::settings::{
    AccountSettings, ClientSettings, IntegrationSettings, NumberSettings, ServiceSettings,
    SettingsError,
};
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
        twilio::customer_sends(&self.world, &self.options().number, from, text, &[])
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
        twilio::customer_sends(&self.world, &self.options().number, from, text, fields)
    }

    /// As [`Sandbox::customer_sends`], to another number of the account.
    pub fn customer_sends_to(&self, number: &str, from: &str, text: &str) -> String {
        twilio::customer_sends(&self.world, number, from, text, &[])
    }

    /// The agent answers a customer. Returns the id of the message at once; the webhook goes in the background, with
    /// Genesys' retries.
    #[expect(clippy::unused_async, reason = "symmetry with what does wait")]
    pub async fn agent_sends(&self, to: &str, text: &str) -> String {
        genesys::agent_sends(&self.world, &self.options().integration.id, to, text)
    }

    /// As [`Sandbox::agent_sends`], by another integration of the organisation.
    pub fn agent_sends_by(&self, integration: &str, to: &str, text: &str) -> String {
        genesys::agent_sends(&self.world, integration, to, text)
    }

    /// Posts any body to the integration's webhook, signed, and waits for what becomes of it, retries included.
    pub async fn agent_sends_raw(&self, body: Value) -> WebhookOutcome {
        genesys::agent_sends_raw(&self.world, &self.options().integration.id, &body).await
    }

    /// The account's owner redacts a message: it is still listed, without its text and attachments.
    pub fn redact(&self, sid: &str) {
        if let Some(message) = self.world.state().twilio.message_mut(sid) {
            message.body.clear();
            message.media = 0;
            message.media_types.clear();
        }
    }

    /// Moves a customer's message into the past, as if it had come so long ago.
    pub fn backdate(&self, sid: &str, by: std::time::Duration) {
        if let Some(message) = self.world.state().twilio.message_mut(sid) {
            message.created -= by;
            message.sent = message.sent.map(|sent| sent - by);
        }
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

    /// Forgets messages, log, requests and faults; the first number is configured as at the start. Everything else that
    /// is configured stays, and so do tokens.
    pub fn reset(&self) {
        self.world.reset();
    }

    /// Stops listening, and gives up what runs in the background. Requests in flight are still answered.
    pub fn shutdown(&self) {
        self.world.stop();
    }
}

/// What is configured on the platforms, for any number of bridges.
impl Sandbox {
    /// Changes the Twilio account.
    pub fn change_account(&self, settings: AccountSettings) -> Result<(), SettingsError> {
        self.world.state().twilio.change(settings)
    }

    /// Buys a number, or changes one that is there.
    pub fn put_number(&self, number: &str, settings: &NumberSettings) -> Result<(), SettingsError> {
        let mut state = self.world.state();
        let put = state.twilio.put_number(self.options(), number, settings);
        put.map(drop)
    }

    /// Gives a number back.
    pub fn remove_number(&self, number: &str) -> Result<(), SettingsError> {
        self.world.state().twilio.remove_number(number)
    }

    /// Makes a Messaging Service. Returns its SID.
    pub fn create_service(&self, settings: ServiceSettings) -> Result<String, SettingsError> {
        let mut state = self.world.state();
        let service = state.twilio.put_service(None, settings)?;
        Ok(service.sid.clone())
    }

    /// Changes a Messaging Service.
    pub fn change_service(
        &self,
        sid: &str,
        settings: ServiceSettings,
    ) -> Result<(), SettingsError> {
        let mut state = self.world.state();
        state.twilio.put_service(Some(sid), settings).map(drop)
    }

    /// Removes a Messaging Service; its numbers stay.
    pub fn remove_service(&self, sid: &str) -> Result<(), SettingsError> {
        self.world.state().twilio.remove_service(sid)
    }

    /// Makes an integration. Returns its id.
    pub fn create_integration(
        &self,
        settings: IntegrationSettings,
    ) -> Result<String, SettingsError> {
        let mut state = self.world.state();
        let made = state
            .genesys
            .put_integration(self.options(), None, settings)?;
        Ok(made.id.clone())
    }

    /// Changes an integration.
    pub fn change_integration(
        &self,
        id: &str,
        settings: IntegrationSettings,
    ) -> Result<(), SettingsError> {
        let mut state = self.world.state();
        let put = state
            .genesys
            .put_integration(self.options(), Some(id), settings);
        put.map(drop)
    }

    /// Deletes an integration.
    pub fn remove_integration(&self, id: &str) -> Result<(), SettingsError> {
        self.world.state().genesys.remove_integration(id)
    }

    /// Makes an OAuth client, or changes one that is there.
    pub fn put_client(&self, id: &str, settings: ClientSettings) -> Result<(), SettingsError> {
        self.world.state().genesys.put_client(id, settings)
    }

    /// Removes an OAuth client; its tokens are refused from now on.
    pub fn remove_client(&self, id: &str) -> Result<(), SettingsError> {
        self.world.state().genesys.remove_client(id)
    }

    /// How many requests the platforms' APIs have had: where [`Sandbox::requests_since`] starts.
    pub fn request_mark(&self) -> usize {
        self.world.state().requests.mark()
    }

    /// The requests that came after a mark, oldest first.
    pub fn requests_since(&self, mark: usize) -> Vec<PlatformRequest> {
        self.world.state().requests.since(mark).to_vec()
    }
}
