//! What the reference says about a body that is no JSON (06 §4.4): clients may look for its first words.

/// Describes why `body` is no JSON, in the words of the reference where they are known.
pub(super) fn describe(body: &[u8], error: &serde_json::Error) -> String {
    let (line, column) = position(body, error);
    let what = if body.iter().all(u8::is_ascii_whitespace) {
        "value - unexpected end of input; expected '[', '{', or a literal".to_owned()
    } else {
        detail(body, error)
    };
    format!(
        "[json.exception.parse_error.101] parse error at line {line}, column {column}: syntax error while parsing {what}"
    )
}

/// Line from 1; column of the last byte read, from 1.
fn position(body: &[u8], error: &serde_json::Error) -> (usize, usize) {
    let column = if error.is_eof() { error.column() + 1 } else { error.column() };
    (error.line(), column.max(usize::from(!body.is_empty())).max(1))
}

fn detail(body: &[u8], error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    if text == "key must be a string" {
        let end = offset(body, error).min(body.len());
        let start = body[..end].iter().rposition(|b| matches!(b, b'{' | b',')).unwrap_or(0);
        let read = String::from_utf8_lossy(&body[start..end]);
        return format!("object key - invalid literal; last read: '{read}'; expected string literal");
    }
    format!("value - {text}")
}

/// Offset just past the byte an error points at.
fn offset(body: &[u8], error: &serde_json::Error) -> usize {
    let line_start: usize = body.split(|b| *b == b'\n').take(error.line().saturating_sub(1)).map(|l| l.len() + 1).sum();
    line_start + error.column()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> String {
        describe(body.as_bytes(), &serde_json::from_str::<serde_json::Value>(body).unwrap_err())
    }

    #[test]
    fn as_recorded() {
        let begin = "[json.exception.parse_error.101] parse error at line 1, column";
        assert_eq!(
            of(""),
            format!(
                "{begin} 1: syntax error while parsing value - unexpected end of input; expected '[', '{{', or a literal"
            )
        );
        assert_eq!(
            of("{bad"),
            format!(
                "{begin} 2: syntax error while parsing object key - invalid literal; last read: '{{b'; expected string literal"
            )
        );
        assert!(of("{\"a\": }").starts_with(begin));
    }
}
