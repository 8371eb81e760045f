//! Open Messaging integrations: the read model, and the look-up by exact name.

use serde::Deserialize;

use super::ids::IntegrationId;
use crate::mask;

/// How alike two names must be (Jaro-Winkler, 0 to 1) to be worth mentioning.
const NEAR: f64 = 0.7;
/// How many near names an error mentions.
const NEAREST_SHOWN: usize = 3;
/// How much of Genesys' words about a failed creation is kept, in characters.
const WORDS: usize = 200;

/// An Open Messaging integration as Genesys shows it, without its secret token: the read model may hold that, and it
/// is dropped when the answer is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenIntegration {
    /// Its id.
    pub id: IntegrationId,
    /// Its name; Genesys does not keep names unique.
    pub name: String,
    /// Where Genesys sends agents' messages (`outboundNotificationWebhookUrl`).
    pub webhook_url: Option<String>,
    /// A free string; `active` was seen.
    pub status: Option<String>,
    /// `Initiated`, `Completed` or `Error`: integrations are created asynchronously.
    pub create_status: Option<String>,
    /// Why it could not be created, in Genesys' words: at most 200 characters, numbers masked.
    pub create_error: Option<String>,
}

/// No single integration has the name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntegrationLookupError {
    /// None has it.
    #[error("no Open Messaging integration is named {name:?}{}", hint(nearest))]
    NotFound {
        /// The name looked for.
        name: String,
        /// The most similar names, best first.
        nearest: Vec<String>,
    },
    /// Several have it.
    #[error("{} Open Messaging integrations are named {name:?}; rename all but one (ids: {})", ids.len(), list(ids))]
    Ambiguous {
        /// The name looked for.
        name: String,
        /// The integrations with that name.
        ids: Vec<IntegrationId>,
    },
}

/// The one integration named exactly `name`.
pub fn find_integration<'a>(
    integrations: &'a [OpenIntegration],
    name: &str,
) -> Result<&'a OpenIntegration, IntegrationLookupError> {
    let mut named = integrations.iter().filter(|found| found.name == name);
    match (named.next(), named.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(IntegrationLookupError::NotFound {
            name: name.to_owned(),
            nearest: nearest(integrations, name),
        }),
        (Some(first), Some(second)) => Err(IntegrationLookupError::Ambiguous {
            name: name.to_owned(),
            ids: [first, second]
                .into_iter()
                .chain(named)
                .map(|found| found.id.clone())
                .collect(),
        }),
    }
}

fn nearest(integrations: &[OpenIntegration], name: &str) -> Vec<String> {
    let wanted = name.trim().to_lowercase();
    let mut scored: Vec<(f64, &str)> = integrations
        .iter()
        .map(|found| {
            let likeness = strsim::jaro_winkler(&wanted, &found.name.trim().to_lowercase());
            (likeness, found.name.as_str())
        })
        .filter(|(likeness, _)| *likeness >= NEAR)
        .collect();
    scored.sort_by(|(a, a_name), (b, b_name)| b.total_cmp(a).then_with(|| a_name.cmp(b_name)));
    scored.dedup_by_key(|(_, name)| *name);
    scored
        .into_iter()
        .take(NEAREST_SHOWN)
        .map(|(_, name)| name.to_owned())
        .collect()
}

fn hint(nearest: &[String]) -> String {
    if nearest.is_empty() {
        return String::new();
    }
    let quoted: Vec<_> = nearest.iter().map(|name| format!("{name:?}")).collect();
    format!("; did you mean {}?", quoted.join(" or "))
}

fn list(ids: &[IntegrationId]) -> String {
    let ids: Vec<_> = ids.iter().map(IntegrationId::as_str).collect();
    ids.join(", ")
}

/// One page of `OpenIntegrationEntityListing`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    entities: Vec<Entity>,
    #[serde(rename = "pageCount")]
    count: Option<u32>,
    next_uri: Option<String>,
}

/// One integration as Genesys writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entity {
    id: String,
    #[serde(default)]
    name: String,
    outbound_notification_webhook_url: Option<String>,
    status: Option<String>,
    create_status: Option<String>,
    create_error: Option<CreateError>,
}

/// The part of `ErrorBody` that is shown.
#[derive(Deserialize)]
struct CreateError {
    message: Option<String>,
}

impl From<Entity> for OpenIntegration {
    fn from(entity: Entity) -> Self {
        let create_error = entity.create_error.and_then(|error| error.message);
        Self {
            id: IntegrationId::new(entity.id),
            name: entity.name,
            webhook_url: entity.outbound_notification_webhook_url,
            status: entity.status,
            create_status: entity.create_status,
            create_error: create_error
                .map(|words| mask::numbers_in(&words).chars().take(WORDS).collect()),
        }
    }
}

impl Page {
    /// Whether a page follows this one, which is page `number` (counted from 1).
    pub(crate) fn has_next(&self, number: u32) -> bool {
        if self.entities.is_empty() {
            return false;
        }
        match self.count {
            Some(count) => number < count,
            None => self.next_uri.is_some(),
        }
    }

    pub(crate) fn into_integrations(self) -> impl Iterator<Item = OpenIntegration> {
        self.entities.into_iter().map(OpenIntegration::from)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rstest::rstest;

    use super::*;

    fn integrations(names: &[&str]) -> Vec<OpenIntegration> {
        let integration = |(index, name): (usize, &&str)| OpenIntegration {
            id: IntegrationId::new(format!("id-{index}")),
            name: (*name).to_owned(),
            webhook_url: None,
            status: None,
            create_status: None,
            create_error: None,
        };
        names.iter().enumerate().map(integration).collect()
    }

    #[test]
    fn the_exact_name_is_found() {
        let all = integrations(&["acme-sms-old", "acme-sms", "ACME-SMS"]);
        assert_eq!(
            find_integration(&all, "acme-sms").unwrap().id.as_str(),
            "id-1"
        );
    }

    #[rstest]
    #[case::typing_error(&["acme-sms", "zebra"], "acme-smss", &["acme-sms"])]
    #[case::case_differs(&["Acme-SMS"], "acme-sms", &["Acme-SMS"])]
    #[case::blank_at_the_end(&["acme-sms "], "acme-sms", &["acme-sms "])]
    #[case::at_most_three_best_first(
        &["acme-sms-4", "acme-sms1", "acme-sms-22", "acme-sms-333"], "acme-sms",
        &["acme-sms1", "acme-sms-4", "acme-sms-22"])]
    #[case::nothing_like_it(&["zebra"], "acme-sms", &[])]
    #[case::none_at_all(&[], "acme-sms", &[])]
    fn a_missing_name_names_the_nearest(
        #[case] names: &[&str],
        #[case] wanted: &str,
        #[case] expected: &[&str],
    ) {
        let error = find_integration(&integrations(names), wanted).unwrap_err();
        let IntegrationLookupError::NotFound { nearest, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(nearest, expected);
    }

    #[test]
    fn several_of_one_name_are_all_named() {
        let error =
            find_integration(&integrations(&["a", "acme", "acme", "acme"]), "acme").unwrap_err();
        assert_eq!(
            error.to_string(),
            "3 Open Messaging integrations are named \"acme\"; rename all but one (ids: id-1, id-2, id-3)"
        );
    }

    #[test]
    fn the_error_asks_did_you_mean() {
        let error = find_integration(&integrations(&["acme-sms"]), "acme-sm").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no Open Messaging integration is named \"acme-sm\"; did you mean \"acme-sms\"?"
        );
    }

    #[rstest]
    #[case::more_pages(r#"{"entities":[{"id":"a"}],"pageCount":2}"#, 1, true)]
    #[case::last_page(r#"{"entities":[{"id":"a"}],"pageCount":2}"#, 2, false)]
    #[case::by_link(r#"{"entities":[{"id":"a"}],"nextUri":"/x"}"#, 1, true)]
    #[case::no_link(r#"{"entities":[{"id":"a"}]}"#, 1, false)]
    #[case::empty_page(r#"{"entities":[],"pageCount":9}"#, 1, false)]
    fn the_end_of_the_list_is_known(
        #[case] page: &str,
        #[case] number: u32,
        #[case] expected: bool,
    ) {
        let page: Page = serde_json::from_str(page).unwrap();
        assert_eq!(page.has_next(number), expected);
    }
}
