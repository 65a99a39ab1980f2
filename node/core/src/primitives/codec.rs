//! The strict codec (protocol §1): `postcard`, but every accepted byte string is exactly what
//! encoding the decoded value gives. So one thing has one encoding, and one hash.
//!
//! Also the two serde helpers that all fixed-width things share: raw bytes in binary formats, text
//! in formats for people.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use postcard::ser_flavors::Flavor;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserializer, Serialize, Serializer, de::DeserializeOwned};

/// Why bytes from outside are not an encoded value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes do not hold a value of this type, or a bound inside is exceeded.
    #[error("the bytes do not hold such a value, or a bound inside is exceeded")]
    Malformed,
    /// A value, and then more.
    #[error("there are bytes after the end of the value")]
    TrailingBytes,
    /// A value, but written otherwise than we would write it.
    #[error("the value is not in its one canonical encoding")]
    NotCanonical,
    /// More bytes than such a value may have.
    #[error("there are more bytes than such a value may have")]
    TooLong,
}

/// Encodes a value. Total: our types serialize without errors.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("our types have known lengths and serialize without errors")
}

/// Appends the encoding of a value to a buffer that the caller reuses.
pub fn encode_into<T: Serialize + ?Sized>(value: &T, buffer: &mut Vec<u8>) {
    postcard::serialize_with_flavor(value, Append(buffer))
        .expect("our types have known lengths and serialize without errors");
}

/// Decodes a value strictly: no trailing bytes, and the bytes must be the value's own encoding.
///
/// # Errors
/// [`DecodeError`]; the bytes are then of no use and the sender is at fault.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, rest) =
        postcard::take_from_bytes::<T>(bytes).map_err(|_| DecodeError::Malformed)?;
    if !rest.is_empty() {
        return Err(DecodeError::TrailingBytes);
    }
    postcard::serialize_with_flavor(&value, Compare(bytes))
        .map_err(|_| DecodeError::NotCanonical)?;
    Ok(value)
}

/// Bytes that a `u64` takes as a varint.
pub const fn varint_bytes(value: u64) -> usize {
    let bits = (u64::BITS - value.leading_zeros()) as usize;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

/// Compares what is serialized with the bytes it came from, so that the strict check allocates
/// nothing.
struct Compare<'a>(&'a [u8]);

impl Flavor for Compare<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0 = self
            .0
            .strip_prefix(data)
            .ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(postcard::Error::SerializeBufferFull),
        }
    }

    fn finalize(self) -> postcard::Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(postcard::Error::SerializeBufferFull)
        }
    }
}

struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Serializes a fixed array as its raw bytes, without a length.
pub(crate) fn serialize_raw<S: Serializer, const N: usize>(
    bytes: &[u8; N],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut tuple = serializer.serialize_tuple(N)?;
    for byte in bytes {
        tuple.serialize_element(byte)?;
    }
    tuple.end()
}

/// Reads back what [`serialize_raw`] wrote.
pub(crate) fn deserialize_raw<'de, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    struct Raw<const N: usize>;

    impl<'de, const N: usize> Visitor<'de> for Raw<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{N} bytes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<[u8; N], A::Error> {
            let mut bytes = [0; N];
            for (position, byte) in bytes.iter_mut().enumerate() {
                *byte = items
                    .next_element()?
                    .ok_or_else(|| A::Error::invalid_length(position, &self))?;
            }
            Ok(bytes)
        }
    }

    deserializer.deserialize_tuple(N, Raw::<N>)
}

/// Reads a value from the text that its `Display` writes.
pub(crate) fn deserialize_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    struct Text<T>(PhantomData<T>);

    impl<T> Visitor<'_> for Text<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(PhantomData))
}

/// Gives a newtype over `[u8; N]` with `Display` and `FromStr` its serde: raw bytes in binary
/// formats, text in formats for people.
macro_rules! serde_raw_or_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    $crate::primitives::codec::serialize_raw(&self.0, serializer)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    $crate::primitives::codec::deserialize_text(deserializer)
                } else {
                    $crate::primitives::codec::deserialize_raw(deserializer).map(Self)
                }
            }
        }
    };
}
pub(crate) use serde_raw_or_text;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn an_over_long_varint_is_refused() {
        assert_eq!(decode::<u64>(&[0x00]), Ok(0));
        assert_eq!(decode::<u64>(&[0x80, 0x00]), Err(DecodeError::NotCanonical));
        assert_eq!(
            decode::<u64>(&[0xff, 0x80, 0x00]),
            Err(DecodeError::NotCanonical)
        );
        let list: Result<Vec<u8>, _> = decode(&[0x81, 0x00, 7]);
        assert_eq!(list, Err(DecodeError::NotCanonical));
    }

    #[test]
    fn a_byte_after_the_end_is_refused() {
        assert_eq!(
            decode::<u64>(&[0x01, 0x00]),
            Err(DecodeError::TrailingBytes)
        );
    }

    #[test]
    fn bytes_that_end_early_are_refused() {
        assert_eq!(decode::<u64>(&[]), Err(DecodeError::Malformed));
        assert_eq!(decode::<u64>(&[0x80]), Err(DecodeError::Malformed));
        assert_eq!(decode::<Vec<u8>>(&[3, 1, 2]), Err(DecodeError::Malformed));
    }

    #[test]
    fn the_largest_number_takes_ten_bytes_and_no_more() {
        let bytes = encode(&u64::MAX);
        assert_eq!(
            bytes,
            vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
        );
        assert_eq!(decode::<u64>(&bytes), Ok(u64::MAX));
        let beyond = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(decode::<u64>(&beyond), Err(DecodeError::Malformed));
    }

    #[test]
    fn the_length_of_a_varint_is_known_without_writing_it() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, (1u64 << shift) + 1] {
                assert_eq!(varint_bytes(value), encode(&value).len(), "{value}");
            }
        }
        assert_eq!(varint_bytes(u64::MAX), 10);
    }
}
