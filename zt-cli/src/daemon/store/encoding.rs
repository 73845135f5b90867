//! How values are written in the store: a version byte, then bincode. Nothing else in this workspace uses bincode.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode};
use serde_json::{Map, Number, Value};

/// First byte of every value written by this version.
const VERSION: u8 = 1;
/// Longest value that is read: far above the largest network object the interface accepts.
const LIMIT: usize = 64 << 20;

const fn config() -> Configuration<LittleEndian, Varint, Limit<LIMIT>> {
    bincode::config::standard().with_limit::<LIMIT>()
}

/// Why a stored value is not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodeError {
    /// Written by a later version of this program.
    #[error("value of format {0}, this program reads up to {VERSION}")]
    Version(u8),
    /// The bytes are no value of this format.
    #[error("damaged value: {0}")]
    Damaged(String),
}

/// One object of the controller, field by field.
#[derive(Debug, Encode, Decode)]
struct Object(Vec<(String, Node)>);

/// A JSON value.
#[derive(Debug, Encode, Decode)]
enum Node {
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Encodes an object of the controller.
pub(super) fn encode(object: &Map<String, Value>) -> Vec<u8> {
    let mut out = vec![VERSION];
    let fields = Object(object.iter().map(|(k, v)| (k.clone(), node(v))).collect());
    bincode::encode_into_std_write(fields, &mut out, config()).expect("writing to memory cannot fail");
    out
}

/// Decodes an object of the controller.
///
/// # Errors
/// See [`DecodeError`].
pub(super) fn decode(bytes: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    let damaged = |text: &str| DecodeError::Damaged(text.to_owned());
    let (version, rest) = bytes.split_first().ok_or_else(|| damaged("empty"))?;
    if *version != VERSION {
        return Err(DecodeError::Version(*version));
    }
    let (object, used): (Object, usize) =
        bincode::decode_from_slice(rest, config()).map_err(|e| DecodeError::Damaged(e.to_string()))?;
    if used != rest.len() {
        return Err(damaged("bytes left over"));
    }
    Ok(object.0.into_iter().map(|(k, v)| (k, value(v))).collect())
}

fn node(v: &Value) -> Node {
    match v {
        Value::Null => Node::Null,
        Value::Bool(b) => Node::Bool(*b),
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(u), _) => Node::Unsigned(u),
            (_, Some(i)) => Node::Negative(i),
            _ => Node::Float(n.as_f64().unwrap_or(0.0)),
        },
        Value::String(s) => Node::Text(s.clone()),
        Value::Array(a) => Node::List(a.iter().map(node).collect()),
        Value::Object(o) => Node::Object(o.iter().map(|(k, v)| (k.clone(), node(v))).collect()),
    }
}

fn value(n: Node) -> Value {
    match n {
        Node::Null => Value::Null,
        Node::Bool(b) => Value::Bool(b),
        Node::Unsigned(u) => Value::Number(u.into()),
        Node::Negative(i) => Value::Number(i.into()),
        Node::Float(f) => Number::from_f64(f).map_or(Value::Null, Value::Number),
        Node::Text(s) => Value::String(s),
        Node::List(a) => Value::Array(a.into_iter().map(value).collect()),
        Node::Object(o) => Value::Object(o.into_iter().map(|(k, v)| (k, value(v))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<u64>().prop_map(|n| json!(n)),
            any::<i64>().prop_map(|n| json!(n)),
            (-1e9f64..1e9).prop_map(|n| json!(n)),
            ".{0,12}".prop_map(Value::String),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map(".{0,6}", inner, 0..6).prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(fields in prop::collection::btree_map(".{0,6}", any_value(), 0..8)) {
            let object: Map<String, Value> = fields.into_iter().collect();
            prop_assert_eq!(decode(&encode(&object)).unwrap(), object);
        }

        #[test]
        fn junk_is_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            _ = decode(&bytes);
        }
    }

    #[test]
    fn the_version_is_looked_at_first() {
        assert!(matches!(decode(&[2, 0]), Err(DecodeError::Version(2))));
        assert!(matches!(decode(&[]), Err(DecodeError::Damaged(_))));
        let mut long = encode(&Map::new());
        long.push(0);
        assert!(matches!(decode(&long), Err(DecodeError::Damaged(_))));
    }
}
