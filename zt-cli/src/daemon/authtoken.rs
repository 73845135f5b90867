//! Tokens which open the local HTTP interface (06 §1.5, §4.2).

use subtle::ConstantTimeEq;
use zt_crypto::Entropy;

/// Number of characters of a token.
const LENGTH: usize = 24;

/// Characters of a token, in the original's order.
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Makes a token: 24 characters out of 36, evenly distributed.
pub fn generate(entropy: &mut dyn Entropy) -> String {
    let mut token = String::with_capacity(LENGTH);
    while token.len() < LENGTH {
        let mut byte = [0];
        entropy.fill(&mut byte);
        // 252 is the largest multiple of 36 below 256: bytes above it would favour the first letters.
        if byte[0] < 252 {
            token.push(char::from(ALPHABET[usize::from(byte[0] % 36)]));
        }
    }
    token
}

/// A token as read from its file, without the characters an editor leaves around it.
pub fn trim(token: &str) -> &str {
    token.trim_matches([' ', '\t', '\r', '\n', '\0'])
}

/// Compares a presented token with the right one in constant time; an empty one never fits.
pub fn matches(presented: &str, right: &str) -> bool {
    !right.is_empty() && bool::from(presented.as_bytes().ct_eq(right.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zt_crypto::SeededEntropy;

    #[test]
    fn tokens_have_the_documented_shape() {
        let token = generate(&mut SeededEntropy::new(7));
        assert_eq!(token.len(), 24);
        assert!(token.bytes().all(|b| ALPHABET.contains(&b)));
    }

    #[test]
    fn an_empty_token_opens_nothing() {
        assert!(!matches("", ""));
        assert!(matches("abc", "abc"));
        assert!(!matches("abc", "abd"));
        assert_eq!(trim(" \tabc\r\n\0"), "abc");
    }
}
