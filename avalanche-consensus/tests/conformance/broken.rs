//! Traces that were changed: the replayer must notice, say where, and go on.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::support::{SUBSET, run, run_lines, subset, traces};

/// Members that say something about a trace, and are neither an input nor a result.
const INFORMATIVE: [&str; 7] = ["src", "seed", "name", "production", "reuse", "bench", "pu"];
/// Lists that may be absent when they are empty.
const LISTS: [&str; 9] =
    ["votes", "vdrs", "edges", "weights", "ids", "blocks", "builds", "validators", "connected"];
/// Results that are compared only where they are recorded.
const OPTIONAL: [&str; 4] = ["str", "blocks", "polls", "state"];
/// Results whose absence says that there are none.
const ABSENT_IF_NONE: [&str; 2] = ["dec", "strength"];

/// One member of an event: the trace up to the event, the event, and where the member is in it.
struct Place {
    trace: Vec<String>,
    event: Value,
    /// A JSON pointer.
    pointer: String,
    label: String,
}

impl Place {
    fn name(&self) -> &str {
        self.pointer.rsplit('/').next().unwrap()
    }

    fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name())
    }

    fn is_result(&self) -> bool {
        self.pointer == "/out" || self.pointer.starts_with("/out/")
    }

    /// Says something about the trace, and nothing has to read it. Heap samplers draw nothing.
    fn is_informative(&self) -> bool {
        self.is(&INFORMATIVE) || (self.pointer == "/rng" && self.event["kind"] == "weighted")
    }

    /// The trace with the event changed.
    fn lines(&self, change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut event = self.event.clone();
        change(&mut event);
        let mut lines = self.trace.clone();
        lines.push(event.to_string());
        lines
    }

    fn replaced(&self, value: Value) -> Vec<String> {
        self.lines(|event| *event.pointer_mut(&self.pointer).unwrap() = value)
    }

    fn removed(&self) -> Vec<String> {
        let (parent, name) = self.pointer.rsplit_once('/').unwrap();
        self.lines(|event| {
            let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            parent.remove(name).unwrap();
        })
    }
}

/// Every member below `pointer`, those of objects included.
fn members(value: &Value, pointer: &str, out: &mut Vec<String>) {
    for (name, member) in value.as_object().into_iter().flatten() {
        let pointer = format!("{pointer}/{name}");
        members(member, &pointer, out);
        out.push(pointer);
    }
}

/// The first occurrence in the subset of each member of each operation of each kind.
fn places() -> Vec<Place> {
    let (mut seen, mut places) = (BTreeSet::new(), Vec::new());
    for family in SUBSET {
        for lines in traces(family) {
            let init: Value = serde_json::from_str(&lines[0]).unwrap();
            for (at, line) in lines.iter().enumerate() {
                let event: Value = serde_json::from_str(line).unwrap();
                let mut pointers = Vec::new();
                members(&event, "", &mut pointers);
                for pointer in pointers {
                    let label = format!("{family} {} {} {pointer}", init["kind"], event["op"]);
                    if seen.insert(label.clone()) {
                        let (trace, event) = (lines[..at].to_vec(), event.clone());
                        places.push(Place { trace, event, pointer, label });
                    }
                }
            }
        }
    }
    places
}

/// Values that differ from `value` in one place: a list loses its end, or its deepest end changes.
fn other_values(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => vec!["x".into()],
        Value::Bool(flag) => vec![(!flag).into()],
        Value::Number(number) => vec![(number.as_u64().unwrap() + 1).into()],
        Value::String(text) => match text.parse::<u64>() {
            Ok(number) => vec![number.wrapping_add(1).to_string().into()],
            Err(_) => {
                let first = if text.starts_with('0') { "1" } else { "0" };
                vec![format!("{first}{}", text.get(1..).unwrap_or_default()).into()]
            }
        },
        Value::Array(elements) => match elements.split_last() {
            None => vec![json!(["x"])],
            Some((last, rest)) => {
                let changed = other_values(last)
                    .into_iter()
                    .map(|last| rest.iter().cloned().chain([last]).collect::<Value>());
                changed.chain([Value::from(rest)]).collect()
            }
        },
        Value::Object(_) => Vec::new(),
    }
}

#[test]
fn every_recorded_result_is_compared() {
    let mut changed = 0;
    for place in places() {
        if !place.is_result() || place.is_informative() {
            continue;
        }
        let recorded = place.event.pointer(&place.pointer).unwrap();
        for other in other_values(recorded) {
            let lines = place.replaced(other);
            let run = run_lines("changed-result.jsonl", &lines);
            assert_eq!(run.code, 1, "{}: {run:?}", place.label);
            let at = format!("MISMATCH {}", super::support::tmp("changed-result.jsonl"));
            assert!(run.out.starts_with(&format!("{at}:{}: seed", lines.len())), "{run:?}");
            let named = place.name() == "out" || run.out.contains(place.name());
            assert!(named, "{}: {run:?}", place.label);
            assert_eq!(run.summary()["mismatches"], 1);
            changed += 1;
        }
    }
    assert!(changed > 150, "{changed}");
}

#[test]
fn a_missing_member_is_named() {
    let [mut named, mut optional, mut lists, mut none] = [0; 4];
    for place in places() {
        if place.pointer == "/op" && place.event["op"] == "init" {
            // Then a trace has no beginning; see the table of faults.
            continue;
        }
        let run = run_lines("missing-member.jsonl", &place.removed());
        let (label, result) = (&place.label, place.is_result());
        if run.code == 2 {
            let member = place.pointer.trim_start_matches('/').trim_start_matches("out/");
            assert!(
                run.err.contains(&format!("`{}", member.replace('/', "."))),
                "{label}: {run:?}"
            );
            named += 1;
        } else if place.is_informative() {
            assert_eq!(run.code, 0, "{label}: {run:?}");
        } else if result && place.is(&OPTIONAL) {
            assert_eq!(run.code, 0, "{label}: {run:?}");
            optional += 1;
        } else if result && place.is(&ABSENT_IF_NONE) {
            assert_eq!(run.code, 1, "{label}: {run:?}");
            none += 1;
        } else {
            // The other absent arguments are an empty list and instance number 0.
            assert!(!result && (place.is(&LISTS) || place.pointer == "/i"), "{label}: {run:?}");
            lists += 1;
        }
    }
    assert!(
        named > 100 && optional > 5 && lists > 5 && none > 3,
        "{named} {optional} {lists} {none}"
    );
}

#[test]
fn a_malformed_member_is_named() {
    let mut named = 0;
    for place in places() {
        let is_object = place.event.pointer(&place.pointer).unwrap().is_object();
        if (place.is_result() && !is_object) || place.is_informative() {
            continue;
        }
        let wrong = if is_object { json!([]) } else { json!({ "not": "this" }) };
        let run = run_lines("malformed-member.jsonl", &place.replaced(wrong));
        assert_eq!(run.code, 2, "{}: {run:?}", place.label);
        assert!(run.err.contains(&format!("{}`", place.name())), "{}: {run:?}", place.label);
        named += 1;
    }
    assert!(named > 80, "{named}");
}

#[test]
fn a_difference_is_reported_with_both_states_and_the_next_traces_go_on() {
    let mut all = traces("snowman");
    all.truncate(3);
    let first = all[0].len();
    let mut event: Value = serde_json::from_str(&all[1][4]).unwrap();
    event["out"]["state"]["n"] = json!(77);
    all[1][4] = event.to_string();
    let events: usize = all.iter().map(Vec::len).sum();
    let left_out = all[1].len() - 5;
    let init: Value = serde_json::from_str(&all[1][0]).unwrap();
    let lines = all.concat();
    let run = run_lines("difference.jsonl", &lines);
    assert_eq!(run.code, 1);
    let head = format!(
        "difference.jsonl:{}: seed {}, family sm, op {}, member state.n (level 1)\n  expected: 77\n",
        first + 5,
        init["seed"].as_str().unwrap(),
        event["op"].as_str().unwrap(),
    );
    assert!(run.out.contains(&head), "{}\n{head}", run.out);
    for part in ["  recorded result: {", "  replayed result: {", "  replayed state:  {\"blocks\""] {
        assert!(run.out.contains(part), "{}", run.out);
    }
    let summary = run.summary();
    assert_eq!(summary["traces"], 3);
    assert_eq!(summary["events"], events - left_out);
}

/// A short trace that is in order.
fn good() -> Vec<String> {
    let mut trace = traces("sampler").swap_remove(0);
    trace.truncate(4);
    trace
}

#[test]
fn what_cannot_be_executed_is_a_fault() {
    let good = good();
    let with = |from: &str, to: &str| {
        let changed: Vec<_> = good.iter().map(|line| line.replacen(from, to, 1)).collect();
        assert_ne!(changed, good, "{from}");
        changed
    };
    let family = r#""t":"sampler""#;
    let table: [(&str, Vec<String>, &str); 13] = [
        ("dag", with(family, r#""t":"dag""#), "unknown trace kind: family `dag` is known, but"),
        ("family", with(family, r#""t":"what""#), "family `what` is not known; supported are `sb`"),
        ("version", with(r#""v":1"#, r#""v":2"#), "format version 2"),
        ("kind", with(r#""kind":""#, r#""kind":"un"#), "unknown kind `un"),
        ("nondet", with(family, r#""nondet":true,"t":"sampler""#), "`nondet`"),
        (
            "op",
            [&good[..3], &[good[3].replace(r#""op":""#, r#""op":"un"#)]].concat(),
            "unknown op `un",
        ),
        ("early", good[1..].to_vec(), "event before the first `init`"),
        ("blank", [&good[..2], &[String::new()], &good[2..]].concat(), "invalid JSON"),
        ("cut", [&good[..2], &[good[2][..20].to_owned()]].concat(), "invalid JSON"),
        ("list", [&good[..2], &["[]".to_owned()]].concat(), "not a JSON object"),
        ("no op", [&good[..2], &[format!("{{{family}}}")]].concat(), "member `op` is missing"),
        (
            "mixed",
            [&good[..], &[traces("poll")[0][1].clone()]].concat(),
            "event of family `poll` in",
        ),
        ("empty", Vec::new(), "there is no trace in this file"),
    ];
    for (name, lines, message) in table {
        let run = run_lines("fault.jsonl", &lines);
        assert_eq!(run.code, 2, "{name}: {run:?}");
        assert!(run.err.contains(message), "{name}: {run:?}");
        assert!(run.err.contains("fault.jsonl"), "{name}: {run:?}");
        assert_eq!(run.summary()["mismatches"], 0, "{name}");
    }
    assert_eq!(run_lines("fault.jsonl", &good).code, 0);
}

#[test]
fn the_trace_ends_with_an_injected_failure_and_with_an_overflow() {
    let mut traces = [traces("snowmanerr"), traces("boot"), traces("sampler")].concat();
    let ends = [r#""err":"injected""#, r#""err":"overflow""#, r#""out":"overflow""#];
    let ending = |trace: &Vec<String>, end| trace.last().unwrap().contains(end);
    for end in ends {
        assert!(traces.iter().filter(|trace| ending(trace, end)).count() > 1, "{end}");
    }
    traces.retain(|trace| ends.iter().any(|end| ending(trace, end)));
    for trace in traces {
        let next =
            if trace.len() > 1 { &trace[1] } else { r#"{"t":"sampler","op":"at","out":null}"# };
        let run = run_lines("after-the-end.jsonl", &[&trace[..], &[next.to_owned()]].concat());
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.err.contains(&format!(":{}: event after", trace.len() + 1)), "{run:?}");
    }
}

#[test]
fn two_wins_over_one() {
    let good = good();
    let mut differs = good.clone();
    differs[2] = differs[2].replace(r#""out":"#, r#""out":["x"],"was":"#);
    assert_eq!(run_lines("two-wins.jsonl", &differs).code, 1);
    // In a later event of the same trace, which is not executed; in another trace; in another file.
    let later = [&differs[..], &[good[3].replace(r#""op":""#, r#""op":"un"#)]].concat();
    let other = [&differs[..], &[good[0].replace(r#""v":1"#, r#""v":0"#)]].concat();
    for lines in [later, other] {
        let run = run_lines("two-wins.jsonl", &lines);
        assert_eq!((run.code, &run.summary()["mismatches"]), (2, &json!(1)), "{run:?}");
    }
    let differing = super::support::file("two-wins.jsonl", differs.join("\n"));
    let run = run([differing, "no-such-file.jsonl".into(), subset("sampler")]);
    assert_eq!((run.code, &run.summary()["files"]), (2, &json!(3)), "{run:?}");
    assert!(run.err.contains("ERROR no-such-file.jsonl: cannot be read"), "{run:?}");
}
