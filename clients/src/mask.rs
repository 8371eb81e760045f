//! Masks what identifies a customer, for logs, errors, `Debug` and status pages.
//!
//! A masked value keeps two characters at each end, so that a person on call can tell two customers apart; what is
//! shorter than seven characters is hidden whole. The number of dots is fixed and tells nothing of the length.

/// What stands for the hidden characters.
const DOTS: &str = "•••••••";
/// The shortest value (and the shortest run of digits) that is masked in part: a short code has five or six digits.
const SHORTEST: usize = 7;

/// Masks one address: `+15551230000` becomes `+1•••••••00`, `whatsapp:` stays readable. Also fit for opaque customer
/// ids and e-mail addresses.
pub fn phone(address: &str) -> String {
    let (channel, id) = match address.split_once(':') {
        Some((channel, id)) if is_channel(channel) => (&address[..=channel.len()], id),
        _ => ("", address),
    };
    let mut masked = String::with_capacity(channel.len() + DOTS.len() + 8);
    masked.push_str(channel);
    mask_into(&mut masked, id);
    masked
}

/// Masks every run of at least seven digits in free text, with a leading plus and with single spaces, dashes, dots or
/// parentheses between the digits.
pub fn numbers_in(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c == '+' || c.is_ascii_digit()) {
        masked.push_str(&rest[..start]);
        rest = &rest[start..];
        let (end, digits) = run_of_digits(rest);
        if digits >= SHORTEST {
            mask_into(&mut masked, &rest[..end]);
        } else {
            masked.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    masked.push_str(rest);
    masked
}

/// The length in bytes of the number at the start of `text` (which starts with a plus or a digit), and its digits.
fn run_of_digits(text: &str) -> (usize, usize) {
    let mut end = 1;
    let mut digits = 0;
    let mut between = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                between = 0;
                end = at + 1;
            }
            b'+' if at == 0 => {}
            b' ' | b'-' | b'.' | b'(' | b')' if between < 2 => between += 1,
            _ => break,
        }
    }
    (end, digits)
}

fn mask_into(masked: &mut String, value: &str) {
    let length = value.chars().count();
    if length < SHORTEST {
        masked.push_str(DOTS);
        return;
    }
    masked.extend(value.chars().take(2));
    masked.push_str(DOTS);
    masked.extend(value.chars().skip(length - 2));
}

fn is_channel(prefix: &str) -> bool {
    !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::e164("+15551230000", "+1•••••••00")]
    #[case::whatsapp("whatsapp:+15551230000", "whatsapp:+1•••••••00")]
    #[case::whatsapp_user_id("whatsapp:US.13491208655302741918", "whatsapp:US•••••••18")]
    #[case::short_code("12345", "•••••••")]
    #[case::empty("", "•••••••")]
    #[case::email("ann@example.com", "an•••••••om")]
    #[case::not_ascii("über-ünï", "üb•••••••nï")]
    fn an_address_keeps_two_characters_at_each_end(#[case] address: &str, #[case] masked: &str) {
        assert_eq!(phone(address), masked);
    }

    #[rstest]
    #[case::in_a_sentence("To +15551230000 failed", "To +1•••••••00 failed")]
    #[case::two("+15551230000,+15551230001", "+1•••••••00,+1•••••••01")]
    #[case::spaced("call +1 555 123-0000 now", "call +1•••••••00 now")]
    #[case::parentheses("(555) 123-0000", "(55•••••••00")]
    #[case::seven_digits("1234567", "12•••••••67")]
    #[case::error_code_stays("code 21211 (HTTP 400)", "code 21211 (HTTP 400)")]
    #[case::year_stays("in 2026", "in 2026")]
    #[case::lonely_plus("1 + 2 + x", "1 + 2 + x")]
    #[case::nothing("no digits", "no digits")]
    #[case::empty("", "")]
    fn long_numbers_in_free_text_are_masked(#[case] text: &str, #[case] masked: &str) {
        assert_eq!(numbers_in(text), masked);
    }

    proptest! {
        #[test]
        fn no_seven_digits_in_a_row_survive(text in r"[+0-9 a-zü().-]{0,80}") {
            let masked = numbers_in(&text);
            let longest = masked
                .split(|c: char| !c.is_ascii_digit())
                .map(str::len)
                .max()
                .unwrap_or(0);
            prop_assert!(longest < SHORTEST, "{masked}");
        }
    }
}
