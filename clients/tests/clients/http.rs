//! The HTTP client itself: further roots, limits of bodies.

use std::path::Path;

use crate::support::{Platform, http, reply};
use messaging_bridge_clients::http::{BodyError, HttpError, client_with_roots, read_body};
use rstest::rstest;

#[test]
fn a_missing_file_of_roots_is_named() {
    let error = client_with_roots("test/1", Some(Path::new("/nowhere/roots.pem"))).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot read root certificates from /nowhere/roots.pem"),
        "{error}"
    );
}

#[test]
fn a_file_without_certificates_is_refused() {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let error = client_with_roots("test/1", Some(file)).unwrap_err();
    assert!(matches!(error, HttpError::Roots { .. }));
    assert!(
        error.to_string().ends_with("it holds no certificate"),
        "{error}"
    );
}

#[test]
fn a_user_agent_that_is_no_header_value_is_refused() {
    let error = client_with_roots("bad\nagent", None).unwrap_err();
    assert!(matches!(error, HttpError::Client(_)));
}

#[rstest]
#[case::below(9, true)]
#[case::exactly(10, true)]
#[case::above(11, false)]
#[tokio::test]
async fn a_body_is_read_up_to_its_limit(#[case] length: usize, #[case] fits: bool) {
    let platform = Platform::start(move |_, _| reply(200, vec![b'x'; length])).await;
    let response = http().get(platform.url.clone()).send().await.unwrap();
    match read_body(response, 10).await {
        Ok(body) => assert!(fits && body.len() == length),
        Err(BodyError::TooLarge { max }) => assert!(!fits && max == 10),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_bounded_too() {
    let base = crate::support::raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
    )
    .await;
    let response = http().get(base).send().await.unwrap();
    let error = read_body(response, 10).await.unwrap_err();
    assert!(matches!(error, BodyError::TooLarge { max: 10 }), "{error}");
}
