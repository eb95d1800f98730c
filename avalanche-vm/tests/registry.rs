//! Finding kinds of VMs by name, alias and version.
#![cfg(test)]

#[expect(dead_code, reason = "the other test uses the rest of it")]
mod support;

use std::sync::Arc;

use avalanche_vm::{RegistryError, VmId, VmRegistry, VmVersion};
use support::{Script, ScriptedFactory};

fn factory(name: &str, minor: u32) -> Arc<ScriptedFactory> {
    let script = Arc::new(Script::default());
    let version = VmVersion { major: 1, minor, patch: 0 };
    Arc::new(ScriptedFactory { script, id: VmId::named(name), version })
}

fn registry() -> VmRegistry {
    let mut registry = VmRegistry::new();
    registry.register(factory("payments", 0), &["payments", "pay"]).unwrap();
    registry.register(factory("payments", 10), &["payments"]).unwrap();
    registry.register(factory("payments", 9), &[]).unwrap();
    registry.register(factory("counter", 0), &["counter"]).unwrap();
    registry
}

#[test]
fn a_short_name_becomes_an_identifier_as_in_avalanchego() {
    let id = VmId::named("timestamp");
    assert_eq!(&id.id().as_bytes()[..9], b"timestamp");
    assert_eq!(&id.id().as_bytes()[9..], [0; 23]);
    assert_eq!(id.to_string(), "tGas3T58KzdjLHhBDMnH2TvrddhqTji5iZAMZ3RXs2NLpSnhH");
    assert_eq!(VmId::named(&"x".repeat(40)), VmId::named(&"x".repeat(32)));
}

#[test]
fn the_newest_version_is_found_by_any_name() {
    let registry = registry();
    let id = VmId::named("payments");
    for name in ["payments".to_owned(), "pay".to_owned(), id.to_string()] {
        let found = registry.resolve(&name).unwrap();
        assert_eq!((found.id(), found.version().minor), (id, 10), "{name}");
        assert_eq!(registry.resolve(&format!("{name}@1.9.0")).unwrap().version().minor, 9);
    }
    assert_eq!(registry.name(id), "pay");
    let kinds = registry.list();
    assert_eq!(kinds.len(), 2);
    let payments = kinds.iter().find(|kind| kind.id == id).unwrap();
    assert_eq!(payments.aliases, ["pay", "payments"]);
    assert_eq!(payments.versions.iter().map(|one| one.minor).collect::<Vec<_>>(), [0, 9, 10]);
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let registry = registry();
    let text = registry.resolve("evm").map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("\"evm\"") && text.contains("pay") && text.contains("counter"), "{text}");
    let text = registry.resolve("payments@2.0.0").map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("\"2.0.0\"") && text.contains("1.0.0, 1.9.0, 1.10.0"), "{text}");
    let text = VmRegistry::new().resolve("x").map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("none is registered"), "{text}");
}

#[test]
fn a_refused_registration_changes_nothing() {
    let mut registry = registry();
    let before = registry.list();
    let again = registry.register(factory("payments", 9), &["new"]).unwrap_err();
    assert!(matches!(again, RegistryError::AlreadyRegistered { .. }), "{again}");
    let taken = registry.register(factory("other", 0), &["other", "pay"]).unwrap_err();
    assert!(matches!(taken, RegistryError::AliasTaken { .. }), "{taken}");
    for bad in ["", "Pay", "a b", "a@1", &"x".repeat(65)] {
        let invalid = registry.register(factory("other", 0), &["fine", bad]).unwrap_err();
        assert!(matches!(invalid, RegistryError::AliasInvalid { .. }), "{invalid}");
    }
    assert_eq!(registry.list(), before);
}
