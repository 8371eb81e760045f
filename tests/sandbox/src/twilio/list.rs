//! `GET Messages.json`: newest first, filtered, in pages that stay stable while new messages arrive; untrue where a
//! fault makes it so.

use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::message::Message;
use super::refusal::bad;
use crate::call::{self, Call, Handled, Refusal};
use crate::faults::Untruth;
use crate::world::World;

/// Bounds of `PageSize`; Twilio clamps, it does not refuse.
const MAX_PAGE: usize = 1000;
const DEFAULT_PAGE: usize = 50;

/// What a list is narrowed to. A message that has not left for the carrier has no `DateSent` and matches none.
#[derive(Default)]
struct Filter<'a> {
    to: Option<&'a str>,
    from: Option<&'a str>,
    sent_from: Option<Timestamp>,
    sent_before: Option<Timestamp>,
}

pub(crate) fn list(world: &World, call: &Call) -> Handled {
    let filter = Filter::of(call)?;
    let page_size = match call.query("PageSize") {
        Some(size) => {
            let size: usize = size
                .parse()
                .map_err(|_| bad(20001, "PageSize is not a number"))?;
            size.clamp(1, MAX_PAGE)
        }
        None => DEFAULT_PAGE,
    };
    let page: usize = call
        .query("Page")
        .and_then(|page| page.parse().ok())
        .unwrap_or(0);
    let state = world.state();
    let now = Timestamp::now();
    let mut all: Vec<Listed> = state
        .twilio
        .messages()
        .iter()
        .rev()
        .filter(|message| filter.matches(message))
        .filter_map(|message| Listed::of(message, &call.plan.untruths, now))
        .collect();
    if call.plan.untruths.contains(&(Untruth::Unordered, None)) {
        // SIDs are random, and the same on every page.
        all.sort_by(|one, other| one.sid.cmp(&other.sid));
    }
    let mut matching = all.into_iter().peekable();
    if let Some(last) = call
        .query("PageToken")
        .and_then(|token| token.strip_prefix("PA"))
    {
        for message in matching.by_ref() {
            if message.sid.ends_with(last) {
                break;
            }
        }
    }
    let items: Vec<Listed> = matching.by_ref().take(page_size).collect();
    let next = matching
        .peek()
        .and(items.last())
        .map(|last| format!("PA{}", &last.sid[2..]));
    Ok(call::json(
        StatusCode::OK,
        &envelope(call, &items, page, page_size, next),
    ))
}

/// A message as the list shows it.
struct Listed {
    sid: String,
    resource: Value,
}

impl Listed {
    /// What is left of a message; nothing if it is missing.
    fn of(message: &Message, untruths: &[(Untruth, Option<u64>)], now: Timestamp) -> Option<Self> {
        let age = now.as_millisecond() - message.created.as_millisecond();
        let mut resource = message.resource();
        for (how, younger_than) in untruths {
            if younger_than.is_some_and(|limit| i128::from(age) >= i128::from(limit)) {
                continue;
            }
            match how {
                Untruth::Missing => return None,
                Untruth::Redacted => resource["body"] = "".into(),
                Untruth::Altered => resource["body"] = format!("{}.", message.body).into(),
                Untruth::Senderless => resource["from"] = Value::Null,
                Untruth::Unordered => {}
            }
        }
        Some(Self {
            sid: message.sid.clone(),
            resource,
        })
    }
}

fn envelope(
    call: &Call,
    items: &[Listed],
    page: usize,
    page_size: usize,
    next: Option<String>,
) -> Value {
    let start = page * page_size;
    json!({
        "messages": items.iter().map(|message| &message.resource).collect::<Vec<_>>(),
        "page": page,
        "page_size": page_size,
        "start": start,
        "end": start + items.len().saturating_sub(1),
        "uri": uri(call, page_size, page, call.query("PageToken")),
        "first_page_uri": uri(call, page_size, 0, None),
        "next_page_uri": next.map(|token| uri(call, page_size, page + 1, Some(&token))),
        "previous_page_uri": null,
    })
}

/// The same filters, another page.
fn uri(call: &Call, page_size: usize, page: usize, token: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &call.query {
        if !matches!(name.as_str(), "PageSize" | "Page" | "PageToken") {
            query.append_pair(name, value);
        }
    }
    query.append_pair("PageSize", &page_size.to_string());
    query.append_pair("Page", &page.to_string());
    if let Some(token) = token {
        query.append_pair("PageToken", token);
    }
    format!("{}?{}", call.path, query.finish())
}

impl<'a> Filter<'a> {
    fn of(call: &'a Call) -> Result<Self, Refusal> {
        let date = |name| call.query(name).map(day_or_moment).transpose();
        let mut filter = Self {
            to: call.query("To"),
            from: call.query("From"),
            sent_from: date("DateSent>")?.map(|(start, _)| start),
            sent_before: date("DateSent<")?.map(|(_, end)| end),
        };
        if let Some((start, end)) = date("DateSent")? {
            filter.sent_from = Some(start);
            filter.sent_before = Some(end);
        }
        Ok(filter)
    }

    fn matches(&self, message: &Message) -> bool {
        self.to.is_none_or(|to| message.to == to)
            && self.from.is_none_or(|from| message.from == from)
            && self
                .sent_from
                .is_none_or(|start| message.sent.is_some_and(|sent| sent >= start))
            && self
                .sent_before
                .is_none_or(|end| message.sent.is_some_and(|sent| sent < end))
    }
}

/// The start and the end of a day in GMT, or of one second.
fn day_or_moment(text: &str) -> Result<(Timestamp, Timestamp), Refusal> {
    let invalid = || bad(20001, "DateSent is neither a date nor a time");
    if let Ok(day) = text.parse::<Date>()
        && text.len() == "2026-01-02".len()
    {
        let midnight = |day: Date| {
            day.to_zoned(jiff::tz::TimeZone::UTC)
                .map(|zoned| zoned.timestamp())
        };
        let next = day.tomorrow().map_err(|_| invalid())?;
        return Ok((
            midnight(day).map_err(|_| invalid())?,
            midnight(next).map_err(|_| invalid())?,
        ));
    }
    let moment: Timestamp = text.parse().map_err(|_| invalid())?;
    Ok((moment, moment + jiff::SignedDuration::from_secs(1)))
}
