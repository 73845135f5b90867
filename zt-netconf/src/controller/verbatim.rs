//! What a stored JSON object says that our types do not.

use std::collections::BTreeMap;

use serde_json::Value;

/// Fields of a JSON object as they are written there: unknown ones, and known ones in another form than ours (05 §2).
///
/// They are printed and stored again as they came, and have no other effect. A field that is set by its type loses the
/// old spelling. Whoever makes records or patches by types leaves this empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verbatim(BTreeMap<String, Value>);

impl Verbatim {
    /// True when there is nothing of the kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }

    pub(super) fn keep(&mut self, key: String, value: Value) {
        self.0.insert(key, value);
    }

    pub(super) fn merge(&mut self, newer: Self) {
        self.0.extend(newer.0);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }
}

impl FromIterator<(String, Value)> for Verbatim {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}
