//! A plan's text as a tree in which every value knows where it stands: for messages with line and
//! column, and for the ranges that a scenario may have in the place of values.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::parse::{Format, Step};

/// A value, and the bytes of the text that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub span: Range<usize>,
    pub value: Value,
}

/// What a plan can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Table(BTreeMap<String, Node>),
    List(Vec<Node>),
    Text(String),
    /// Numbers, truth values: as they are written.
    Other(String),
}

impl Node {
    /// The tree of a text; `None` when it is not well formed.
    pub(super) fn read(text: &str, format: Format) -> Option<Self> {
        match format {
            Format::Toml => {
                let root = DeTable::parse(text).ok()?;
                let span = root.span();
                Some(Self {
                    span,
                    value: toml_table(root.into_inner(), text),
                })
            }
            Format::Json => json_node(serde_json::from_str(text).ok()?, text),
        }
    }

    /// Where a path points, as far as the text has it.
    pub(super) fn start_of(&self, path: &[Step]) -> usize {
        let Some((step, rest)) = path.split_first() else {
            return self.span.start;
        };
        let next = match (&self.value, step) {
            (Value::Table(members), Step::Key(key)) => members.get(*key),
            (Value::Table(members), Step::Named(key)) => members.get(key),
            (Value::List(list), Step::At(at)) => list.get(*at),
            _ => None,
        };
        next.map_or(self.span.start, |next| next.start_of(rest))
    }

    /// The value written in one way, whatever the text's order and spaces: a name for it.
    pub(super) fn canonical(&self) -> String {
        match &self.value {
            Value::Table(members) => {
                let members = members.iter();
                let members = members.map(|(key, node)| format!("{key}={}", node.canonical()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
            Value::List(list) => {
                let items: Vec<String> = list.iter().map(Self::canonical).collect();
                format!("[{}]", items.join(","))
            }
            Value::Text(text) => format!("{text:?}"),
            Value::Other(text) => text.clone(),
        }
    }
}

fn toml_table(table: DeTable<'_>, text: &str) -> Value {
    let members = table.into_iter();
    let members =
        members.map(|(key, value)| (key.into_inner().into_owned(), toml_node(value, text)));
    Value::Table(members.collect())
}

fn toml_node(node: Spanned<DeValue<'_>>, text: &str) -> Node {
    let span = node.span();
    let value = match node.into_inner() {
        DeValue::Table(table) => toml_table(table, text),
        DeValue::Array(list) => {
            let items = list.into_iter().map(|item| toml_node(item, text));
            Value::List(items.collect())
        }
        DeValue::String(words) => Value::Text(words.into_owned()),
        _ => Value::Other(text.get(span.clone()).unwrap_or_default().to_owned()),
    };
    Node { span, value }
}

/// `here` is a slice of `text`, so the distance of their beginnings is its offset.
fn json_node(here: &RawValue, text: &str) -> Option<Node> {
    let raw = here.get();
    let start = raw.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let value = match raw.as_bytes().first()? {
        b'{' => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(raw).ok()?;
            let members = members.into_iter();
            let members = members.map(|(key, raw)| Some((key, json_node(raw, text)?)));
            Value::Table(members.collect::<Option<_>>()?)
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
            let items = items.into_iter().map(|raw| json_node(raw, text));
            Value::List(items.collect::<Option<_>>()?)
        }
        b'"' => Value::Text(serde_json::from_str(raw).ok()?),
        _ => Value::Other(raw.to_owned()),
    };
    Some(Node {
        span: start..start + raw.len(),
        value,
    })
}
