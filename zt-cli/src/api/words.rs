//! Words of the HTTP interface that stand for values of ours.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zt_netconf::{NetworkStatus, NetworkType};
use zt_node::status::Role;

/// A value that the interface says with one word.
pub trait Spoken: Copy + 'static {
    /// All values.
    const ALL: &'static [Self];

    /// The word.
    fn word(self) -> &'static str;
}

impl Spoken for NetworkStatus {
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Spoken for NetworkType {
    const ALL: &'static [Self] = &[Self::Private, Self::Public];

    fn word(self) -> &'static str {
        match self {
            Self::Private => "PRIVATE",
            Self::Public => "PUBLIC",
        }
    }
}

impl Spoken for Role {
    const ALL: &'static [Self] = &[Self::Leaf, Self::Moon, Self::Planet];

    fn word(self) -> &'static str {
        match self {
            Self::Leaf => "LEAF",
            Self::Moon => "MOON",
            Self::Planet => "PLANET",
        }
    }
}

/// What a word says. A node of another version may say one that this version does not know: it is shown as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word<T> {
    /// One of the values.
    Known(T),
    /// Anything else.
    Unknown(String),
}

impl<T: Spoken> Word<T> {
    /// Reads a word.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let known = T::ALL.iter().find(|value| value.word() == text);
        known.map_or_else(|| Self::Unknown(text.to_owned()), |&value| Self::Known(value))
    }
}

impl<T> From<T> for Word<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: PartialEq> PartialEq<T> for Word<T> {
    fn eq(&self, other: &T) -> bool {
        matches!(self, Self::Known(value) if value == other)
    }
}

impl<T: Spoken> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known(value) => value.word(),
            Self::Unknown(text) => text,
        })
    }
}

impl<T: Spoken> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: Spoken> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::read(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_the_value_it_was_said_for() {
        fn holds<T: Spoken + PartialEq + fmt::Debug>() {
            for &value in T::ALL {
                assert!(Word::<T>::read(value.word()) == value, "{value:?}");
            }
        }
        holds::<NetworkStatus>();
        holds::<NetworkType>();
        holds::<Role>();
    }

    #[test]
    fn an_unknown_word_is_shown_as_it_came() {
        let word: Word<NetworkStatus> = serde_json::from_str("\"AT_LUNCH\"").expect("a word");
        assert_eq!(word.to_string(), "AT_LUNCH");
        assert_eq!(serde_json::to_string(&word).expect("a word"), "\"AT_LUNCH\"");
    }
}
