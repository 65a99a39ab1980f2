//! A JSON reader of the few forms that a genesis file has: objects, lists, strings, whole numbers.
//! Everything else is refused, and so are keys that stand twice.

use std::collections::BTreeMap;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// Keys and their values.
    Object(BTreeMap<String, Json>),
    /// Values in order.
    List(Vec<Json>),
    /// Text.
    Text(String),
    /// A whole number from its own digits.
    Number(u64),
}

impl Json {
    /// Reads a whole text.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        let mut rest = text.trim_start_matches(is_space);
        let value = value(&mut rest, 0)?;
        match rest.trim_start_matches(is_space) {
            "" => Ok(value),
            more => Err(format!("after the end stands {:?}", head(more))),
        }
    }

    /// The fields of an object that has exactly these keys, in this order.
    ///
    /// # Errors
    /// When it has others, fewer, or is no object.
    pub fn fields<const N: usize>(self, keys: [&str; N]) -> Result<[Json; N], String> {
        let Json::Object(mut fields) = self else {
            return Err(format!("an object with {keys:?} is needed"));
        };
        if let Some(unknown) = fields.keys().find(|key| !keys.contains(&key.as_str())) {
            return Err(format!("{unknown:?} is unknown"));
        }
        if fields.len() != N {
            return Err(format!("all of {keys:?} are needed"));
        }
        Ok(keys.map(|key| fields.remove(key).expect("every key was found")))
    }

    /// The number.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(self) -> Result<u64, String> {
        match self {
            Json::Number(number) => Ok(number),
            other => Err(format!("a number is needed, not {other:?}")),
        }
    }

    /// The text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(self) -> Result<String, String> {
        match self {
            Json::Text(text) => Ok(text),
            other => Err(format!("a text is needed, not {other:?}")),
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn head(text: &str) -> String {
    text.chars().take(20).collect()
}

/// Takes a sign and the spaces after it, if it stands next.
fn skip(rest: &mut &str, sign: char) -> bool {
    match rest.strip_prefix(sign) {
        Some(after) => {
            *rest = after.trim_start_matches(is_space);
            true
        }
        None => false,
    }
}

fn value(rest: &mut &str, depth: usize) -> Result<Json, String> {
    if depth > 8 {
        return Err("nested too deeply".to_owned());
    }
    if skip(rest, '{') {
        return object(rest, depth);
    }
    if skip(rest, '[') {
        return list(rest, depth);
    }
    if rest.starts_with('"') {
        return string(rest).map(Json::Text);
    }
    number(rest).map(Json::Number)
}

fn object(rest: &mut &str, depth: usize) -> Result<Json, String> {
    let mut fields = BTreeMap::new();
    if skip(rest, '}') {
        return Ok(Json::Object(fields));
    }
    loop {
        let key = string(rest)?;
        if !skip(rest, ':') {
            return Err(format!("a colon is missing after {key:?}"));
        }
        let value = value(rest, depth + 1)?;
        if fields.insert(key.clone(), value).is_some() {
            return Err(format!("{key:?} stands twice"));
        }
        if skip(rest, '}') {
            return Ok(Json::Object(fields));
        }
        if !skip(rest, ',') {
            return Err(format!("a comma is missing before {:?}", head(rest)));
        }
    }
}

fn list(rest: &mut &str, depth: usize) -> Result<Json, String> {
    let mut values = Vec::new();
    if skip(rest, ']') {
        return Ok(Json::List(values));
    }
    loop {
        values.push(value(rest, depth + 1)?);
        if skip(rest, ']') {
            return Ok(Json::List(values));
        }
        if !skip(rest, ',') {
            return Err(format!("a comma is missing before {:?}", head(rest)));
        }
    }
}

/// A string without escapes: no name and no address needs one.
fn string(rest: &mut &str) -> Result<String, String> {
    let inner = rest.strip_prefix('"').ok_or("a text is needed")?;
    let end = inner.find('"').ok_or("a text does not end")?;
    let text = &inner[..end];
    if text.contains(|c: char| c == '\\' || c < ' ') {
        return Err(format!("escapes are not read: {text:?}"));
    }
    *rest = inner[end + 1..].trim_start_matches(is_space);
    Ok(text.to_owned())
}

fn number(rest: &mut &str) -> Result<u64, String> {
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    if digits.len() > 1 && digits.starts_with('0') || after.starts_with(['.', 'e', 'E']) {
        return Err(format!("no whole number: {:?}", head(rest)));
    }
    *rest = after.trim_start_matches(is_space);
    digits
        .parse()
        .map_err(|error| format!("{digits:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_genesis_file_are_read() {
        let value = Json::parse(b" {\"a\": [1, \"x\", {}], \"b\" : 18446744073709551615 } ");
        let [a, b] = value
            .expect("well-formed")
            .fields(["a", "b"])
            .expect("both");
        assert_eq!(b, Json::Number(u64::MAX));
        let inner = vec![
            Json::Number(1),
            Json::Text("x".to_owned()),
            Json::Object(BTreeMap::new()),
        ];
        assert_eq!(a, Json::List(inner));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "{",
            "1.0",
            "1e3",
            "-1",
            "01",
            "{\"a\":1,\"a\":1}",
            "[1,]",
            "1 2",
            "null",
            "18446744073709551616",
            "{\"a\" 1}",
            "[[[[[[[[[[1]]]]]]]]]]",
        ] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Json::Number(1).fields(["a"]).is_err());
        assert!(Json::parse(b"{}").expect("empty").fields(["a"]).is_err());
    }
}
