//! Waiting for what comes to pass by itself: one helper, which says what was last seen when it did not.

use std::time::{Duration, Instant};

use crate::ClusterError;

const PAUSE: Duration = Duration::from_millis(150);

/// Asks `probe` again and again until it is content (`Ok`), at most for `patience`.
///
/// What `probe` answers as `Err` describes the state it saw; the last one is in the error. A probe that hangs is cut
/// off at the end of the patience.
pub async fn wait_for<T, F>(
    what: &str,
    patience: Duration,
    mut probe: impl FnMut() -> F,
) -> Result<T, ClusterError>
where
    F: Future<Output = Result<T, String>>,
{
    let end = Instant::now() + patience;
    let mut last = String::from("nothing");
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, probe()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(state)) => last = state,
            Err(_) => last = format!("{last} (the last look was cut off)"),
        }
        if Instant::now() + PAUSE >= end {
            return Err(ClusterError::NotYet {
                what: what.to_owned(),
                patience,
                last,
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn the_first_content_look_ends_the_waiting() {
        let looks = Cell::new(0);
        let found = wait_for("a third look", Duration::from_secs(5), || async {
            looks.set(looks.get() + 1);
            if looks.get() == 3 {
                Ok(looks.get())
            } else {
                Err(format!("look {}", looks.get()))
            }
        })
        .await;
        assert_eq!(found.ok(), Some(3));
    }

    #[tokio::test]
    async fn the_error_says_what_was_last_seen() {
        let failed: Result<(), _> = wait_for("the end", Duration::from_millis(200), || async {
            Err("two of three".to_owned())
        })
        .await;
        let error = failed.err().map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("the end: not within 200ms; last seen: two of three")
        );
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_cut_off() {
        let failed: Result<(), _> = wait_for(
            "an answer",
            Duration::from_millis(100),
            std::future::pending::<Result<(), String>>,
        )
        .await;
        assert!(failed.is_err_and(|error| error.to_string().contains("cut off")));
    }
}
