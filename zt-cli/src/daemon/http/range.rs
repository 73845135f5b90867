//! `Range` of a request (06 §4.1): which bytes of a body are sent.

use std::ops::Range;

/// What a `Range` header means for a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it. Also for what is no range of bytes, and for more than one: who asks has to take a whole answer, too.
    Whole,
    /// These bytes.
    Bytes(Range<u64>),
    /// None of it lies there.
    Outside,
}

/// Reads the header against a body of some length.
pub(super) fn part(header: Option<&str>, length: u64) -> Part {
    let Some((first, last)) = header.and_then(|text| text.strip_prefix("bytes=")?.trim().split_once('-')) else {
        return Part::Whole;
    };
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let (start, end) = match (number(first), number(last)) {
        (Some(start), None) if last.is_empty() => (start, length),
        (Some(start), Some(last)) if start <= last => (start, last.saturating_add(1).min(length)),
        // The last so many bytes.
        (None, Some(count)) if first.is_empty() => (length.saturating_sub(count), length),
        _ => return Part::Whole,
    };
    if start < end { Part::Bytes(start..end) } else { Part::Outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        for (header, wanted) in [
            ("bytes=2-5", Part::Bytes(2..6)),
            ("bytes=2-", Part::Bytes(2..11)),
            ("bytes=-3", Part::Bytes(8..11)),
            ("bytes=-300", Part::Bytes(0..11)),
            ("bytes=5-500", Part::Bytes(5..11)),
            ("bytes=0-18446744073709551615", Part::Bytes(0..11)),
            ("bytes=11-", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=5-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=+1-4", Part::Whole),
            ("bytes=-", Part::Whole),
            ("lines=1-2", Part::Whole),
        ] {
            assert_eq!(part(Some(header), 11), wanted, "{header}");
        }
        assert_eq!(part(None, 11), Part::Whole);
        assert_eq!(part(Some("bytes=0-"), 0), Part::Outside);
    }
}
