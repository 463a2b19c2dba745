//! Moments in the past as people type them.

use crate::{Duration, Timestamp};

/// The moment that `text` means at `now`: `90m`, `24h`, `7d` or `2w` ago, a day like `2026-11-01` (its beginning in UTC), or
/// an instant in RFC 3339.
///
/// # Errors
/// What was seen and what was expected, when it is none of these or lies in the future.
pub fn moment_before(now: Timestamp, text: &str) -> Result<Timestamp, String> {
    let ago = |seconds| now - Duration::from_secs(seconds);
    let moment = match (seconds(text), day(text)) {
        (Some(seconds), _) => Ok(ago(seconds)),
        (None, Some(moment)) => Ok(moment),
        (None, None) => text.parse::<Timestamp>(),
    };
    match moment {
        Ok(moment) if moment <= now => Ok(moment),
        Ok(_) => Err(format!("`{text}` lies in the future")),
        Err(_) => Err(format!(
            "`{text}` is no moment in the past; expected 24h, 7d, 2026-11-01 or 2026-11-20T08:15:30Z"
        )),
    }
}

fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    // A sign is no digit: `+3h` is not said here.
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<u64>().ok().filter(|_| digits)?.checked_mul(unit)
}

fn day(text: &str) -> Option<Timestamp> {
    let is_day = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    format!("{text}T00:00:00Z").parse().ok().filter(|_| is_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_176_000);

    #[test]
    fn what_is_no_moment_in_the_past_is_named() {
        for text in
            ["", "h", "yesterday", "-3h", "+3h", "3 h", "3y", "2026-13-01", "2026-02-30", "20261101", "é"]
        {
            let told = moment_before(NOW, text).unwrap_err();
            assert!(told.starts_with(&format!("`{text}` is no moment in the past")), "{told}");
        }
        assert_eq!(moment_before(NOW, "2099-01-01").unwrap_err(), "`2099-01-01` lies in the future");
        assert!(moment_before(NOW, "99999999999999999999h").is_err(), "too many hours for a number");
    }

    #[test]
    fn spans_days_and_instants_are_read() {
        let at = |text: &str| moment_before(NOW, text).unwrap().to_string();
        assert_eq!(NOW.to_string(), "2026-11-20T12:00:00.000000Z");
        assert_eq!(at("90m"), "2026-11-20T10:30:00.000000Z");
        assert_eq!(at("24h"), "2026-11-19T12:00:00.000000Z");
        assert_eq!(at("30d"), "2026-10-21T12:00:00.000000Z");
        assert_eq!(at("2w"), "2026-11-06T12:00:00.000000Z");
        assert_eq!(at("2026-11-01"), "2026-11-01T00:00:00.000000Z");
        assert_eq!(at("2026-11-20T08:15:30+01:00"), "2026-11-20T07:15:30.000000Z");
        assert_eq!(at("0m"), NOW.to_string());
    }
}
