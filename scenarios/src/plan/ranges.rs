//! Ranges: in the place of a value a scenario may say what it is drawn from, for each seed anew.
//!
//! | written | drawn |
//! | --- | --- |
//! | `"1..5"` | a whole number from 1 to 5, both ends included |
//! | `"0.5..2.0"` | a number with three decimals, both ends included |
//! | `"a\|b\|c"` | one of these |
//! | `"1..2 of a\|b\|c"` | a list of one or two of these, in this order |
//!
//! Each draw's address is the path of its field, in which an entry of a list goes by its `id`, its
//! `name` or its content: so that taking one event out leaves every other draw as it was. The drawn
//! values are put into the text where the ranges stood, and the strict parser reads the result.

use std::collections::BTreeMap;
use std::ops::Range;

use super::parse::{Flaw, Format, Step};
use super::tree::{Node, Value};
use crate::draws::{Draw, Draws};

/// Fields whose text is text, whatever it looks like.
const NEVER: &[&str] = &["name", "aliases", "about", "id", "memo", "worlds"];

/// A plan's text with holes in the places of its ranges.
#[derive(Clone, Debug)]
pub(super) struct Template {
    text: String,
    format: Format,
    /// By place, from the beginning of the text.
    holes: Vec<Hole>,
}

#[derive(Clone, Debug)]
struct Hole {
    span: Range<usize>,
    /// The subject of its draw.
    address: String,
    pick: Pick,
}

/// What a value is drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pick {
    Whole(u64, u64),
    /// In thousandths.
    Decimal(u64, u64),
    OneOf(Vec<String>),
    Some {
        least: u64,
        most: u64,
        of: Vec<String>,
    },
}

/// A text whose ranges were drawn, and where its pieces came from.
#[derive(Clone, Debug)]
pub(super) struct Filled {
    pub text: String,
    /// For each hole: its end in the drawn text, and its end in the scenario's.
    ends: Vec<(usize, usize)>,
}

impl Filled {
    /// The place in the scenario's own text that a place in the drawn text stands for.
    pub(super) fn original(&self, offset: usize) -> usize {
        let before = self.ends.iter().rev().find(|(drawn, _)| *drawn <= offset);
        before.map_or(offset, |(drawn, own)| own + (offset - drawn))
    }
}

impl Template {
    /// Finds the ranges of a text. One that is not well formed has none: the parser says why.
    ///
    /// # Errors
    /// A range that cannot be drawn from, with the path of its field.
    pub(super) fn new(text: &str, format: Format) -> Result<Self, Flaw> {
        let mut holes = Vec::new();
        if let Some(root) = Node::read(text, format) {
            collect(&root, "", &mut Vec::new(), &mut holes)?;
        }
        holes.sort_by_key(|hole| hole.span.start);
        Ok(Self {
            text: text.to_owned(),
            format,
            holes,
        })
    }

    /// Whether every seed gives the same text.
    pub(super) fn is_fixed(&self) -> bool {
        self.holes.is_empty()
    }

    /// The text of one seed.
    pub(super) fn draw(&self, draws: &Draws) -> Filled {
        self.fill(|hole| {
            let mut draw = draws.draw("plan.range", hole.address.as_bytes(), 0);
            hole.pick.draw(&mut draw)
        })
    }

    /// The text with every range at its least, or at its greatest.
    pub(super) fn at_an_end(&self, greatest: bool) -> Filled {
        self.fill(|hole| hole.pick.end(greatest))
    }

    fn fill(&self, value: impl Fn(&Hole) -> Vec<String>) -> Filled {
        let (mut text, mut ends, mut done) = (String::new(), Vec::new(), 0);
        for hole in &self.holes {
            text.push_str(&self.text[done..hole.span.start]);
            text.push_str(&self.written(&hole.pick, &value(hole)));
            done = hole.span.end;
            ends.push((text.len(), done));
        }
        text.push_str(&self.text[done..]);
        Filled { text, ends }
    }

    /// A drawn value as the format writes it; both write texts and lists alike.
    fn written(&self, pick: &Pick, values: &[String]) -> String {
        let quoted = |value: &String| format!("\"{value}\"");
        debug_assert!(matches!(self.format, Format::Toml | Format::Json));
        match pick {
            Pick::Whole(..) | Pick::Decimal(..) => values.concat(),
            Pick::OneOf(_) => values.iter().map(quoted).collect(),
            Pick::Some { .. } => {
                let items: Vec<String> = values.iter().map(quoted).collect();
                format!("[{}]", items.join(", "))
            }
        }
    }
}

/// Finds the ranges below `node`, whose address is `address` and whose path is `path`.
fn collect(
    node: &Node,
    address: &str,
    path: &mut Vec<Step>,
    holes: &mut Vec<Hole>,
) -> Result<(), Flaw> {
    match &node.value {
        Value::Text(text) => {
            let pick = Pick::parse(text).map_err(|sentence| Flaw {
                path: path.clone(),
                sentence,
            })?;
            holes.extend(pick.map(|pick| Hole {
                span: node.span.clone(),
                address: address.to_owned(),
                pick,
            }));
        }
        Value::Table(members) => {
            for (key, member) in members {
                if NEVER.contains(&key.as_str()) {
                    continue;
                }
                path.push(Step::Named(key.clone()));
                collect(member, &format!("{address}.{key}"), path, holes)?;
                path.pop();
            }
        }
        Value::List(list) => {
            let mut times: BTreeMap<String, u64> = BTreeMap::new();
            for (at, item) in list.iter().enumerate() {
                let name = name_of(item);
                let n = times.entry(name.clone()).or_insert(0);
                path.push(Step::At(at));
                collect(item, &format!("{address}[{name}#{n}]"), path, holes)?;
                path.pop();
                *n += 1;
            }
        }
        Value::Other(_) => {}
    }
    Ok(())
}

/// What an entry of a list goes by.
fn name_of(item: &Node) -> String {
    if let Value::Table(members) = &item.value {
        for key in ["id", "name"] {
            if let Some(Value::Text(text)) = members.get(key).map(|node| &node.value) {
                return text.clone();
            }
        }
    }
    item.canonical()
}

impl Pick {
    /// What a text is drawn from; `None` for a text that is only itself.
    fn parse(text: &str) -> Result<Option<Self>, String> {
        if let Some((count, of)) = text.split_once(" of ") {
            let of = options(of)?;
            let bounds = match count.split_once("..") {
                Some((least, most)) => Some((least, most)),
                None => Some((count, count)),
            };
            let bounds = bounds.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
            return match bounds {
                Some((least, most)) if least <= most && most <= of.len() as u64 => {
                    Ok(Some(Self::Some { least, most, of }))
                }
                _ => Err(format!("`{text}` does not say how many of which")),
            };
        }
        if text.contains('|') {
            return options(text).map(|options| Some(Self::OneOf(options)));
        }
        let Some((least, most)) = text.split_once("..") else {
            return Ok(None);
        };
        let wrong =
            || format!("`{text}` is no range: write \"least..greatest\" with plain numbers");
        let whole = |digits: &str| digits.parse::<u64>().ok();
        if let (Some(least), Some(most)) = (whole(least), whole(most)) {
            return Some(Self::Whole(least, most))
                .filter(|_| least <= most && most < u64::MAX)
                .map(Some)
                .ok_or_else(wrong);
        }
        match (thousandths(least), thousandths(most)) {
            (Some(least), Some(most)) if least <= most => Ok(Some(Self::Decimal(least, most))),
            _ => Err(wrong()),
        }
    }

    fn draw(&self, draw: &mut Draw) -> Vec<String> {
        match self {
            Self::Whole(least, most) => vec![draw.range(*least..*most + 1).to_string()],
            Self::Decimal(least, most) => vec![decimal(draw.range(*least..*most + 1))],
            Self::OneOf(options) => vec![options[draw.index(options.len())].clone()],
            Self::Some { least, most, of } => {
                let count = draw.range(*least..*most + 1);
                let mut left: Vec<usize> = (0..of.len()).collect();
                let taken = (0..count).map(|_| left.swap_remove(draw.index(left.len())));
                let mut taken: Vec<usize> = taken.collect();
                taken.sort_unstable();
                taken.into_iter().map(|at| of[at].clone()).collect()
            }
        }
    }

    fn end(&self, greatest: bool) -> Vec<String> {
        let end = |least: &u64, most: &u64| if greatest { *most } else { *least };
        match self {
            Self::Whole(least, most) => vec![end(least, most).to_string()],
            Self::Decimal(least, most) => vec![decimal(end(least, most))],
            Self::OneOf(options) => {
                let end = if greatest {
                    options.last()
                } else {
                    options.first()
                };
                end.into_iter().cloned().collect()
            }
            Self::Some { least, most, of } => {
                let count = usize::try_from(end(least, most)).unwrap_or(of.len());
                of.iter().take(count).cloned().collect()
            }
        }
    }
}

fn options(text: &str) -> Result<Vec<String>, String> {
    let options: Vec<String> = text.split('|').map(|word| word.trim().to_owned()).collect();
    let plain = |word: &String| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !word.is_empty() && word.bytes().all(allowed)
    };
    if options.iter().all(plain) {
        Ok(options)
    } else {
        Err(format!(
            "`{text}` is no choice: write words with `|` between them"
        ))
    }
}

/// A plain number with at most three decimals, in thousandths.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let part: u64 = format!("{part:0<3}").parse().ok().filter(|_| digits)?;
    let whole: u64 = whole.parse().ok()?;
    whole
        .checked_mul(1_000)?
        .checked_add(part)
        .filter(|sum| *sum < u64::MAX)
}

fn decimal(thousandths: u64) -> String {
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"hash_power = "1..5"
about = "1..5 of a|b are no range here"
latency_ms = ["20..400", 500]
[[events]]
act = "kill|stop"
at_s = "0.5..2.0"
[[events]]
act = "cut"
at_s = "10..99"
groups = ["1..2 of a|b|c"]
"#;

    fn drawn(text: &str, seed: u64) -> String {
        let template = Template::new(text, Format::Toml).unwrap();
        template.draw(&Draws::new(seed)).text
    }

    fn value_of(text: &str, key: &str) -> String {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.to_owned()
    }

    #[test]
    fn every_kind_of_range_is_drawn_within_its_bounds() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let text = drawn(TEXT, seed);
            let table: toml::Table = toml::from_str(&text).unwrap();
            let power = table["hash_power"].as_integer().unwrap();
            assert!((1..=5).contains(&power));
            seen.insert(power);
            let first = &table["events"][0];
            assert!(["kill", "stop"].contains(&first["act"].as_str().unwrap()));
            assert!((0.5..=2.0).contains(&first["at_s"].as_float().unwrap()));
            let side = table["events"][1]["groups"][0].as_array().unwrap();
            assert!((1..=2).contains(&side.len()));
            assert!(text.contains("are no range here"));
        }
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn taking_an_event_out_leaves_every_other_draw_as_it_was() {
        let first = "[[events]]\nact = \"kill|stop\"\nat_s = \"0.5..2.0\"\n";
        let without = TEXT.replace(first, "");
        assert_ne!(without, TEXT);
        for seed in 0..20 {
            let (all, fewer) = (drawn(TEXT, seed), drawn(&without, seed));
            let tail = |text: &str| text[text.find("act = \"cut\"").unwrap()..].to_owned();
            assert_eq!(tail(&all), tail(&fewer));
            assert_eq!(value_of(&all, "latency"), value_of(&fewer, "latency"));
            assert_eq!(value_of(&all, "hash"), value_of(&fewer, "hash"));
        }
    }

    #[test]
    fn two_equal_entries_are_drawn_apart() {
        let text = "[[events]]\nat_s = \"0..1000000\"\n[[events]]\nat_s = \"0..1000000\"\n";
        let table: toml::Table = toml::from_str(&drawn(text, 1)).unwrap();
        assert_ne!(table["events"][0], table["events"][1]);
    }

    #[test]
    fn a_range_that_cannot_be_drawn_from_is_refused() {
        for wrong in [
            "5..2",
            "1..x",
            "..",
            "a||b",
            "4 of a|b",
            "x of a|b",
            "-1..1",
            "1.2345..2",
        ] {
            let text = format!("at = \"{wrong}\"\n");
            assert!(Template::new(&text, Format::Toml).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_place_behind_a_drawn_value_is_told_as_the_scenario_has_it() {
        let text = "a = \"1000..2000\"  # x\nb = 1\n";
        let filled = Template::new(text, Format::Toml)
            .unwrap()
            .draw(&Draws::new(1));
        assert_ne!(filled.text.len(), text.len());
        for word in ["a =", "# x", "b ="] {
            let drawn = filled.text.find(word).unwrap();
            assert_eq!(filled.original(drawn), text.find(word).unwrap(), "{word}");
        }
    }

    #[test]
    fn json_has_the_same_ranges() {
        let text = r#"{"events": [{"at_s": "10..99", "node": "a|b"}]}"#;
        let filled = Template::new(text, Format::Json)
            .unwrap()
            .draw(&Draws::new(1));
        let value: serde_json::Value = serde_json::from_str(&filled.text).unwrap();
        assert!(value["events"][0]["at_s"].is_u64());
    }
}
