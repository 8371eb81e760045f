//! Against a stand-in for both platforms that counts what it is asked.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use rstest::rstest;
use serde_json::json;

use super::*;

mod room;

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const NUMBER: &str = "+15551230000";

/// Instead of a status: no answer.
const NEVER: u16 = 0;

#[derive(Default)]
struct Stand {
    asked: Mutex<Vec<String>>,
    observed: Mutex<Vec<String>>,
    /// What is answered to paths that contain the word, instead of the truth.
    answers: Mutex<BTreeMap<&'static str, u16>>,
    integrations: Mutex<Vec<&'static str>>,
}

impl Stand {
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn count(&self, word: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|path| path.contains(word)).count()
    }

    fn answer(&self, word: &'static str, status: u16) {
        self.answers.lock().unwrap().insert(word, status);
    }

    fn mend(&self) {
        self.answers.lock().unwrap().clear();
    }
}

async fn serve(State(stand): State<Arc<Stand>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    stand.asked.lock().unwrap().push(path.clone());
    let wanted = {
        let answers = stand.answers.lock().unwrap();
        answers
            .iter()
            .find(|(word, _)| path.contains(**word))
            .map(|(_, status)| *status)
    };
    if wanted == Some(NEVER) {
        std::future::pending::<()>().await;
    }
    if let Some(status) = wanted {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let body = match path.as_str() {
        // id:secret and own:secret
        "/oauth/token"
            if !["Basic aWQ6c2VjcmV0", "Basic b3duOnNlY3JldA=="].contains(&authorization) =>
        {
            return (
                StatusCode::UNAUTHORIZED,
                json!({"error": "invalid_client"}).to_string(),
            )
                .into_response();
        }
        "/oauth/token" => json!({"access_token": "token", "expires_in": 86_400}),
        "/api/v2/conversations/messaging/integrations/open" => {
            let names = stand.integrations.lock().unwrap().clone();
            let entities: Vec<_> = names
                .iter()
                .map(|name| json!({"id": format!("id-{name}"), "name": name}))
                .collect();
            json!({"entities": entities, "pageCount": 1})
        }
        "/v1/Services" => json!({"services": [], "meta": {"next_page_url": null}}),
        path if path.ends_with("IncomingPhoneNumbers.json") => {
            json!({"incoming_phone_numbers": [{"sid": "PN1", "phone_number": NUMBER, "capabilities": {"sms": true}}]})
        }
        path if path.ends_with("Messages.json") => json!({"messages": []}),
        _ => json!({"status": "active"}),
    };
    body.to_string().into_response()
}

/// The stand-in and what asks it, with this interval between checks.
async fn setting(interval: Duration) -> (Arc<Stand>, Platforms, FactsRequest) {
    let stand = Arc::new(Stand::default());
    *stand.integrations.lock().unwrap() = vec!["acme"];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: Url = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let routes = Router::new().fallback(serve).with_state(Arc::clone(&stand));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let http = messaging_bridge_clients::http::client("test").unwrap();
    let observed = Arc::clone(&stand);
    let observe: CallObserver = Arc::new(move |_, operation, outcome, _| {
        let line = format!("{operation} {outcome}");
        observed.observed.lock().unwrap().push(line);
    });
    let platforms = Platforms::new(http, interval, observe, Box::new(|| 0.5));
    let request = FactsRequest {
        bridge: "tenant/acme".to_owned(),
        version: "1".to_owned(),
        force: None,
        hosts: GenesysHosts {
            api: base.clone(),
            login: base.clone(),
        },
        profile: WireProfile::Current,
        integration_name: "acme".to_owned(),
        relay_clients: Some(vec![client("id", "secret")]),
        lookup_clients: Some(vec![client("id", "secret")]),
        twilio: Some(twilio_secret("token")),
        twilio_api: base,
        number: NUMBER.to_owned(),
        messaging_service: None,
    };
    (stand, platforms, request)
}

fn client(id: &str, secret: &str) -> ClientCredentials {
    ClientCredentials {
        client_id: id.to_owned(),
        client_secret: secret.to_owned().into(),
    }
}

fn twilio_secret(token: &str) -> TwilioSecret {
    let keys = BTreeMap::from([
        ("accountSid".to_owned(), ACCOUNT.as_bytes().to_vec()),
        ("authToken".to_owned(), token.as_bytes().to_vec()),
    ]);
    TwilioSecret::parse("twilio", "tenant/acme", &keys).unwrap()
}

const HOUR: Duration = Duration::from_hours(1);

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn word<T>(remembered: &Remembered<T>) -> &'static str {
    match remembered.believed() {
        None => "nothing",
        Some(Answer::Said(_)) => "said",
        Some(Answer::Refused(_)) => "refused",
        Some(Answer::Suspended(_)) => "suspended",
        Some(Answer::Forbidden(_)) => "forbidden",
        Some(Answer::None(_)) => "none",
    }
}

#[tokio::test]
async fn an_unchanged_bridge_costs_no_call_until_the_next_check() {
    let (stand, platforms, mut request) = setting(HOUR).await;
    let (first, wait) = platforms.facts(&request, now()).await;
    assert_eq!(wait, HOUR);
    assert_eq!(
        [
            word(&first.token),
            word(&first.integration),
            word(&first.number)
        ],
        ["said"; 3]
    );
    assert!(!stand.asked().is_empty());
    let (second, _) = platforms.facts(&request, now()).await;
    assert_eq!(stand.asked(), Vec::<String>::new());
    assert_eq!(second, first);
    // A person asks.
    request.force = Some("now".to_owned());
    platforms.facts(&request, now()).await;
    assert_eq!(stand.count("IncomingPhoneNumbers"), 1);
}

#[tokio::test]
async fn a_check_that_was_asked_for_is_made_once_though_the_status_could_not_say_so() {
    let (stand, platforms, mut request) = setting(HOUR).await;
    request.force = Some("first".to_owned());
    for _ in 0..3 {
        platforms.facts(&request, now()).await;
    }
    assert_eq!(stand.count("IncomingPhoneNumbers"), 1);
    request.force = Some("second".to_owned());
    platforms.facts(&request, now()).await;
    assert_eq!(stand.count("IncomingPhoneNumbers"), 2);
}

#[tokio::test]
async fn a_name_that_nobody_has_costs_one_list_a_check() {
    let (stand, platforms, mut request) = setting(HOUR).await;
    request.integration_name = "nobody".to_owned();
    platforms.facts(&request, now()).await;
    assert_eq!(stand.count("integrations/open"), 1);
    // Beside a list that another bridge had read before, one more.
    request.bridge = "tenant/other".to_owned();
    platforms.facts(&request, now()).await;
    assert_eq!(stand.count("integrations/open"), 2);
}

#[tokio::test]
async fn the_bridges_of_an_organisation_share_token_and_list() {
    let (stand, platforms, request) = setting(HOUR).await;
    let requests: Vec<FactsRequest> = (0..30)
        .map(|index| FactsRequest {
            bridge: format!("tenant/b{index}"),
            version: request.version.clone(),
            force: None,
            hosts: request.hosts.clone(),
            profile: request.profile,
            integration_name: request.integration_name.clone(),
            relay_clients: request.relay_clients.clone(),
            lookup_clients: request.lookup_clients.clone(),
            twilio: None,
            twilio_api: request.twilio_api.clone(),
            number: request.number.clone(),
            messaging_service: None,
        })
        .collect();
    let asked = requests
        .iter()
        .map(|request| platforms.facts(request, now()));
    futures_util::future::join_all(asked).await;
    assert_eq!(
        stand.asked(),
        [
            "/oauth/token",
            "/api/v2/conversations/messaging/integrations/open"
        ]
    );
    // What came from memory was no call.
    assert_eq!(
        *stand.observed.lock().unwrap(),
        ["token ok", "list_integrations ok"]
    );
}

#[tokio::test]
async fn whoever_guesses_the_secret_of_a_known_client_is_refused() {
    let (_stand, platforms, mut request) = setting(HOUR).await;
    platforms.facts(&request, now()).await;
    request.bridge = "other/thief".to_owned();
    request.relay_clients = Some(vec![client("id", "guess")]);
    request.lookup_clients = request.relay_clients.clone();
    let (facts, _) = platforms.facts(&request, now()).await;
    assert_eq!(word(&facts.token), "refused");
    assert_eq!(word(&facts.integration), "refused");
}

#[tokio::test]
async fn what_was_created_a_moment_ago_is_found_beside_a_cached_list() {
    let (stand, platforms, request) = setting(HOUR).await;
    let org = platforms.org(&request, request.lookup_clients.as_deref().unwrap());
    org.integration("acme", HOUR, &platforms.observer)
        .await
        .unwrap()
        .unwrap();
    stand.integrations.lock().unwrap().push("new");
    org.integration("new", HOUR, &platforms.observer)
        .await
        .unwrap()
        .unwrap();
    // A list that old serves who is found in it.
    org.grow_older(Duration::from_secs(6)).await;
    stand.asked();
    org.integration("acme", HOUR, &platforms.observer)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stand.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn while_a_platform_is_down_the_last_answers_stand_three_times() {
    let (stand, platforms, mut request) = setting(Duration::ZERO).await;
    platforms.facts(&request, now()).await;
    stand.answer("IncomingPhoneNumbers", 503);
    for (turn, expected) in ["said", "said", "none"].into_iter().enumerate() {
        request.force = Some(turn.to_string());
        let (facts, wait) = platforms.facts(&request, now()).await;
        assert_eq!(word(&facts.number), expected);
        assert_eq!(word(&facts.integration), "said");
        assert!(wait >= Duration::from_secs(30), "{wait:?}");
    }
    stand.mend();
    request.force = Some("once more".to_owned());
    let (facts, _) = platforms.facts(&request, now()).await;
    assert_eq!(word(&facts.number), "said");
}

#[tokio::test]
async fn a_changed_secret_of_one_side_keeps_what_the_other_said() {
    let (stand, platforms, mut request) = setting(HOUR).await;
    platforms.facts(&request, now()).await;
    stand.answer("", 503);
    request.version = "2".to_owned();
    request.twilio = Some(twilio_secret("another token"));
    let (facts, _) = platforms.facts(&request, now()).await;
    assert_eq!(word(&facts.integration), "said");
    assert_eq!(word(&facts.number), "none");
    // A Secret that is gone leaves nothing to believe.
    request.version = "3".to_owned();
    request.lookup_clients = None;
    let (facts, _) = platforms.facts(&request, now()).await;
    assert_eq!(word(&facts.integration), "nothing");
}

#[tokio::test]
async fn a_check_that_is_given_up_loses_nothing() {
    let (_stand, platforms, mut request) = setting(HOUR).await;
    platforms.facts(&request, now()).await;
    request.force = Some("now".to_owned());
    let given_up = platforms.facts(&request, now()).now_or_never();
    assert!(given_up.is_none());
    request.force = None;
    let (facts, _) = platforms.facts(&request, now()).await;
    assert_eq!(word(&facts.integration), "said");
}

#[rstest]
#[case::wrong_token(&[("Accounts", 401)], "refused")]
#[case::a_key_without_the_right(&[("IncomingPhoneNumbers", 401)], "forbidden")]
#[case::down(&[("IncomingPhoneNumbers", 500)], "none")]
#[case::services_down(&[("Services", 500)], "none")]
#[tokio::test]
async fn what_twilio_refuses_is_told_apart(
    #[case] answers: &[(&'static str, u16)],
    #[case] expected: &str,
) {
    let (stand, platforms, request) = setting(HOUR).await;
    for (word, status) in answers {
        stand.answer(word, *status);
    }
    let (facts, _) = platforms.facts(&request, now()).await;
    assert_eq!(word(&facts.number), expected);
}

#[tokio::test]
async fn a_key_that_may_not_read_messaging_services_is_noted_beside_the_number() {
    let (stand, platforms, request) = setting(HOUR).await;
    stand.answer("Services", 403);
    let (facts, _) = platforms.facts(&request, now()).await;
    let Some(Answer::Said(number)) = facts.number.believed() else {
        panic!("{facts:?}");
    };
    assert!(number.service_unread.is_some());
    assert!(number.number.is_some());
}

#[tokio::test]
async fn all_messaging_services_are_looked_through_once_a_day() {
    let (stand, platforms, request) = setting(Duration::ZERO).await;
    for _ in 0..3 {
        platforms.facts(&request, now()).await;
    }
    assert_eq!(stand.count("IncomingPhoneNumbers"), 3);
    assert_eq!(stand.count("Services"), 1);
}

#[tokio::test]
async fn the_operators_own_client_finds_the_integration_and_the_relays_is_proved_too() {
    let (stand, platforms, mut request) = setting(HOUR).await;
    request.lookup_clients = Some(vec![client("own", "secret")]);
    request.relay_clients = Some(vec![client("id", "wrong")]);
    let (facts, _) = platforms.facts(&request, now()).await;
    assert_eq!(word(&facts.token), "refused");
    assert_eq!(word(&facts.integration), "said");
    assert_eq!(stand.count("token"), 2);
}
