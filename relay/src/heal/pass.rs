//! One pass: lists what our number received since the mark, stores what lacks, moves the mark.
//!
//! Window by window, oldest first: a pass that breaks off, or a process that ends in the middle, has lost nothing. What
//! is stored already is recognised by its key, and the mark stands where the last whole window ended.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::ApiError;
use messaging_bridge_clients::twilio::{
    Message as Listing, MessageSid, ReceivedFilter, ReceivedPage,
};
use tokio::time::Instant;

use super::Healer;
use super::judge::{Kind, judge};
use super::mark;
use super::walk::{Rest, Walk, Window, oldest_first};
use crate::message::{CustomerId, Message};
use crate::outbox::{Direction, Found, Gap, LaneKey, Listed, OutboxError, Place};
use crate::received::{self, Received};

/// Our messages of a window: so many are in memory at most, and a page.
const WINDOW_ITEMS: usize = 500;
/// Pages of a window: with messages to others or of other times among them, there may be more than hold those.
const WINDOW_PAGES: u32 = 50;
/// Pages of a pass.
const PASS_PAGES: u32 = 200;
/// How long a pass goes on; what is left is the next one's.
const PASS_TIME: Duration = Duration::from_mins(2);
/// Twilio's filters go by the date of sending, we by that of creation: both may differ by this much.
const DATES_DIFFER: Duration = Duration::from_secs(10);

/// How far a pass came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To its end.
    Complete,
    /// As far as one pass goes. The next one goes on there.
    Piece(Rest),
}

/// Why a pass broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassError {
    /// Twilio did not answer, or refused.
    #[error(transparent)]
    Twilio(#[from] ApiError),
    /// A message or the mark could not be stored.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// A listed message has no date.
    #[error("Twilio's list has messages without a readable date")]
    Undated,
    /// More messages than a pass reads have the same second.
    #[error("Twilio's list has more messages in one second than a pass reads")]
    TooDense,
}

/// Where healing stands when a pass begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    /// No pass has come to its end since the start.
    pub(super) first: bool,
    /// The inbound lanes still wait.
    pub(super) held: bool,
    /// Where the pass before stopped, if it did not come to its end.
    pub(super) resume: Option<Rest>,
}

/// A pass that is about to begin.
pub(super) struct Pass<'h> {
    healer: &'h Healer,
    /// Whether it is the first since the start: its finds go before what arrived since.
    first: bool,
    /// Whether the lanes wait for it: then nothing is too young.
    held: bool,
    /// How long the process runs.
    running: Duration,
    /// Where the pass before stopped, if it did not come to its end.
    resume: Option<Rest>,
    pages: u32,
    began: Instant,
}

/// One of our messages in a window.
struct Item {
    sid: MessageSid,
    customer: CustomerId,
    created: Timestamp,
    is: ItemIs,
}

enum ItemIs {
    Known,
    Redacted,
    Missing(Box<Listing>),
}

/// What came of reading a window.
enum Read {
    Whole(Vec<Item>),
    TooMuch { span: Duration },
    OutOfPages,
}

/// The dates seen while a window is read.
#[derive(Default)]
struct Dates {
    newest: Option<Timestamp>,
    oldest: Option<Timestamp>,
    ascended: bool,
}

impl Dates {
    /// Takes a page in. Whether all of it is older than `since`, in a list that has gone back in time so far.
    fn see(&mut self, page: &ReceivedPage, since: Timestamp) -> bool {
        let dates = page
            .messages
            .iter()
            .filter_map(|message| message.date_created);
        let mut page_is_older = !page.messages.is_empty();
        for date in dates {
            self.ascended |= self
                .oldest
                .is_some_and(|oldest| date > oldest + DATES_DIFFER);
            self.oldest = Some(self.oldest.map_or(date, |oldest| oldest.min(date)));
            self.newest = Some(self.newest.map_or(date, |newest| newest.max(date)));
            page_is_older &= date < since - DATES_DIFFER;
        }
        page_is_older && !self.ascended
    }

    fn span(&self) -> Duration {
        let span = self
            .newest
            .zip(self.oldest)
            .map(|(new, old)| new.duration_since(old));
        span.and_then(|span| Duration::try_from(span).ok())
            .unwrap_or_default()
    }
}

impl<'h> Pass<'h> {
    pub(super) fn new(healer: &'h Healer, stage: Stage, running: Duration) -> Self {
        let Stage {
            first,
            held,
            resume,
        } = stage;
        Self {
            healer,
            first,
            held: held && first,
            running,
            resume,
            pages: 0,
            began: Instant::now(),
        }
    }

    pub(super) async fn run(mut self) -> Result<Reach, PassError> {
        let Some(mark) = self.healer.outbox.gap_mark().await? else {
            return self.begin().await;
        };
        self.healer.vitals.gaps.marked(mark);
        let from = self.resume.map_or(mark, |rest| rest.since.max(mark));
        let page = self.list(from, None).await?;
        let served = mark::whole(page.served.unwrap_or_else(|| self.healer.clock.now()));
        let young = if self.held {
            Duration::ZERO
        } else {
            self.healer.timings.young
        };
        let mut walk = Walk::new(mark::since(from, served), served - young, self.held)
            .with_width(self.resume.and_then(|rest| rest.width));
        let mut first_page = Some(page);
        loop {
            let window = walk.window();
            // What cannot be narrower is read to its end.
            let most = if walk.is_narrowest() {
                PASS_PAGES
            } else {
                WINDOW_PAGES
            };
            let first_page = first_page.take().filter(|_| walk.is_whole());
            match self.read(&window, first_page, served, most).await? {
                Read::OutOfPages => return Ok(Reach::Piece(walk.rest())),
                Read::TooMuch { .. } if walk.is_narrowest() => return Err(PassError::TooDense),
                Read::TooMuch { span } => walk.narrow(span),
                Read::Whole(items) => {
                    self.fill(items, window.until.unwrap_or(served)).await?;
                    let (covered, end) = walk.done();
                    self.move_mark(covered, served).await?;
                    if end {
                        return Ok(Reach::Complete);
                    }
                }
            }
            if self.began.elapsed() >= PASS_TIME {
                return Ok(Reach::Piece(walk.rest()));
            }
        }
    }

    /// A new volume: nothing was missed yet. One message is listed, to learn Twilio's time and that listing is allowed.
    async fn begin(&mut self) -> Result<Reach, PassError> {
        let now = self.healer.clock.now();
        let page = self.list(now, None).await?;
        let mark = mark::first(page.served.unwrap_or(now), self.running);
        self.healer.outbox.set_gap_mark(mark).await?;
        self.healer.vitals.gaps.marked(mark);
        Ok(Reach::Complete)
    }

    async fn move_mark(&self, covered: Timestamp, served: Timestamp) -> Result<(), PassError> {
        let outbox = &self.healer.outbox;
        let before = outbox.gap_mark().await?.unwrap_or(covered);
        let mark = mark::after(before, covered, served);
        if mark != before {
            outbox.set_gap_mark(mark).await?;
            self.healer.vitals.gaps.marked(mark);
        }
        Ok(())
    }

    async fn list(
        &mut self,
        since: Timestamp,
        until: Option<Timestamp>,
    ) -> Result<ReceivedPage, ApiError> {
        self.pages += 1;
        let filter = ReceivedFilter {
            to: self.healer.number.clone(),
            since: since - DATES_DIFFER,
            until: until.map(|until| until + DATES_DIFFER),
            page_size: self.healer.timings.page_size,
        };
        self.healer.twilio.received(&filter).await
    }

    /// Reads a window to its end, or until it turns out to hold too much.
    async fn read(
        &mut self,
        window: &Window,
        first: Option<ReceivedPage>,
        served: Timestamp,
        most: u32,
    ) -> Result<Read, PassError> {
        let mut page = match first {
            Some(page) => page,
            None if self.pages >= PASS_PAGES => return Ok(Read::OutOfPages),
            None => self.list(window.since, window.until).await?,
        };
        let (mut items, mut dates) = (Vec::new(), Dates::default());
        for number in 1.. {
            let beyond = dates.see(&page, window.since);
            let next = page.next.take();
            items.extend(self.sift(page.messages, window, served).await?);
            let Some(next) = next.filter(|_| !beyond) else {
                break;
            };
            if number >= most || (most < PASS_PAGES && items.len() > WINDOW_ITEMS) {
                return Ok(Read::TooMuch { span: dates.span() });
            }
            if self.pages >= PASS_PAGES {
                return Ok(Read::OutOfPages);
            }
            self.pages += 1;
            page = self.healer.twilio.received_next(&next).await?;
        }
        Ok(Read::Whole(oldest_first(items, |item| item.created)))
    }

    /// Ours of a page; the texts only of those that lack.
    async fn sift(
        &self,
        messages: Vec<Listing>,
        window: &Window,
        served: Timestamp,
    ) -> Result<Vec<Item>, PassError> {
        let mut ours = Vec::new();
        for message in messages {
            match judge(&message, &self.healer.number) {
                Kind::Undated => return Err(PassError::Undated),
                Kind::Ours { created, empty } if window.holds(created) => {
                    ours.push((message, created, empty));
                }
                Kind::NotOurs | Kind::Ours { .. } => {}
            }
        }
        let keys = ours
            .iter()
            .map(|(message, ..)| received::key(&message.sid).text);
        let lacking = self.healer.outbox.lacking(keys.collect()).await?;
        // A redacted text may still come by its webhook while it is young.
        let young = served - self.healer.timings.young;
        let item = |(message, created, empty): (Listing, Timestamp, bool)| Item {
            sid: message.sid.clone(),
            customer: CustomerId::new(message.from.clone().unwrap_or_default()),
            created,
            is: if !lacking.contains(&received::key(&message.sid).text) {
                ItemIs::Known
            } else if !empty {
                ItemIs::Missing(Box::new(message))
            } else if created <= young {
                ItemIs::Redacted
            } else {
                ItemIs::Known
            },
        };
        Ok(ours.into_iter().map(item).collect())
    }

    /// Stores what lacks in a window, lane by lane.
    async fn fill(&self, items: Vec<Item>, until: Timestamp) -> Result<(), PassError> {
        let (mut lanes, mut order) = (HashMap::<CustomerId, Vec<Item>>::new(), Vec::new());
        for item in items {
            let lane = lanes.entry(item.customer.clone()).or_default();
            if lane.is_empty() {
                order.push(item.customer.clone());
            }
            lane.push(item);
        }
        for customer in order {
            let items = lanes.remove(&customer).unwrap_or_default();
            if items.iter().all(|item| matches!(item.is, ItemIs::Known)) {
                continue;
            }
            self.fill_lane(&customer, items, until).await?;
        }
        Ok(())
    }

    async fn fill_lane(
        &self,
        customer: &CustomerId,
        items: Vec<Item>,
        until: Timestamp,
    ) -> Result<(), PassError> {
        let healer = self.healer;
        let lane = LaneKey::new(Direction::Inbound, customer);
        let mut listed = Vec::with_capacity(items.len());
        for item in items {
            listed.push(Listed {
                key: received::key(&item.sid),
                time: item.created,
                is: match item.is {
                    ItemIs::Known => Found::Known,
                    ItemIs::Redacted => {
                        tracing::warn!(sid = %item.sid, %lane, "a missed message was redacted on Twilio's side; it cannot be delivered");
                        Found::Redacted
                    }
                    ItemIs::Missing(message) => {
                        tracing::info!(sid = %item.sid, %lane, received = %item.created, "a missed message was found");
                        Found::Missing(self.payload(*message, item.created).await?)
                    }
                },
            });
        }
        let place = if self.first {
            Place::ByTime {
                since: healer.since,
                until,
            }
        } else {
            Place::Last
        };
        let gap = Gap {
            lane: lane.clone(),
            listed,
            place,
            found: healer.clock.now(),
        };
        let filled = healer.outbox.fill(gap).await?;
        healer.vitals.gaps.filled(filled);
        if filled.stored > 0 {
            healer.wake.lane(lane);
        }
        Ok(())
    }

    /// The message as its webhook would have brought it, marked as late.
    async fn payload(&self, message: Listing, created: Timestamp) -> Result<Vec<u8>, PassError> {
        let count = message.num_media.unwrap_or(0) as usize;
        let mut kinds = Vec::new();
        if count > 0 {
            kinds = self.healer.twilio.media_types(&message.sid).await?;
            // What was deleted meanwhile is still named.
            kinds.resize(count, None);
        }
        let mut text = received::inbound_text(Received {
            sid: message.sid,
            from: message.from.unwrap_or_default(),
            to: message.to,
            body: message.body.as_deref().unwrap_or_default(),
            attachments: kinds.iter().map(Option::as_deref).collect(),
        });
        for (name, value) in [
            ("twilioLate", "true".to_owned()),
            ("twilioReceivedTime", created.to_string()),
        ] {
            text.attributes.insert(name.to_owned(), value);
        }
        Ok(Message::InboundText(text).to_stored())
    }
}
