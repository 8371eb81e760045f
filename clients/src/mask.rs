//! Masks what identifies a customer, for logs, errors, `Debug` and status pages.
//!
//! A masked value keeps two characters at each end, so that a person on call can tell two customers apart; what is
//! shorter than seven characters is hidden whole. The number of dots is fixed and tells nothing of the length.

/// What stands for the hidden characters.
const DOTS: &str = "•••••••";
/// The shortest value (and the shortest run of digits) that is masked in part: a short code has five or six digits.
const SHORTEST: usize = 7;
/// The shortest run of hexadecimal digits that is an identifier: 128 bits.
const SHORTEST_DIGEST: usize = 32;

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

/// What a platform said, without this word, should it quote it.
pub(crate) fn withheld(said: &str, word: &str) -> String {
    said.replace(word, "[withheld]")
}

/// Masks every run of at least seven digits in free text, with a leading plus and with single spaces, dashes, dots or
/// parentheses between the digits. Identifiers in hexadecimal digits (`id_at`) stay: they name no customer, and a
/// person who is to look one up needs all of it.
pub fn numbers_in(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        let id = if before.is_some_and(char::is_alphanumeric) {
            0
        } else {
            id_at(rest)
        };
        let end = if id > 0 {
            masked.push_str(&rest[..id]);
            id
        } else if first == '+' || first.is_ascii_digit() {
            let (end, digits) = run_of_digits(rest);
            if digits >= SHORTEST {
                mask_into(&mut masked, &rest[..end]);
            } else {
                masked.push_str(&rest[..end]);
            }
            end
        } else {
            masked.push(first);
            first.len_utf8()
        };
        before = rest[..end].chars().next_back();
        rest = &rest[end..];
    }
    masked
}

/// The length in bytes of the identifier that `text` begins with, or 0: a UUID, 32 or more hexadecimal digits with a
/// letter among them (a digest), or those after two capital letters (Twilio's SIDs). No phone number looks like it.
fn id_at(text: &str) -> usize {
    let bytes = text.as_bytes();
    let found = uuid(bytes).or_else(|| digest(bytes)).or_else(|| {
        let kind = bytes.get(..2)?;
        let of_kind = kind.iter().all(u8::is_ascii_uppercase);
        of_kind
            .then(|| digest(&bytes[2..]))
            .flatten()
            .map(|length| length + 2)
    });
    let ends = |length: &usize| !text[*length..].starts_with(char::is_alphanumeric);
    found.filter(ends).unwrap_or(0)
}

fn uuid(bytes: &[u8]) -> Option<usize> {
    const DASHES: [usize; 4] = [8, 13, 18, 23];
    let uuid = bytes.get(..36)?;
    let fits = uuid.iter().enumerate().all(|(at, byte)| {
        if DASHES.contains(&at) {
            *byte == b'-'
        } else {
            byte.is_ascii_hexdigit()
        }
    });
    fits.then_some(36)
}

fn digest(bytes: &[u8]) -> Option<usize> {
    let length = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let lettered = bytes[..length].iter().any(u8::is_ascii_alphabetic);
    (length >= SHORTEST_DIGEST && lettered).then_some(length)
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
    #[case::a_prefix_that_is_no_channel("Ann:+15551230000", "An•••••••00")]
    #[case::an_empty_prefix(":+15551230000", ":+•••••••00")]
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
    #[case::a_plus_begins_another("555+1230000", "555+1•••••••00")]
    #[case::three_signs_part_two_numbers("555 - 1230000", "555 - 12•••••••00")]
    #[case::seven_digits("1234567", "12•••••••67")]
    #[case::error_code_stays("code 21211 (HTTP 400)", "code 21211 (HTTP 400)")]
    #[case::year_stays("in 2026", "in 2026")]
    #[case::lonely_plus("1 + 2 + x", "1 + 2 + x")]
    #[case::nothing("no digits", "no digits")]
    #[case::an_integrations_id_stays(
        "both 11111111-2222-4333-8444-555555555555 and 0a1b2c3d-1234-4567-89ab-001122334455.",
        "both 11111111-2222-4333-8444-555555555555 and 0a1b2c3d-1234-4567-89ab-001122334455."
    )]
    #[case::an_images_digest_stays(
        "relay@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\": not found",
        "relay@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\": not found"
    )]
    #[case::a_sid_stays(
        "SM0123456789abcdef0123456789abcdef (21610)",
        "SM0123456789abcdef0123456789abcdef (21610)"
    )]
    #[case::a_number_beside_an_id(
        "11111111-2222-4333-8444-555555555555+15551230000",
        "11111111-2222-4333-8444-555555555555+1•••••••00"
    )]
    #[case::a_number_after_letters("tel15551230000", "tel15•••••••00")]
    #[case::a_short_hexadecimal_word("deadbeef15551230000", "deadbeef15•••••••00")]
    #[case::no_digest_but_digits("01234567890123456789012345678901", "01•••••••01")]
    #[case::longer_than_a_uuid("11111111-2222-4333-8444-5555555555551", "11•••••••51")]
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
