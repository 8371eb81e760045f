//! The state of the sandbox, and the clock, the dice and the wires that act on it.
//!
//! One lock guards all state. It is held for the length of one decision, never across an await.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use url::Url;

use crate::courier::{Courier, Outcome, Parcel};
use crate::faults::{Endpoint, Faults, Plan};
use crate::log::{Log, Rejected};
use crate::options::{Options, SandboxError};
use crate::presets;
use crate::requests::Requests;
use crate::turns::Turns;
use crate::view::{Passage, View};
use crate::{genesys, twilio};

/// Everything that the handlers and the background tasks share.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) url: Url,
    courier: Courier,
    state: Mutex<State>,
    /// Counts the changes of the faults: wakes what is held back.
    faults_changed: watch::Sender<u64>,
    stopped: watch::Sender<bool>,
}

/// Everything that changes.
pub(crate) struct State {
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) requests: Requests,
    pub(crate) view: View,
    pub(crate) twilio: twilio::Account,
    pub(crate) genesys: genesys::Organisation,
    pub(crate) turns: Turns,
    connect: BTreeMap<String, Url>,
    dice: StdRng,
}

impl World {
    pub(crate) fn new(options: Options, url: Url) -> Result<Arc<Self>, SandboxError> {
        let state = State {
            faults: Faults::default(),
            log: Log::default(),
            requests: Requests::default(),
            view: View::default(),
            twilio: twilio::Account::new(&options),
            genesys: genesys::Organisation::new(&options),
            turns: Turns::default(),
            connect: options.connect.clone(),
            dice: StdRng::seed_from_u64(options.seed),
        };
        Ok(Arc::new(Self {
            options,
            url,
            courier: Courier::new()?,
            state: Mutex::new(state),
            faults_changed: watch::channel(0).0,
            stopped: watch::channel(false).0,
        }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A handler that panicked left a log that is still worth reading.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn plan(&self, endpoint: Endpoint, customer: Option<&str>) -> Plan {
        let state = &mut *self.state();
        state.faults.plan(endpoint, customer, &mut state.dice)
    }

    /// Replaces all faults.
    pub(crate) fn set_faults(&self, faults: Faults) {
        self.change_faults(|current| *current = faults);
    }

    /// Changes the faults and wakes what they held back.
    pub(crate) fn change_faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state.faults);
        let switches = presets::switches(&state.faults);
        state.view.switches(switches);
        drop(state);
        self.faults_changed.send_modify(|changes| *changes += 1);
        result
    }

    /// Returns once no fault holds these webhooks back.
    pub(crate) async fn released(&self, endpoint: Endpoint, customer: &str) {
        let mut changes = self.faults_changed.subscribe();
        while self.state().faults.holds(endpoint, Some(customer)) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    pub(crate) fn connect(&self, host: &str, to: Url) {
        self.state().connect.insert(host.to_owned(), to);
    }

    /// Where a webhook for this URL connects to, if not to the URL's own host.
    pub(crate) fn connect_for(&self, url: &str) -> Option<Url> {
        let host = Url::parse(url).ok()?.host_str()?.to_owned();
        self.state().connect.get(&host).cloned()
    }

    pub(crate) async fn carry(&self, parcel: Parcel) -> Outcome {
        self.courier.carry(parcel).await
    }

    /// Waits as long as the platform would, scaled.
    pub(crate) async fn pause(&self, wait: Duration) {
        tokio::time::sleep(wait.mul_f64(self.options.time_scale)).await;
    }

    /// Runs in the background until it is done or the sandbox is shut down.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut stopped = self.stopped.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = work => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        });
    }

    pub(crate) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Returns once the sandbox is shut down.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.stopped.subscribe();
        async move {
            // An error means that the world itself is gone.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }
    }

    /// Forgets all messages, requests and faults; the first number is configured as at the start.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        state.log = Log::default();
        state.requests = Requests::default();
        state.twilio.forget_messages(&self.options);
        state.genesys.forget_messages();
        state.view.reset();
        drop(state);
        self.set_faults(Faults::default());
    }

    pub(crate) fn reject(&self, endpoint: String, status: u16, why: String) {
        self.state().log.rejected.push(Rejected {
            endpoint,
            status,
            why,
            at: Timestamp::now(),
        });
    }

    /// Shows one request between a platform and the bridge.
    pub(crate) fn show(&self, passage: Passage<'_>) {
        self.state().view.traffic(passage);
    }
}
