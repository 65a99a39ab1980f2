//! Strict JSON objects: unknown, missing and duplicate keys are refused by the derived readers; here
//! it is seen to that an object is an object (serde would also take a list of the values) and that
//! nothing follows it.

use alloc::string::{String, ToString};
use core::fmt;
use core::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Longest explanation that is handed back: it may repeat what a stranger wrote.
const EXPLANATION_BYTES_MAX: usize = 200;

/// Reads a struct from an object and from nothing else; for `deserialize_with`.
pub(crate) fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(entries))
        }
    }

    deserializer.deserialize_map(Object(PhantomData))
}

/// Reads a whole text as one object.
///
/// # Errors
/// A short explanation with line and column.
pub(crate) fn parse_object<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = object(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| {
        let mut sentence = error.to_string();
        sentence.truncate(sentence.floor_char_boundary(EXPLANATION_BYTES_MAX));
        sentence
    })
}
