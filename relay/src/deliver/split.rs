//! Long texts become several messages, in order.
//!
//! Twilio takes 1,600 UTF-16 units a message (Twilio: Message resource; longer is error 21617). A text is cut at the last white
//! space that fits, else at the last word boundary (Unicode, for scripts without spaces), else between graphemes, and
//! only inside a grapheme when that alone is too long. White space at a cut is dropped; nothing else ever is.

use unicode_segmentation::UnicodeSegmentation as _;

/// UTF-16 units that Twilio takes in one message, on every channel.
pub const LONGEST_BODY: usize = 1600;

/// The parts of a text, none longer than `limit` UTF-16 units and none empty. A blank text has no parts.
pub fn split(text: &str, limit: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = cut(rest, limit);
        let (part, behind) = rest.split_at(end);
        parts.push(part.trim_end());
        rest = behind.trim_start();
    }
    parts
}

/// Where to cut the first part of a text that neither begins nor ends with white space: an index above 0.
fn cut(text: &str, limit: usize) -> usize {
    let fits = longest_prefix(text, limit);
    if fits == text.len() {
        return fits;
    }
    // A cut right before white space is as good as one behind it.
    if text[fits..].starts_with(char::is_whitespace) {
        return fits;
    }
    let window = &text[..fits];
    if let Some(space) = window.rfind(char::is_whitespace) {
        return space;
    }
    last_boundary(text.split_word_bound_indices().map(|(at, _)| at), fits)
        .or_else(|| last_boundary(text.grapheme_indices(true).map(|(at, _)| at), fits))
        .unwrap_or(fits)
}

fn last_boundary(boundaries: impl Iterator<Item = usize>, fits: usize) -> Option<usize> {
    boundaries
        .take_while(|at| *at <= fits)
        .last()
        .filter(|at| *at > 0)
}

/// The end of the longest run of whole characters that has at most `limit` units; at least one character.
fn longest_prefix(text: &str, limit: usize) -> usize {
    let mut units = 0;
    for (at, character) in text.char_indices() {
        units += character.len_utf16();
        if units > limit && at > 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("fits", "hello", 5, &["hello"])]
    #[case("at a space", "hello big world", 9, &["hello big", "world"])]
    #[case("at the last space that fits", "a bb ccc dddd", 8, &["a bb ccc", "dddd"])]
    #[case("white space at the cut goes", "hello   \n  world", 7, &["hello", "world"])]
    #[case("a word too long is cut between graphemes", "abcdefgh", 3, &["abc", "def", "gh"])]
    #[case("a family stays together", "ab👩‍👩‍👧", 9, &["ab", "👩‍👩‍👧"])]
    #[case("a grapheme too long is cut between characters", "e\u{301}\u{302}\u{303}", 2, &["e\u{301}", "\u{302}\u{303}"])]
    #[case("a surrogate pair counts two", "😀😀", 3, &["😀", "😀"])]
    #[case("a character is never cut", "😀a", 1, &["😀", "a"])]
    #[case("blank", " \n ", 5, &[])]
    fn cuts(
        #[case] case: &str,
        #[case] text: &str,
        #[case] limit: usize,
        #[case] expected: &[&str],
    ) {
        assert_eq!(split(text, limit), expected, "{case}");
    }

    fn letters(text: &str) -> String {
        text.chars().filter(|c| !c.is_whitespace()).collect()
    }

    proptest! {
        #[test]
        fn no_part_is_too_long_or_empty_and_no_letter_is_lost(text in "\\PC{0,400}", limit in 2usize..90) {
            let parts = split(&text, limit);
            for part in &parts {
                prop_assert!(!part.is_empty());
                prop_assert!(part.encode_utf16().count() <= limit, "{part:?}");
            }
            prop_assert_eq!(letters(&parts.concat()), letters(&text));
        }

        #[test]
        fn words_that_fit_are_never_cut(words in prop::collection::vec("[a-z]{1,12}", 0..60)) {
            let text = words.join(" ");
            let again: Vec<String> =
                split(&text, 20).iter().flat_map(|part| part.split(' ').map(str::to_owned)).collect();
            prop_assert_eq!(again, words);
        }
    }
}
