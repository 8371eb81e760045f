//! How a phone number is shown where people read it for other reasons than dialling it.

/// The number with all but its last two digits hidden: enough to tell two senders apart in a log.
pub(crate) fn masked(number: &str) -> String {
    let shown_from = number.char_indices().rev().nth(1).map_or(0, |(at, _)| at);
    format!("…{}", &number[shown_from..])
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn only_the_last_two_digits_are_shown() {
        assert_eq!(masked("+15551230042"), "…42");
        assert_eq!(masked("é"), "…é");
        assert_eq!(masked(""), "…");
    }
}
