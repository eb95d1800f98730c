//! The schemas know exactly the fields of the protocol's description.

use std::collections::{BTreeMap, BTreeSet};

use super::{Field, Schema};

/// Fields of each message of `proto/p2p.proto`, by number, with their types.
fn description() -> BTreeMap<&'static str, BTreeMap<u32, &'static str>> {
    let mut messages: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    let mut current = None;
    for line in include_str!("../../../proto/p2p.proto").lines() {
        let words: Vec<_> = line.trim().trim_end_matches(';').split(' ').collect();
        match words[..] {
            ["message", name, "{"] => {
                current = Some(name);
                messages.insert(name, BTreeMap::new());
            }
            ["enum", ..] => current = None,
            ["repeated", kind, _, "=", number] | [kind, _, "=", number] => {
                if let Some(message) = current.and_then(|current| messages.get_mut(current)) {
                    message.insert(number.parse().expect("a number"), kind);
                }
            }
            _ => {}
        }
    }
    messages
}

fn check(name: &str, schema: Schema, seen: &mut BTreeSet<String>) {
    let description = description();
    let fields = &description[name];
    seen.insert(name.to_owned());
    for number in (0..200).chain([1 << 20, (1 << 29) - 1]) {
        let kind = fields.get(&number).copied();
        match schema.field(number) {
            // Protobuf has no field 0: it is refused before.
            _ if number == 0 => {}
            // AvalancheGo knows fields that the description leaves out.
            Field::Plain if name == "Simplex" && number <= 10 => {}
            Field::Plain => assert!(
                kind.is_some_and(|kind| !description.contains_key(kind)),
                "{name} {number}: {kind:?}"
            ),
            Field::Nested(inner) => check(kind.expect("a field"), inner, seen),
            Field::Unknown => assert_eq!(kind, None, "{name} {number}"),
        }
    }
}

#[test]
fn schemas_know_exactly_the_fields_of_the_description() {
    let mut seen = BTreeSet::new();
    check("Message", Schema::Message, &mut seen);
    assert_eq!(seen, description().into_keys().map(str::to_owned).collect());
    assert_eq!(seen.len(), 29, "the outermost, 25 kinds, and three within them");
}
