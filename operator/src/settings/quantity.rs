//! Kubernetes' quantities, of which one amount has many spellings: `1Gi` is `1024Mi`, `0.5` is `500m`.

/// Decimal places of the smallest amount that Kubernetes keeps: a billionth.
const PLACES: u32 = 9;

/// The amount in billionths (`apimachinery/pkg/api/resource`: a larger fraction is rounded up), if it is one and fits.
/// Negative amounts are none.
pub(crate) fn amount(text: &str) -> Option<i128> {
    let end = text
        .find(|letter: char| !(letter.is_ascii_digit() || letter == '.'))
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let number: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (factor, power) = scale(unit)?;
    let number = number.checked_mul(factor)?;
    let power = power
        .checked_add(i32::try_from(PLACES).ok()?)?
        .checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let tens = 10_i128.checked_pow(power.unsigned_abs())?;
    if power >= 0 {
        return number.checked_mul(tens);
    }
    Some(number / tens + i128::from(number % tens != 0))
}

/// What a unit stands for: a factor, and a power of ten.
fn scale(unit: &str) -> Option<(i128, i32)> {
    let binary = |steps: u32| Some((1_i128 << (10 * steps), 0));
    let decimal = |power: i32| Some((1, power));
    match unit {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => decimal(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::amount;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("1", "1000m")]
    #[case("0.5", "500m")]
    #[case(".5", "500m")]
    #[case("100u", "0.1m")]
    #[case("1Gi", "1024Mi")]
    #[case("1.5Gi", "1536Mi")]
    #[case("1Ei", "1024Pi")]
    #[case("1E3", "1k")]
    #[case("1e3", "1000")]
    #[case("2E", "2000P")]
    #[case("25e-3", "25m")]
    #[case("0.1n", "1n")]
    fn one_amount_has_many_spellings(#[case] one: &str, #[case] other: &str) {
        assert!(amount(one).is_some(), "{one}");
        assert_eq!(amount(one), amount(other));
    }

    #[rstest]
    #[case("")]
    #[case("x")]
    #[case("1 Gi")]
    #[case("1.2.3")]
    #[case("-1")]
    #[case("1gi")]
    #[case("1e")]
    #[case("1e99")]
    fn others_are_none(#[case] text: &str) {
        assert_eq!(amount(text), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(text in ".{0,40}") {
            let _ = amount(&text);
        }
    }
}
