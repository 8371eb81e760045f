//! The life of a Genesys token, over real HTTP: one flight, renewal ahead of time, refusals, rotation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Platform, held, http, reply};
use axum::response::Response;
use messaging_bridge_clients::genesys::{
    ClientCredentials, GenesysClient, GenesysHosts, WireProfile,
};
use messaging_bridge_clients::{BlockedCause, ErrorKind};
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio::time;

const OAUTH: &str = "/oauth/token";
const LIST: &str = "/api/v2/conversations/messaging/integrations/open";
const BLOCKED: ErrorKind = ErrorKind::Blocked(BlockedCause::Credentials);

fn credentials(ids: &[&str]) -> Vec<ClientCredentials> {
    ids.iter()
        .map(|id| ClientCredentials {
            client_id: (*id).to_owned(),
            client_secret: SecretString::from("secret"),
        })
        .collect()
}

fn client(platform: &Platform, ids: &[&str]) -> GenesysClient {
    let hosts = GenesysHosts {
        api: platform.url.clone(),
        login: platform.url.clone(),
    };
    GenesysClient::new(http(), hosts, WireProfile::Current, credentials(ids))
}

fn granted(token: &str) -> Response {
    reply(
        200,
        format!(r#"{{"access_token":"{token}","expires_in":1000}}"#),
    )
}

fn empty_list() -> Response {
    reply(200, r#"{"entities":[]}"#)
}

/// Moves the clock without waiting; sockets go on in real time.
async fn pass(duration: Duration) {
    time::pause();
    time::advance(duration).await;
    time::resume();
}

/// A platform that grants `token-1`, `token-2` ... while `oauth_status` is 200.
async fn granting(oauth_status: Arc<AtomicU16>) -> Platform {
    let grants = Arc::new(AtomicUsize::new(0));
    Platform::start(move |_, request| {
        if request.target != OAUTH {
            return empty_list();
        }
        match oauth_status.load(Ordering::SeqCst) {
            200 => {
                let grant = grants.fetch_add(1, Ordering::SeqCst) + 1;
                granted(&format!("token-{grant}"))
            }
            status => reply(status, r#"{"error":"e","description":"d"}"#),
        }
    })
    .await
}

fn status(status: u16) -> Arc<AtomicU16> {
    Arc::new(AtomicU16::new(status))
}

#[tokio::test]
async fn a_token_serves_many_calls() {
    let platform = granting(status(200)).await;
    let genesys = client(&platform, &["a"]);
    for _ in 0..3 {
        genesys.open_integrations().await.unwrap();
    }
    assert_eq!(platform.count(OAUTH), 1);
    assert_eq!(platform.count(LIST), 3);
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_fetch() {
    let platform = granting(status(200)).await;
    let genesys = client(&platform, &["a"]);
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let genesys = genesys.clone();
        calls.spawn(async move { genesys.authenticate().await });
    }
    assert!(calls.join_all().await.into_iter().all(|call| call.is_ok()));
    assert_eq!(platform.count(OAUTH), 1);
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_failure() {
    let platform = granting(status(503)).await;
    let genesys = client(&platform, &["a"]);
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let genesys = genesys.clone();
        calls.spawn(async move { genesys.authenticate().await });
    }
    for call in calls.join_all().await {
        assert_eq!(call.unwrap_err().kind, ErrorKind::Transient);
    }
    assert_eq!(platform.count(OAUTH), 1);
    // A later call tries again.
    genesys.authenticate().await.unwrap_err();
    assert_eq!(platform.count(OAUTH), 2);
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end() {
    let platform = granting(status(200)).await;
    let genesys = client(&platform, &["a"]);
    genesys.authenticate().await.unwrap();
    pass(Duration::from_secs(890)).await;
    genesys.authenticate().await.unwrap();
    assert_eq!(platform.count(OAUTH), 1);
    pass(Duration::from_secs(20)).await;
    genesys.open_integrations().await.unwrap();
    assert_eq!(platform.count(OAUTH), 2);
    assert_eq!(platform.seen()[2].header("authorization"), "Bearer token-2");
}

#[tokio::test]
async fn while_a_renewal_fails_the_valid_token_is_used() {
    let oauth = status(200);
    let platform = granting(Arc::clone(&oauth)).await;
    let genesys = client(&platform, &["a"]);
    genesys.authenticate().await.unwrap();
    oauth.store(503, Ordering::SeqCst);
    pass(Duration::from_secs(910)).await;
    for _ in 0..3 {
        genesys.open_integrations().await.unwrap();
    }
    assert_eq!(
        platform.count(OAUTH),
        2,
        "a failed renewal is not repeated at every call"
    );
    pass(Duration::from_secs(100)).await;
    let error = genesys.open_integrations().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert_eq!(platform.count(LIST), 3);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_call_repeated() {
    let platform = Platform::start(|seen, request| {
        if request.target == OAUTH {
            granted(&format!("token-{seen}"))
        } else if request.header("authorization") == "Bearer token-0" {
            reply(401, r#"{"code":"credentials.expired"}"#)
        } else {
            empty_list()
        }
    })
    .await;
    let genesys = client(&platform, &["a"]);
    genesys.open_integrations().await.unwrap();
    assert_eq!(platform.count(OAUTH), 2);
    assert_eq!(platform.count(LIST), 2);
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_too_blocks() {
    let platform = Platform::start(|_, request| match request.target.as_str() {
        OAUTH => granted("token"),
        _ => reply(401, r#"{"code":"bad.credentials"}"#),
    })
    .await;
    let error = client(&platform, &["a"])
        .open_integrations()
        .await
        .unwrap_err();
    assert_eq!(error.kind, BLOCKED);
    assert_eq!(error.code.as_deref(), Some("bad.credentials"));
    assert_eq!(platform.count(OAUTH), 2);
    assert_eq!(platform.count(LIST), 2);
}

#[tokio::test]
async fn a_refusal_that_quotes_token_or_client_secret_is_shown_without_it() {
    let quoted = r#"{"message":"not a token: long-bearer-token"}"#;
    let platform = Platform::start(move |_, request| match request.target.as_str() {
        OAUTH => granted("long-bearer-token"),
        _ => reply(400, quoted),
    })
    .await;
    let refused = client(&platform, &["a"]).open_integrations().await;
    assert_eq!(refused.unwrap_err().message, "not a token: [withheld]");

    let platform = Platform::start(|_, _| {
        reply(
            400,
            r#"{"error":"invalid_client","description":"secret-of-a is wrong"}"#,
        )
    })
    .await;
    let client = client(&platform, &[]);
    client.set_credentials(vec![ClientCredentials {
        client_id: "a".to_owned(),
        client_secret: SecretString::from("secret-of-a"),
    }]);
    let refused = client.open_integrations().await;
    let shown = refused.unwrap_err().to_string();
    assert!(!shown.contains("secret-of-a"), "{shown}");
}

#[tokio::test]
async fn many_refusals_of_one_token_cost_one_renewal() {
    let platform = Platform::start(|seen, request| {
        if request.target == OAUTH {
            granted(&format!("token-{seen}"))
        } else if request.header("authorization") == "Bearer token-0" {
            reply(401, "")
        } else {
            empty_list()
        }
    })
    .await;
    let genesys = client(&platform, &["a"]);
    genesys.authenticate().await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let genesys = genesys.clone();
        calls.spawn(async move { genesys.open_integrations().await });
    }
    assert!(calls.join_all().await.into_iter().all(|call| call.is_ok()));
    assert_eq!(platform.count(OAUTH), 2);
}

/// A platform that knows the clients of `known` (their Basic credentials) only.
async fn knowing(known: &'static [&'static str]) -> Platform {
    Platform::start(move |_, request| {
        if request.target != OAUTH {
            return empty_list();
        }
        if known.contains(&request.header("authorization")) {
            granted("token")
        } else {
            reply(
                400,
                r#"{"error":"invalid_client","description":"client not found"}"#,
            )
        }
    })
    .await
}

const B: &str = "Basic YjpzZWNyZXQ=";

#[tokio::test]
async fn a_refused_client_yields_to_the_next() {
    let platform = knowing(&[B]).await;
    let genesys = client(&platform, &["a", "b"]);
    genesys.authenticate().await.unwrap();
    assert_eq!(platform.count(OAUTH), 2);
}

#[tokio::test]
async fn a_client_that_was_not_judged_does_not_yield() {
    let platform = Platform::start(|_, request| {
        if request.header("authorization") == B {
            granted("token")
        } else {
            reply(503, "")
        }
    })
    .await;
    let error = client(&platform, &["a", "b"])
        .authenticate()
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert_eq!(platform.count(OAUTH), 1);
}

#[tokio::test]
async fn only_when_all_clients_are_refused_the_credentials_are_to_blame() {
    let platform = knowing(&[]).await;
    let error = client(&platform, &["a", "b"])
        .authenticate()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Genesys get token: HTTP 400, code invalid_client: client not found"
    );
    assert_eq!(error.kind, BLOCKED);
    assert_eq!(platform.count(OAUTH), 2);
}

#[tokio::test]
async fn without_any_client_the_credentials_are_to_blame() {
    let platform = knowing(&[]).await;
    let error = client(&platform, &[]).authenticate().await.unwrap_err();
    assert_eq!(error.kind, BLOCKED);
    assert!(platform.seen().is_empty());
}

#[tokio::test]
async fn new_credentials_work_at_once() {
    let platform = knowing(&[B]).await;
    let genesys = client(&platform, &["a"]);
    assert_eq!(genesys.authenticate().await.unwrap_err().kind, BLOCKED);
    genesys.set_credentials(credentials(&["b"]));
    genesys.authenticate().await.unwrap();
}

#[tokio::test]
async fn a_rotation_keeps_the_token_of_a_client_that_stays() {
    let platform = granting(status(200)).await;
    let genesys = client(&platform, &["a"]);
    genesys.authenticate().await.unwrap();
    genesys.set_credentials(credentials(&["b", "a"]));
    genesys.authenticate().await.unwrap();
    assert_eq!(platform.count(OAUTH), 1);
    genesys.set_credentials(credentials(&["b"]));
    genesys.authenticate().await.unwrap();
    assert_eq!(platform.count(OAUTH), 2);
}

#[tokio::test]
async fn the_life_of_the_token_is_told() {
    let platform = granting(status(200)).await;
    let genesys = client(&platform, &["a"]);
    assert_eq!(genesys.token_life(), None);
    genesys.authenticate().await.unwrap();
    pass(Duration::from_secs(100)).await;
    let life = genesys.token_life().unwrap();
    let near = |value: Duration, wanted: u64| value.as_secs().abs_diff(wanted) <= 30;
    assert!(near(life.age, 100), "{life:?}");
    assert!(near(life.remaining, 900), "{life:?}");
}

/// A token that was asked for with the clients of before is not kept for those of now.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_during_a_fetch_does_not_keep_its_token() {
    let (hold, answer) = held();
    let platform = Platform::start(move |_, request| {
        if request.header("authorization") != B {
            hold();
        }
        granted("token")
    })
    .await;
    let genesys = client(&platform, &["a"]);
    let fetch = tokio::spawn({
        let genesys = genesys.clone();
        async move { genesys.authenticate().await }
    });
    let go_on = answer.arrived().await;
    genesys.set_credentials(credentials(&["b"]));
    go_on.send(()).unwrap();
    let _ = fetch.await.unwrap();
    genesys.authenticate().await.unwrap();
    let last = platform.seen().pop().unwrap();
    assert_eq!(last.header("authorization"), B);
}

#[tokio::test]
async fn an_unreachable_login_host_is_transient() {
    let platform = granting(status(200)).await;
    let hosts = GenesysHosts {
        api: platform.url.clone(),
        login: "http://127.0.0.1:1".parse().unwrap(),
    };
    let genesys = GenesysClient::new(http(), hosts, WireProfile::Current, credentials(&["a"]));
    let error = genesys.open_integrations().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert_eq!(error.operation, "get token");
    assert!(platform.seen().is_empty());
}
