//! Access to the members of a trace line: every error names the member and what was found.

use std::fmt;

use avalanche_consensus::{Bag, Id, NodeId};
use serde_json::{Map, Value};

/// Why an event cannot be executed. This is the trace's fault, not the implementation's.
#[derive(Debug)]
pub(crate) struct Fault(String);

impl Fault {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }

    /// A member that is there, but is not what the format says.
    pub(crate) fn malformed(member: impl fmt::Display, wanted: &str, found: &Value) -> Self {
        Self(format!("member `{member}` must be {wanted}, found {}", shortened(found)))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The compact text of a value, cut so that a broken line does not flood the report.
fn shortened(value: &Value) -> String {
    const CHARS_MAX: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// One JSON object of a line. `path` is the name it has in reports, empty for the line itself.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    members: &'a Map<String, Value>,
    path: &'static str,
}

impl<'a> Object<'a> {
    /// The line itself.
    pub(crate) fn line(value: &'a Value) -> Result<Self, Fault> {
        let Value::Object(members) = value else {
            return Err(Fault::new(format!("not a JSON object: {}", shortened(value))));
        };
        Ok(Self { members, path: "" })
    }

    /// An object in the list `path`.
    pub(crate) fn element(value: &'a Value, path: &'static str) -> Result<Self, Fault> {
        let Value::Object(members) = value else {
            return Err(Fault::malformed(path, "a list of objects", value));
        };
        Ok(Self { members, path })
    }

    /// The member `name`, which must be an object.
    pub(crate) fn object(&self, name: &'static str) -> Result<Self, Fault> {
        let value = self.get(name)?;
        let Value::Object(members) = value else {
            return Err(Fault::malformed(self.name(name), "an object", value));
        };
        Ok(Self { members, path: name })
    }

    /// The member `name` if it is there.
    pub(crate) fn find(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name)
    }

    pub(crate) fn get(&self, name: &str) -> Result<&'a Value, Fault> {
        self.find(name)
            .ok_or_else(|| Fault::new(format!("member `{}` is missing", self.name(name))))
    }

    /// The full name of a member in reports, such as `state.pref`.
    pub(crate) fn name(&self, member: &str) -> String {
        match self.path {
            "" | "out" => member.to_owned(),
            path => format!("{path}.{member}"),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Result<&'a str, Fault> {
        let value = self.get(name)?;
        value.as_str().ok_or_else(|| Fault::malformed(self.name(name), "a string", value))
    }

    pub(crate) fn id(&self, name: &str) -> Result<Id, Fault> {
        id(self.get(name)?, self.name(name))
    }

    pub(crate) fn node(&self, name: &str) -> Result<NodeId, Fault> {
        node(self.get(name)?, self.name(name))
    }

    pub(crate) fn u32(&self, name: &str) -> Result<u32, Fault> {
        u32(self.get(name)?, self.name(name))
    }

    pub(crate) fn u64(&self, name: &str) -> Result<u64, Fault> {
        u64(self.get(name)?, self.name(name))
    }

    /// A boolean that is false when absent.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.find(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(Fault::malformed(self.name(name), "true or false", other)),
        }
    }

    /// A boolean that must be there.
    pub(crate) fn truth(&self, name: &str) -> Result<bool, Fault> {
        self.get(name)?;
        self.flag(name)
    }

    /// The elements of a list. An absent list is empty.
    pub(crate) fn list(&self, name: &str) -> Result<&'a [Value], Fault> {
        match self.find(name) {
            None => Ok(&[]),
            Some(Value::Array(elements)) => Ok(elements),
            Some(other) => Err(Fault::malformed(self.name(name), "a list", other)),
        }
    }

    /// The elements of a list of pairs, each with its name in reports.
    pub(crate) fn pairs(
        &self,
        name: &'static str,
    ) -> Result<impl Iterator<Item = Result<(String, &'a Value, &'a Value), Fault>>, Fault> {
        let list = self.name(name);
        Ok(self.list(name)?.iter().enumerate().map(move |(at, element)| {
            let name = format!("{list}[{at}]");
            match element.as_array().map(Vec::as_slice) {
                Some([first, second]) => Ok((name, first, second)),
                _ => Err(Fault::malformed(name, "a pair", element)),
            }
        }))
    }

    /// A list of `[id, count]`.
    pub(crate) fn votes(&self, name: &'static str) -> Result<Bag, Fault> {
        self.pairs(name)?
            .map(|pair| {
                let (name, voted, count) = pair?;
                Ok((id(voted, &name)?, u32(count, &name)?))
            })
            .collect()
    }

    /// A list of `[node, multiplicity]`.
    pub(crate) fn nodes(&self, name: &'static str) -> Result<Bag<NodeId>, Fault> {
        self.pairs(name)?
            .map(|pair| {
                let (name, sampled, count) = pair?;
                Ok((node(sampled, &name)?, u32(count, &name)?))
            })
            .collect()
    }

    /// A list of ids.
    pub(crate) fn ids(&self, name: &str) -> Result<Vec<Id>, Fault> {
        let list = self.name(name);
        let elements = self.list(name)?.iter().enumerate();
        elements.map(|(at, element)| id(element, format_args!("{list}[{at}]"))).collect()
    }

    /// A list of 64-bit numbers.
    pub(crate) fn u64s(&self, name: &str) -> Result<Vec<u64>, Fault> {
        let list = self.name(name);
        let elements = self.list(name)?.iter().enumerate();
        elements.map(|(at, element)| u64(element, format_args!("{list}[{at}]"))).collect()
    }
}

pub(crate) fn id(value: &Value, member: impl fmt::Display) -> Result<Id, Fault> {
    let parsed = value.as_str().filter(|text| text.len() == 64).map(Id::from_hex);
    match parsed {
        Some(Ok(id)) => Ok(id),
        _ => Err(Fault::malformed(member, "an id of 64 hex digits", value)),
    }
}

pub(crate) fn node(value: &Value, member: impl fmt::Display) -> Result<NodeId, Fault> {
    let parsed = value.as_str().filter(|text| text.len() == 40).map(NodeId::from_hex);
    match parsed {
        Some(Ok(node)) => Ok(node),
        _ => Err(Fault::malformed(member, "a node of 40 hex digits", value)),
    }
}

pub(crate) fn u32(value: &Value, member: impl fmt::Display) -> Result<u32, Fault> {
    number(value)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| Fault::malformed(member, "a number of at most 32 bits", value))
}

pub(crate) fn u64(value: &Value, member: impl fmt::Display) -> Result<u64, Fault> {
    number(value).ok_or_else(|| Fault::malformed(member, "a number of at most 64 bits", value))
}

/// A JSON integer, or one written as a decimal string because it may exceed 2^53.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            digits.parse().ok()
        }
        _ => None,
    }
}

/// An id as traces write it.
pub(crate) fn hex(id: Id) -> Value {
    Value::String(format!("{id:x}"))
}

/// A `votes` list.
pub(crate) fn votes(bag: &Bag) -> Value {
    bag.iter().map(|(id, count)| Value::from(vec![hex(*id), count.into()])).collect()
}

/// The short hash that stands for a long text in traces: the first 8 bytes of its SHA-256.
pub(crate) fn short_hash(text: &str) -> Value {
    let hash = format!("{:x}", Id::hash(text.as_bytes()));
    Value::from(hash.get(..16).unwrap_or_default())
}
