//! Figures as a person reads them.

use std::time::Duration;

/// `160000` → `160,000`
#[must_use]
pub fn count(number: impl Into<i128>) -> String {
    let number: i128 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// `1 partition`, `5 partitions`
#[must_use]
pub fn plural(number: usize, thing: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", count(number as i128))
}

/// `0.3 ms`, `42 ms`, `1.2 s`
#[must_use]
pub fn duration(length: Duration) -> String {
    let ms = length.as_secs_f64() * 1000.0;
    if ms < 9.95 {
        format!("{ms:.1} ms")
    } else if ms < 999.5 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

/// Milliseconds as the log has them.
#[must_use]
pub fn millis(ms: f64) -> String {
    duration(Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default())
}

/// Bold where colours are wanted.
#[must_use]
pub fn bold(text: &str, colored: bool) -> String {
    if colored { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

/// A tick or a cross, coloured where that is wanted.
#[must_use]
pub fn mark(good: bool, colored: bool) -> &'static str {
    match (good, colored) {
        (true, true) => "\x1b[32m✓\x1b[0m",
        (false, true) => "\x1b[31m✗\x1b[0m",
        (true, false) => "✓",
        (false, false) => "✗",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        let counts = [0, 999, 1_000, 160_000, -1_234_567].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "160,000", "-1,234,567"]);
        let lengths = [30, 9_940, 42_400, 999_600, 61_250_000].map(Duration::from_micros);
        assert_eq!(lengths.map(duration), ["0.0 ms", "9.9 ms", "42 ms", "1.0 s", "61.2 s"]);
        assert_eq!(
            plural(1, "partition") + ", " + &plural(2_000, "row"),
            "1 partition, 2,000 rows"
        );
    }
}
