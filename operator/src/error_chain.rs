//! An error for the log: with its causes, in one line, and without anybody's number in it. Pure.

use std::error::Error;

use messaging_bridge_clients::mask;

/// The error with its causes. What a cause repeats is said once.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    mask::numbers_in(&text)
}

#[cfg(test)]
mod tests {
    use super::in_one_line;

    #[derive(Debug, thiserror::Error)]
    #[error("the bridge is not served")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("not sent: {0}")]
    struct Middle(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("+15551230000 is unknown")]
    struct Inner;

    #[test]
    fn causes_are_named_once_and_numbers_are_masked() {
        let text = in_one_line(&Outer(Middle(Inner)));
        assert_eq!(
            text,
            "the bridge is not served: not sent: +1•••••••00 is unknown"
        );
    }
}
