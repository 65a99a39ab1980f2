//! Lists and strings that know their bound in their type, so that nothing from outside is longer
//! than we said, and no memory is reserved before the bound is checked.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// More elements or bytes than the bound allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("longer than {max}")]
pub struct TooLong {
    /// The bound.
    pub max: usize,
}

/// At most `MAX` values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BoundedVec<T, const MAX: usize>(Vec<T>);

/// UTF-8 text of at most `MAX` bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BoundedString<const MAX: usize>(String);

impl<T, const MAX: usize> BoundedVec<T, MAX> {
    /// Takes the list if it is within the bound.
    ///
    /// # Errors
    /// [`TooLong`] otherwise.
    pub fn new(items: Vec<T>) -> Result<Self, TooLong> {
        if items.len() > MAX {
            Err(TooLong { max: MAX })
        } else {
            Ok(Self(items))
        }
    }

    /// Takes the first `MAX` of the items.
    pub fn truncated(items: impl IntoIterator<Item = T>) -> Self {
        Self(items.into_iter().take(MAX).collect())
    }

    /// The list itself.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for BoundedVec<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for BoundedVec<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for BoundedVec<T, MAX> {
    type Error = TooLong;

    fn try_from(items: Vec<T>) -> Result<Self, TooLong> {
        Self::new(items)
    }
}

impl<T, const MAX: usize> IntoIterator for BoundedVec<T, MAX> {
    type Item = T;
    type IntoIter = alloc::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for BoundedVec<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_list::<D, T, MAX>(deserializer).map(Self)
    }
}

/// Reads a list of at most `MAX` elements; for fields that are plain `Vec`s in memory.
pub(crate) fn deserialize_list<'de, D, T, const MAX: usize>(
    deserializer: D,
) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let told = items.size_hint().unwrap_or(0);
            if told > MAX {
                return Err(A::Error::custom(TooLong { max: MAX }));
            }
            // Nothing is reserved on the word of the length prefix: the list grows as elements
            // really arrive.
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == MAX {
                    return Err(A::Error::custom(TooLong { max: MAX }));
                }
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(List::<T, MAX>(PhantomData))
}

impl<const MAX: usize> BoundedString<MAX> {
    /// Takes the text if it is within the bound.
    ///
    /// # Errors
    /// [`TooLong`] otherwise.
    pub fn new(text: impl Into<String>) -> Result<Self, TooLong> {
        let text = text.into();
        if text.len() > MAX {
            Err(TooLong { max: MAX })
        } else {
            Ok(Self(text))
        }
    }

    /// The longest beginning of the text, cut between characters, that is within the bound.
    pub fn truncated(text: &str) -> Self {
        Self(String::from(&text[..text.floor_char_boundary(MAX)]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Deref for BoundedString<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for BoundedString<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const MAX: usize> TryFrom<&str> for BoundedString<MAX> {
    type Error = TooLong;

    fn try_from(text: &str) -> Result<Self, TooLong> {
        Self::new(text)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for BoundedString<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<const MAX: usize>;

        impl<const MAX: usize> Visitor<'_> for Text<MAX> {
            type Value = BoundedString<MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a text of at most {MAX} bytes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                if text.len() > MAX {
                    return Err(E::custom(TooLong { max: MAX }));
                }
                Ok(BoundedString(String::from(text)))
            }
        }

        deserializer.deserialize_str(Text::<MAX>)
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::{DecodeError, decode, encode};
    use super::*;
    use alloc::vec;

    #[test]
    fn a_list_is_read_up_to_its_bound_and_not_beyond() {
        let three = encode(&vec![1u8, 2, 3]);
        assert_eq!(
            decode::<BoundedVec<u8, 3>>(&three).map(BoundedVec::into_vec),
            Ok(vec![1, 2, 3])
        );
        assert_eq!(
            decode::<BoundedVec<u8, 2>>(&three),
            Err(DecodeError::Malformed)
        );
        assert_eq!(
            BoundedVec::<u8, 2>::new(vec![1, 2, 3]),
            Err(TooLong { max: 2 })
        );
    }

    #[test]
    fn a_length_beyond_all_memory_reserves_nothing() {
        let huge = encode(&u64::MAX);
        assert_eq!(
            decode::<BoundedVec<[u64; 32], 4_000_000_000>>(&huge),
            Err(DecodeError::Malformed)
        );
        assert_eq!(
            decode::<BoundedString<10>>(&huge),
            Err(DecodeError::Malformed)
        );
    }

    #[test]
    fn a_text_is_read_up_to_its_bound_and_not_beyond() {
        let text = encode("abcé");
        assert_eq!(
            decode::<BoundedString<5>>(&text)
                .expect("five bytes")
                .as_str(),
            "abcé"
        );
        assert_eq!(
            decode::<BoundedString<4>>(&text),
            Err(DecodeError::Malformed)
        );
        assert_eq!(
            decode::<BoundedString<5>>(&[2, 0xc3, 0x28]),
            Err(DecodeError::Malformed)
        );
        assert_eq!(BoundedString::<4>::truncated("abcé").as_str(), "abc");
    }
}
