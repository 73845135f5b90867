//! JSON as the original prints it: sorted keys, compact on the wire, indented by a fixed number of blanks in tools.

use std::fmt::Write as _;

use serde_json::Value;

/// A text without the byte order mark that some editors and shells write before it.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// The same value with the keys of every object in ascending byte order.
pub fn sorted(value: Value) -> Value {
    let mut value = value;
    value.sort_all_objects();
    value
}

/// Prints with `indent` blanks per level, `": "` after keys, empty arrays and objects as `[]` and `{}`, no newline at the end.
pub fn pretty(value: &Value, indent: usize) -> String {
    let mut out = String::new();
    write(value, indent, 0, &mut out);
    out
}

/// What `zerotier-cli -j` prints: sorted keys, one blank per level, a newline at the end (07 §2.3).
pub fn classic(value: Value) -> String {
    let mut text = pretty(&sorted(value), 1);
    text.push('\n');
    text
}

fn write(value: &Value, indent: usize, level: usize, out: &mut String) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                new_line(i, indent, level + 1, out);
                write(item, indent, level + 1, out);
            }
            close(']', indent, level, out);
        }
        Value::Object(map) if !map.is_empty() => {
            out.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                new_line(i, indent, level + 1, out);
                let _ = write!(out, "{}: ", Value::String(key.clone()));
                write(item, indent, level + 1, out);
            }
            close('}', indent, level, out);
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

fn new_line(index: usize, indent: usize, level: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
    let _ = write!(out, "\n{:1$}", "", indent * level);
}

fn close(bracket: char, indent: usize, level: usize, out: &mut String) {
    let _ = write!(out, "\n{:1$}{bracket}", "", indent * level);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn prints_like_the_original() {
        let value = json!({"b": [], "a": [1, {"c": {}, "d": 0.0}], "e": "q\"\n"});
        assert_eq!(
            classic(value),
            "{\n \"a\": [\n  1,\n  {\n   \"c\": {},\n   \"d\": 0.0\n  }\n ],\n \"b\": [],\n \"e\": \"q\\\"\\n\"\n}\n"
        );
    }
}
