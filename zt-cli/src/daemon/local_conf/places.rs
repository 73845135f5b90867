//! Where each field of a JSON text stands: parsed values have lost that, and people need a line and a column.

use std::collections::BTreeMap;

/// A place in a text; both numbers begin with 1, columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// The places of all keys, by the path of keys that leads to them, joined by dots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    keys: BTreeMap<String, Place>,
    repeated: Vec<(String, Place, Place)>,
}

impl Places {
    /// Reads a text that was parsed as JSON before; what is none gives the places until there.
    pub fn of(text: &str) -> Self {
        let mut scan = Scan { rest: text.chars().peekable(), at: Place { line: 1, column: 1 }, found: Self::default() };
        scan.value(&mut String::new());
        scan.found
    }

    /// The place of the field that a remark begins with, or of what it belongs to.
    pub fn of_remark(&self, remark: &str) -> Option<Place> {
        let field = self.keys.iter().filter(|(field, _)| concerns(remark, field)).max_by_key(|(field, _)| field.len());
        let named = || {
            // The original's words name a policy in brackets.
            let name = remark.split_once('(')?.1.split_once(')')?.0;
            self.keys
                .get(&format!("settings.policies.{name}"))
                .or_else(|| self.keys.get("settings.defaultBondingPolicy"))
        };
        field.map(|(_, place)| *place).or_else(|| named().copied())
    }

    /// The place of a field.
    pub fn of_field(&self, field: &str) -> Option<Place> {
        self.keys.get(field).copied()
    }

    /// Remarks on keys that stand twice in one object.
    pub fn repeated(&self) -> impl Iterator<Item = String> {
        self.repeated.iter().map(|(field, first, second)| {
            format!("{field}: stands there twice, in lines {} and {}; the last one counts", first.line, second.line)
        })
    }
}

/// Whether a remark begins with a field, or with what belongs to it.
pub fn concerns(remark: &str, field: &str) -> bool {
    remark.strip_prefix(field).is_some_and(|rest| rest.starts_with([':', '.', ' ']) && !field.is_empty())
}

struct Scan<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    at: Place,
    found: Places,
}

impl Scan<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.at = match c {
            '\n' => Place { line: self.at.line + 1, column: 1 },
            _ => Place { column: self.at.column + 1, ..self.at },
        };
        Some(c)
    }

    fn skip_blanks(&mut self) {
        while self.rest.peek().is_some_and(|c| c.is_whitespace() || *c == '\u{feff}') {
            self.next();
        }
    }

    /// Takes a sign if it comes next.
    fn take(&mut self, sign: char) -> bool {
        self.skip_blanks();
        let comes = self.rest.peek() == Some(&sign);
        if comes {
            self.next();
        }
        comes
    }

    /// A value below a field. Nesting is as deep as the parser before allowed.
    fn value(&mut self, field: &mut String) {
        self.skip_blanks();
        match self.rest.peek() {
            Some('{') => self.object(field),
            Some('[') => self.array(field),
            Some('"') => drop(self.string()),
            _ => {
                while self.rest.peek().is_some_and(|c| !",]} \t\r\n".contains(*c)) {
                    self.next();
                }
            }
        }
    }

    fn object(&mut self, field: &mut String) {
        self.next();
        let mut here = BTreeMap::new();
        loop {
            self.skip_blanks();
            let place = self.at;
            if self.rest.peek() != Some(&'"') {
                break;
            }
            let (key, length) = (self.string(), field.len());
            if !field.is_empty() {
                field.push('.');
            }
            field.push_str(&key);
            if let Some(first) = here.insert(key, place) {
                self.found.repeated.push((field.clone(), first, place));
            }
            self.found.keys.insert(field.clone(), place);
            let goes_on = self.take(':') && {
                self.value(field);
                self.take(',')
            };
            field.truncate(length);
            if !goes_on {
                break;
            }
        }
        self.take('}');
    }

    fn array(&mut self, field: &mut String) {
        self.next();
        self.skip_blanks();
        while self.rest.peek().is_some_and(|c| *c != ']') {
            self.value(field);
            if !self.take(',') {
                break;
            }
            self.skip_blanks();
        }
        self.take(']');
    }

    /// A text with its escapes, as the parser reads it.
    fn string(&mut self) -> String {
        let mut written = String::new();
        written.extend(self.next());
        while let Some(c) = self.next() {
            written.push(c);
            match c {
                '\\' => written.extend(self.next()),
                '"' => break,
                _ => {}
            }
        }
        serde_json::from_str(&written).unwrap_or(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn a_remark_finds_its_line_and_column() {
        let text = "{\n  \"settings\": {\n    \"bínd\": [{\"x\": \"}\\\"\"}], \"bind\": 5\n  },\n  \"physical\": {\"10.0.0.0/8\": {\"mtu\": 1}}\n}";
        let places = Places::of(text);
        let at = |remark: &str| places.of_remark(remark).map(|place| (place.line, place.column));
        assert_eq!(at("settings.bind: ignored, must be an array"), Some((3, 29)));
        assert_eq!(at("physical.10.0.0.0/8.mtu: 1 is outside"), Some((5, 31)));
        assert_eq!(at("physical.10.0.0.0/8: ignored"), Some((5, 16)));
        assert_eq!(at("settings.tcp.certificate and settings.tcp.key: ignored"), Some((2, 3)));
        assert_eq!(at("elsewhere: unknown"), None);
    }

    #[test]
    fn a_key_that_stands_twice_is_told_with_both_lines() {
        let places = Places::of("{\"settings\": {\"a\": 1,\n\"\\u0061\": {\"a\": 2}}}");
        let told: Vec<_> = places.repeated().collect();
        assert_eq!(told, ["settings.a: stands there twice, in lines 1 and 2; the last one counts"]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[\\[\\]{}:,\"\\\\a1 \\n]{0,60}") {
            let _ = Places::of(&text);
        }

        #[test]
        fn every_key_of_a_printed_value_has_a_place(keys in proptest::collection::btree_set("[a-z\"\\\\ö]{1,6}", 0..6)) {
            let object: Value = keys.iter().map(|key| (key.clone(), serde_json::json!([{key.as_str(): null}]))).collect();
            for text in [object.to_string(), serde_json::to_string_pretty(&object).expect("text")] {
                let places = Places::of(&text);
                for key in &keys {
                    prop_assert!(places.of_field(key).is_some(), "{} in {}", key, text);
                }
                prop_assert_eq!(places.repeated().count(), 0);
            }
        }
    }
}
