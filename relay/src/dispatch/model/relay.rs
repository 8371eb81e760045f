//! Outbox and dispatch of one life, between a start and a crash.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use messaging_bridge_clients::genesys::{
    ClientCredentials, GenesysClient, GenesysHosts, IntegrationId, WireProfile,
};
use messaging_bridge_clients::http::local_client;
use messaging_bridge_clients::twilio::{AccountSid, MessageSid, TwilioClient, TwilioCredentials};
use tokio::sync::{Notify, watch};
use url::Url;

use crate::admin::vitals::Vitals;
use crate::chance::SystemChance;
use crate::clock::{Clock, ManualClock};
use crate::dispatch::budget::Budget;
use crate::dispatch::callbacks::Callbacks;
use crate::dispatch::context::Context;
use crate::dispatch::hold::{Hold, Holds};
use crate::dispatch::search::Waits;
use crate::dispatch::{self, Directions, Dispatch, Wake};
use crate::outbox::sqlite::SqliteOutbox;
use crate::outbox::{Identity, NewRow, Outbox, OutboxError, Rank, StatusReport};
use crate::public_url::PublicUrl;
use crate::settings::{Allowance, OnUnresolved};

pub(super) const NUMBER: &str = "+15551230000";

/// A running relay without its webhooks.
pub(super) struct Relay {
    pub(super) outbox: Arc<dyn Outbox>,
    callbacks: Arc<Callbacks>,
    dispatch: Dispatch,
    wake: Wake,
    changes: watch::Sender<u64>,
}

impl Relay {
    pub(super) async fn start(place: &Path, platforms: &Url, clock: &ManualClock) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let outbox: Arc<dyn Outbox> = Arc::new(open(place, &clock).await);
        let callbacks = Arc::new(Callbacks::default());
        let stop = watch::Sender::new(false);
        let changes = watch::Sender::new(0);
        let context = Context {
            outbox: Arc::clone(&outbox),
            genesys: genesys(platforms),
            twilio: twilio(platforms),
            integration: watch::Sender::new(Some(IntegrationId::new("i1"))).subscribe(),
            budget: Budget::start(Allowance {
                per_minute: 100_000,
                fixed: true,
            }),
            sends_per_second: 10_000,
            callbacks: Arc::clone(&callbacks),
            bell: Arc::new(Notify::new()),
            vitals: Arc::new(Vitals::new(Arc::clone(&clock))),
            public_url: PublicUrl::parse("https://bridge.example.com/acme").unwrap(),
            validity: Duration::from_hours(4),
            on_unresolved: OnUnresolved::Fail,
            failure_notices: false,
            waits: Waits::default(),
            clock,
            chance: Arc::new(SystemChance),
            stop: stop.subscribe(),
        };
        let hold = Hold {
            over: watch::channel(true).1,
            at_most: Duration::ZERO,
            late: None,
        };
        let (dispatch, wake) = dispatch::start(
            Arc::new(context),
            Directions::default(),
            changes.subscribe(),
            stop,
            Holds {
                inbound: hold.clone(),
                outbound: hold,
            },
        )
        .await
        .unwrap();
        Self {
            outbox,
            callbacks,
            dispatch,
            wake,
            changes,
        }
    }

    /// Takes a message as a webhook would.
    pub(super) async fn append(&self, row: NewRow) {
        let lane = row.lane.clone();
        self.outbox.append(row).await.unwrap();
        self.wake.lane(lane);
    }

    /// Takes a status callback as the webhook would.
    pub(super) async fn hear(&self, send: crate::outbox::SendId, sid: &str, rank: Rank) {
        let report = StatusReport {
            send: send.clone(),
            sid: MessageSid::new(sid),
            rank,
            reason: None,
        };
        if let Some(standing) = self.outbox.raise(report).await.unwrap() {
            let proved = standing.proved.map(|proved| proved.lane);
            let awaited = self.callbacks.tell(&send, standing.rank);
            for lane in proved.into_iter().chain(awaited) {
                self.wake.news(lane);
            }
        }
    }

    /// A Secret was changed.
    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Ends everything where it stands.
    pub(super) fn crash(self) {
        self.dispatch.abort();
    }
}

/// The relay that crashed may hold its lock for a moment yet.
async fn open(place: &Path, clock: &Arc<dyn Clock>) -> SqliteOutbox {
    let identity = Identity {
        sender: NUMBER.into(),
        genesys_host: "api.mypurecloud.com".into(),
        integration_name: "sms".into(),
        integration_id: None,
    };
    for _ in 0..1000 {
        match SqliteOutbox::open(place, &identity, 10_000_000, Arc::clone(clock)) {
            Ok(outbox) => return outbox,
            Err(OutboxError::Store(_)) => super::story::a_moment().await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the outbox could not be opened again");
}

fn genesys(platforms: &Url) -> GenesysClient {
    let hosts = GenesysHosts {
        api: platforms.clone(),
        login: platforms.clone(),
    };
    let client = ClientCredentials {
        client_id: "client".into(),
        client_secret: "secret".to_owned().into(),
    };
    GenesysClient::new(http(), hosts, WireProfile::Current, vec![client])
}

fn twilio(platforms: &Url) -> TwilioClient {
    let account = AccountSid::new("AC0123456789abcdef0123456789abcdef");
    let token = TwilioCredentials::AuthToken("token".to_owned().into());
    TwilioClient::new(http(), platforms.clone(), account, vec![token])
}

/// Never out of patience: time may be moved while a call is under way, and its answer would be lost for no reason.
fn http() -> reqwest::Client {
    local_client("model", Duration::from_hours(24 * 365)).unwrap()
}
