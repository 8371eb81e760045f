//! What the page shows: the phones, the agent's desk and the traffic between the platforms and the bridge.
//!
//! Items are keyed by id and replaced whole, so that the page needs one rule: insert or replace. Old items are
//! dropped; the log keeps everything.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::log::Platform;
use crate::options::Options;
use crate::presets::Switch;

/// More than a person reads; less than a page takes to draw.
const KEPT: usize = 300;

/// A message on a customer's phone.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Bubble {
    pub(crate) id: String,
    pub(crate) customer: String,
    /// The customer wrote it.
    pub(crate) mine: bool,
    pub(crate) text: String,
    pub(crate) state: BubbleState,
    /// What is special about it, for people.
    pub(crate) note: Option<String>,
    pub(crate) at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BubbleState {
    /// The bridge has not answered yet.
    Sending,
    /// The bridge took it.
    Taken,
    /// The bridge did not take it, and Twilio will not try again.
    Lost,
    /// It came from the number.
    Received,
}

/// A message on the agent's desk.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DeskLine {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) name: Option<String>,
    /// The agent wrote it.
    pub(crate) mine: bool,
    pub(crate) text: String,
    pub(crate) state: DeskState,
    pub(crate) reason: Option<String>,
    /// Genesys got it before: the agent sees it twice.
    pub(crate) repeat: bool,
    pub(crate) at: Timestamp,
}

/// How far an agent's message came. The order is the order in which it may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeskState {
    /// A customer's message.
    Received,
    /// The bridge has not answered yet.
    Sending,
    /// The bridge took it; no receipt yet.
    Taken,
    /// Receipt `Sent`.
    Sent,
    /// Receipt `Delivered`.
    Delivered,
    /// Receipt `Failed`, or the webhook was given up.
    Failed,
}

/// One request that was made between a platform and the bridge.
pub(crate) struct Passage<'a> {
    pub(crate) platform: Platform,
    /// From the platform to the bridge; else the other way.
    pub(crate) to_bridge: bool,
    pub(crate) what: &'a str,
    pub(crate) customer: Option<&'a str>,
    pub(crate) status: Option<u16>,
    pub(crate) note: Option<String>,
}

/// A passage as the page shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Traffic {
    platform: Platform,
    to_bridge: bool,
    what: String,
    customer: Option<String>,
    status: Option<u16>,
    ok: bool,
    note: Option<String>,
    at: Timestamp,
}

/// What changed.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", content = "item", rename_all = "snake_case")]
pub(crate) enum Update {
    Phone(Bubble),
    Desk(DeskLine),
    Traffic(Traffic),
    Switches(Vec<Switch>),
    Reset,
}

/// Everything the page shows, and who listens for changes.
pub(crate) struct View {
    phone: VecDeque<Bubble>,
    desk: VecDeque<DeskLine>,
    traffic: VecDeque<Traffic>,
    listeners: broadcast::Sender<Update>,
}

/// Everything the page shows.
#[derive(Serialize)]
pub(crate) struct Snapshot<'a> {
    pub(crate) number: &'a str,
    pub(crate) customer: &'a str,
    pub(crate) integration: &'a str,
    pub(crate) phone: &'a VecDeque<Bubble>,
    pub(crate) desk: &'a VecDeque<DeskLine>,
    pub(crate) traffic: &'a VecDeque<Traffic>,
    pub(crate) switches: Vec<Switch>,
}

impl Default for View {
    fn default() -> Self {
        Self {
            phone: VecDeque::new(),
            desk: VecDeque::new(),
            traffic: VecDeque::new(),
            listeners: broadcast::channel(1024).0,
        }
    }
}

impl View {
    pub(crate) fn listen(&self) -> broadcast::Receiver<Update> {
        self.listeners.subscribe()
    }

    pub(crate) fn snapshot<'a>(
        &'a self,
        options: &'a Options,
        switches: Vec<Switch>,
    ) -> Snapshot<'a> {
        Snapshot {
            number: &options.number,
            customer: &options.customer,
            integration: &options.integration.name,
            phone: &self.phone,
            desk: &self.desk,
            traffic: &self.traffic,
            switches,
        }
    }

    pub(crate) fn phone(&mut self, bubble: Bubble) {
        put(&mut self.phone, bubble.clone(), |a, b| a.id == b.id);
        self.tell(Update::Phone(bubble));
    }

    pub(crate) fn change_phone(&mut self, id: &str, change: impl FnOnce(&mut Bubble)) {
        if let Some(mut bubble) = self
            .phone
            .iter()
            .rev()
            .find(|bubble| bubble.id == id)
            .cloned()
        {
            change(&mut bubble);
            self.phone(bubble);
        }
    }

    pub(crate) fn desk(&mut self, line: DeskLine) {
        put(&mut self.desk, line.clone(), |a, b| a.id == b.id);
        self.tell(Update::Desk(line));
    }

    /// Raises the state of an agent's message; it never falls back.
    pub(crate) fn raise_desk(&mut self, id: &str, state: DeskState, reason: Option<String>) {
        if let Some(mut line) = self.desk.iter().rev().find(|line| line.id == id).cloned()
            && line.state < state
        {
            line.state = state;
            line.reason = reason;
            self.desk(line);
        }
    }

    pub(crate) fn traffic(&mut self, passage: Passage<'_>) {
        let traffic = Traffic {
            platform: passage.platform,
            to_bridge: passage.to_bridge,
            what: passage.what.to_owned(),
            customer: passage.customer.map(str::to_owned),
            status: passage.status,
            ok: passage
                .status
                .is_some_and(|status| (200..300).contains(&status)),
            note: passage.note,
            at: Timestamp::now(),
        };
        self.traffic.push_back(traffic.clone());
        while self.traffic.len() > KEPT {
            self.traffic.pop_front();
        }
        self.tell(Update::Traffic(traffic));
    }

    pub(crate) fn switches(&self, switches: Vec<Switch>) {
        self.tell(Update::Switches(switches));
    }

    pub(crate) fn reset(&mut self) {
        self.phone.clear();
        self.desk.clear();
        self.traffic.clear();
        self.tell(Update::Reset);
    }

    fn tell(&self, update: Update) {
        // Nobody listens when no page is open.
        let _ = self.listeners.send(update);
    }
}

/// Replaces the item that is the same, or appends. Changes come soon after, so the search goes from the end.
fn put<T>(items: &mut VecDeque<T>, item: T, same: impl Fn(&T, &T) -> bool) {
    if let Some(place) = items.iter_mut().rev().find(|old| same(old, &item)) {
        *place = item;
        return;
    }
    items.push_back(item);
    while items.len() > KEPT {
        items.pop_front();
    }
}
