//! A plan as a tree: where its lists, optional fields and numbers are, and how a name is forgotten.

use serde_json::Value;

/// The way from the root: field names, and places in lists as decimal text.
pub type Path = Vec<String>;

/// What stands at the end of a way.
pub fn at<'a>(tree: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(tree, |here, step| match here {
        Value::Array(list) => list.get(step.parse::<usize>().ok()?),
        other => other.get(step),
    })
}

/// The same, to be changed.
pub fn parent_mut<'a>(tree: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(tree, |here, step| match here {
        Value::Array(list) => list.get_mut(step.parse::<usize>().ok()?),
        other => other.get_mut(step),
    })
}

/// Every list with something in it, the longest first.
pub fn lists(tree: &Value) -> Vec<Path> {
    let mut found = Vec::new();
    walk(tree, &mut Vec::new(), &mut |path, value| {
        if let Some(list) = value.as_array().filter(|list| !list.is_empty()) {
            found.push((list.len(), path.clone()));
        }
    });
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    found.into_iter().map(|(_, path)| path).collect()
}

/// Every field of every table, those further up first: which of them a plan can do without, its
/// reader knows.
pub fn optional_fields(tree: &Value) -> Vec<Path> {
    let mut found = Vec::new();
    walk(tree, &mut Vec::new(), &mut |path, value| {
        if let Some(fields) = value.as_object() {
            let field = |name: &String| path.iter().chain([name]).cloned().collect::<Path>();
            found.extend(fields.keys().filter(|name| *name != "id").map(field));
        }
    });
    found.sort_by_key(Vec::len);
    found
}

/// Every number in a field of this name.
pub fn numbers(tree: &Value, name: &str) -> Vec<Path> {
    let mut found = Vec::new();
    walk(tree, &mut Vec::new(), &mut |path, value| {
        if value.is_number() && path.last().is_some_and(|last| last == name) {
            found.push(path.clone());
        }
    });
    found
}

/// The names of the plan's nodes, the last first.
pub fn names_of(tree: &Value) -> Vec<String> {
    let nodes = tree["nodes"].as_array().into_iter().flatten().rev();
    nodes
        .filter_map(|node| node["name"].as_str().map(str::to_owned))
        .collect()
}

/// Takes away a name wherever it stands, and every entry of a list that cannot be without it.
pub fn forget(tree: &mut Value, name: &str) {
    match tree {
        Value::Array(list) => {
            list.retain(|entry| !is_about(entry, name));
            for entry in list {
                forget(entry, name);
            }
        }
        Value::Object(fields) => {
            for value in fields.values_mut() {
                forget(value, name);
            }
        }
        _ => {}
    }
}

/// Whether an entry of a list is nothing without this name: the name, a table with it as a field, or
/// a pair of which it is one.
fn is_about(entry: &Value, name: &str) -> bool {
    let is_name = |value: &Value| value.as_str() == Some(name);
    match entry {
        Value::Object(fields) => fields.values().any(is_name),
        Value::Array(list) => !list.is_empty() && list.len() <= 2 && list.iter().any(is_name),
        other => is_name(other),
    }
}

fn walk<'a>(value: &'a Value, path: &mut Path, look: &mut impl FnMut(&Path, &'a Value)) {
    look(path, value);
    let mut deeper = |step: String, value: &'a Value| {
        path.push(step);
        walk(value, path, look);
        path.pop();
    };
    match value {
        Value::Array(list) => {
            for (place, entry) in list.iter().enumerate() {
                deeper(place.to_string(), entry);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                deeper(name.clone(), field);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_forgotten_name_takes_with_it_what_cannot_be_without_it() {
        let mut tree = json!({
            "nodes": [{ "name": "a" }, { "name": "b" }],
            "links": { "pairs": [["b", "a"], ["c", "a"]] },
            "events": [{ "act": "kill", "node": "b" }, { "act": "heal" }],
            "expect": { "keeps_tip": ["b", "a"] },
        });
        forget(&mut tree, "b");
        let rest = json!({
            "nodes": [{ "name": "a" }],
            "links": { "pairs": [["c", "a"]] },
            "events": [{ "act": "heal" }],
            "expect": { "keeps_tip": ["a"] },
        });
        assert_eq!(tree, rest);
    }

    #[test]
    fn lists_fields_and_numbers_are_found_wherever_they_are() {
        let tree =
            json!({ "a": [{ "count": 3 }, { "count": 4, "b": [] }], "c": { "d": [1, 2, 3] } });
        assert_eq!(lists(&tree), [vec!["c", "d"], vec!["a"]]);
        assert_eq!(numbers(&tree, "count").len(), 2);
        assert_eq!(optional_fields(&tree)[0], ["a"]);
        let second = ["a", "1", "count"].map(String::from);
        assert_eq!(at(&tree, &second), Some(&json!(4)));
    }
}
