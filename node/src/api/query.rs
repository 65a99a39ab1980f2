//! The part of a URL behind the question mark. Keys that a route does not know are left alone:
//! clients append them to get past caches.

use super::answer::ApiError;

/// The parameters of a request, decoded, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads `key=value&…` with percent encoding and `+` for a space.
    ///
    /// # Errors
    /// 400 `malformed_query` when an escape is broken, the text is not UTF-8, or a key comes twice.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let (key, value) = (decode(key)?, decode(value)?);
            if pairs.iter().any(|(known, _)| *known == key) {
                return Err(malformed(&format!("the parameter {key:?} is given twice")));
            }
            pairs.push((key, value));
        }
        Ok(Self { pairs })
    }

    /// The value of `key`, if it is given.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str())
    }

    /// A number from `1..=max`, or `default` when the key is not given.
    ///
    /// # Errors
    /// 400 `malformed_query` when it is no such number.
    pub fn count(&self, key: &str, default: usize, max: usize) -> Result<usize, ApiError> {
        let Some(text) = self.get(key) else {
            return Ok(default);
        };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && (1..=max).contains(&number) => Ok(number),
            _ => Err(malformed(&format!(
                "{key} must be a number from 1 to {max}"
            ))),
        }
    }

    /// The number that `key` has, if it is given.
    ///
    /// # Errors
    /// 400 `malformed_query` when it is no decimal number of 64 bits.
    pub fn number(&self, key: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits => Ok(Some(number)),
            _ => Err(malformed(&format!("{key} must be a decimal number"))),
        }
    }

    /// True for `key=1` and `key=true`.
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), Some("1" | "true"))
    }
}

/// 400 for a parameter with that fault.
pub fn malformed(sentence: &str) -> ApiError {
    ApiError::malformed("malformed_query", sentence)
}

/// Undoes percent encoding.
fn decode(text: &str) -> Result<String, ApiError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'?'), rest.next().unwrap_or(b'?')];
                let mut decoded = [0];
                const_hex::decode_to_slice(digits, &mut decoded)
                    .map_err(|_| malformed("a % in the query is not followed by two hex digits"))?;
                decoded[0]
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed("the query is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse("q=a%20b%2b+c&verbose=1&&empty=&bare").unwrap();
        assert_eq!(query.get("q"), Some("a b+ c"));
        assert_eq!(query.get("empty"), Some(""));
        assert_eq!(query.get("bare"), Some(""));
        assert_eq!(query.get("other"), None);
        assert!(query.flag("verbose") && !query.flag("bare"));
    }

    #[test]
    fn broken_escapes_bad_utf_8_and_double_keys_are_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=1&a=2", "a=%0x"] {
            let error = Query::parse(text).unwrap_err();
            assert_eq!(
                (error.status, error.code),
                (400, "malformed_query"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_count_is_a_plain_number_within_its_bounds() {
        let count = |text: &str| Query::parse(text).unwrap().count("limit", 20, 100);
        assert_eq!(count(""), Ok(20));
        assert_eq!(count("limit=100"), Ok(100));
        for text in [
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=%2B1",
            "limit=",
            "limit=1e1",
        ] {
            assert_eq!(count(text).unwrap_err().status, 400, "{text}");
        }
    }
}
