//! Life cycle, deadlines, supervision: one step table each.
#![cfg(test)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::engine::Phase;
use avalanche_consensus::{Height, Id, Timestamp};
use avalanche_vm::key_value::{Change, KeyValueFactory, Transaction};
use avalanche_vm::{
    BackOff, Block, BuildRequest, CallKind, Deadlines, Error, Instance, InstanceState, InvalidKind,
    ManagerConfig, ManagerError, VmManager, VmRegistry,
};
use support::{Log, Script, ScriptedFactory, Trouble, block, context, run};

const REQUEST: BuildRequest =
    BuildRequest { now: Timestamp::ZERO, bytes_max: 1 << 20, allow_empty: true };
const PATIENCE: Duration = Duration::from_secs(20);

/// Short rests; deadlines that only a call that blocks on purpose exceeds.
fn config() -> ManagerConfig {
    let late = Duration::from_secs(1);
    ManagerConfig {
        vms_max: 2,
        deadlines: Deadlines { parse: late, build: late, verify: late, decide: late, other: late },
        back_off: BackOff {
            first: Duration::from_millis(20),
            longest: Duration::from_millis(200),
            forgiven_after: Duration::from_secs(60),
        },
        ..ManagerConfig::default()
    }
}

struct Bed {
    script: Arc<Script>,
    log: Arc<Log>,
    manager: VmManager,
    instance: Instance,
}

fn bed() -> Bed {
    let script = Arc::new(Script::default());
    let log = Arc::new(Log::default());
    let mut registry = VmRegistry::new();
    registry.register(Arc::new(ScriptedFactory::new(&script)), &["scripted"]).unwrap();
    let manager = VmManager::new(registry, config()).unwrap();
    let instance = manager.create("scripted", context(1, &log)).unwrap();
    Bed { script, log, manager, instance }
}

fn state(instance: &Instance) -> &'static str {
    instance.status().state.name()
}

async fn until(instance: &Instance, wanted: &str) {
    let mut watch = instance.watch();
    let reached = watch.wait_for(|status| status.state.name() == wanted);
    tokio::time::timeout(PATIENCE, reached).await.expect(wanted).unwrap();
}

/// Extends the log by accepted blocks of the scripted VM.
async fn extend(bed: &Bed, blocks: u64) {
    for _ in 0..blocks {
        let made = bed.instance.build(REQUEST).await.unwrap().unwrap();
        bed.instance.verify(made.clone(), Timestamp::ZERO).await.unwrap();
        bed.log.0.lock().unwrap().push(made.clone());
        bed.instance.accept(made).await.unwrap();
    }
}

#[test]
fn a_block_is_read_checked_and_verified_in_one_call() {
    run(async {
        let bed = bed();
        bed.instance.start().await.unwrap();
        let made = bed.instance.build(REQUEST).await.unwrap().unwrap();
        let bytes = made.bytes().to_vec();
        let refuse = |_: &Block| Err(Error::invalid(InvalidKind::State, "misplaced", "not here"));
        let now = Timestamp::ZERO;
        let refused = bed.instance.parse_and_verify(bytes.clone(), refuse, now).await;
        assert!(refused.unwrap_err().to_string().contains("not here"));
        bed.script.on("verify", Trouble::Panic);
        // What is refused before does not come to it.
        let _ = bed.instance.parse_and_verify(bytes.clone(), refuse, now).await.unwrap_err();
        assert_eq!(bed.instance.status().restarts, 0);
        bed.instance.parse_and_verify(bytes.clone(), |_| Ok(()), now).await.unwrap_err();
        until(&bed.instance, "bootstrapping").await;
        let verified = bed.instance.parse_and_verify(bytes, |_| Ok(()), now).await.unwrap();
        bed.log.0.lock().unwrap().push(verified.clone());
        bed.instance.accept(verified).await.unwrap();
        bed.instance.stop(PATIENCE).await.unwrap();
    });
}

#[test]
fn a_life_from_created_to_stopped_and_again() {
    run(async {
        let bed = bed();
        assert_eq!(state(&bed.instance), "created");
        let early = bed.instance.build(REQUEST).await.unwrap_err();
        assert!(matches!(&early, Error::NotReady { reason } if reason.contains("created")));
        bed.instance.start().await.unwrap();
        assert_eq!(state(&bed.instance), "bootstrapping");
        assert!(matches!(bed.instance.start().await.unwrap_err(), Error::NotReady { .. }));
        bed.instance.enter_phase(Phase::NormalOperation).await.unwrap();
        assert_eq!(state(&bed.instance), "running");
        extend(&bed, 3).await;
        assert_eq!(bed.instance.status().last_accepted.unwrap().height, Height::new(3));
        bed.instance.enter_phase(Phase::Bootstrapping).await.unwrap();
        assert_eq!(state(&bed.instance), "bootstrapping");
        bed.instance.stop(PATIENCE).await.unwrap();
        assert_eq!(state(&bed.instance), "stopped");
        bed.instance.stop(PATIENCE).await.unwrap();
        let late = bed.instance.build(REQUEST).await.unwrap_err();
        assert!(matches!(&late, Error::NotReady { reason } if reason.contains("stopped")));
        bed.instance.start().await.unwrap();
        let status = bed.instance.status();
        assert_eq!((status.generation, status.restarts, status.replayed), (2, 0, 0));
        assert_eq!(status.last_accepted.unwrap().height, Height::new(3));
        let calls = bed.script.calls();
        let ends: Vec<_> = calls.iter().filter(|call| *call == "shutdown").collect();
        assert_eq!(ends.len(), 1, "{calls:?}");
        let stats = bed.instance.stats();
        assert_eq!(stats[&CallKind::Accept].calls, 3);
        assert_eq!(stats[&CallKind::Accept].errors, 0);
    });
}

#[test]
fn calls_before_a_stop_are_carried_out() {
    run(async {
        let bed = bed();
        bed.instance.start().await.unwrap();
        bed.script.on("verify", Trouble::Block(Duration::from_millis(100)));
        let made = bed.instance.build(REQUEST).await.unwrap().unwrap();
        let verify = tokio::spawn({
            let (instance, made) = (bed.instance.clone(), made.clone());
            async move { instance.verify(made, Timestamp::ZERO).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        bed.instance.stop(PATIENCE).await.unwrap();
        verify.await.unwrap().unwrap();
    });
}

#[test]
fn a_panic_ends_the_instance_and_no_other_and_it_resumes_from_last_accepted() {
    run(async {
        let bed = bed();
        let other = bed.manager.create("scripted", context(2, &Arc::default())).unwrap();
        bed.instance.start().await.unwrap();
        other.start().await.unwrap();
        bed.instance.enter_phase(Phase::NormalOperation).await.unwrap();
        extend(&bed, 2).await;
        // The log is ahead of the VM, as after a crash between the two.
        let third = bed.instance.build(REQUEST).await.unwrap().unwrap();
        bed.log.0.lock().unwrap().push(third.clone());
        bed.script.on("accept", Trouble::Panic);
        let error = bed.instance.accept(third).await.unwrap_err();
        assert!(error.is_fatal(), "{error}");
        assert!(
            error.to_string().contains("scripted panicked in accept: as the script"),
            "{error}"
        );
        until(&bed.instance, "bootstrapping").await;
        let status = bed.instance.status();
        assert_eq!((status.generation, status.restarts, status.replayed), (2, 1, 1));
        assert_eq!(status.last_accepted.unwrap().height, Height::new(3));
        assert!(status.last_failure.unwrap().contains("panicked in accept"));
        extend(&bed, 1).await;
        assert_eq!((state(&other), other.status().generation), ("bootstrapping", 1));
        assert!(other.build(REQUEST).await.unwrap().is_some());
    });
}

#[test]
fn fatal_errors_and_refused_decisions_end_it_refusals_of_input_do_not() {
    for (call, trouble, ends) in [
        ("verify", Trouble::Fatal, true),
        ("verify", Trouble::Invalid, false),
        ("verify", Trouble::NotReady, false),
        ("accept", Trouble::Invalid, true),
        ("accept", Trouble::NotReady, true),
        ("reject", Trouble::Invalid, true),
        ("build", Trouble::NotReady, false),
    ] {
        run(async {
            let bed = bed();
            bed.instance.start().await.unwrap();
            let made = bed.instance.build(REQUEST).await.unwrap().unwrap();
            bed.script.on(call, trouble);
            let error = match call {
                "verify" => bed.instance.verify(made, Timestamp::ZERO).await.unwrap_err(),
                "accept" => bed.instance.accept(made).await.unwrap_err(),
                "reject" => bed.instance.reject(made).await.unwrap_err(),
                _ => bed.instance.build(REQUEST).await.unwrap_err(),
            };
            assert_eq!(error.is_fatal(), ends, "{call} {trouble:?}: {error}");
            until(&bed.instance, "bootstrapping").await;
            let restarts = bed.instance.status().restarts;
            assert_eq!(restarts, u64::from(ends), "{call} {trouble:?}");
        });
    }
}

#[test]
fn a_late_call_fails_the_instance_which_is_made_anew_when_it_has_returned() {
    run(async {
        let bed = bed();
        bed.instance.start().await.unwrap();
        let made = bed.instance.build(REQUEST).await.unwrap().unwrap();
        bed.script.on("verify", Trouble::Block(Duration::from_secs(3)));
        bed.instance.verify(made.clone(), Timestamp::ZERO).await.unwrap_err();
        // The thread may have begun a moment after the call was made.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let status = bed.instance.status();
        let text = status.state.to_string();
        assert!(text.contains("verify") && text.contains("1s"), "{text}");
        assert!(text.contains("has not returned"), "{text}");
        assert_eq!(status.state.name(), "failed");
        assert!(!status.is_healthy());
        assert_eq!(status.generation, 1, "two instances over one store");
        let busy = bed.instance.verify(made, Timestamp::ZERO).await.unwrap_err();
        assert!(matches!(busy, Error::NotReady { .. }), "{busy}");
        assert!(matches!(bed.instance.start().await.unwrap_err(), Error::NotReady { .. }));
        let late = bed.instance.stop(Duration::from_millis(10)).await.unwrap_err();
        assert!(matches!(late, ManagerError::StopLate { .. }), "{late}");
        bed.instance.stop(PATIENCE).await.unwrap();
        bed.instance.start().await.unwrap();
        assert_eq!(bed.instance.status().generation, 2);
    });
}

#[test]
fn a_late_call_that_returns_is_followed_by_a_restart() {
    run(async {
        let bed = bed();
        bed.instance.start().await.unwrap();
        bed.script.on("build", Trouble::Block(Duration::from_secs(2)));
        bed.instance.build(REQUEST).await.unwrap_err();
        let mut watch = bed.instance.watch();
        let again = watch.wait_for(|status| status.restarts == 1 && status.state.answers());
        tokio::time::timeout(PATIENCE, again).await.expect("a restart").unwrap();
        assert_eq!(bed.instance.status().restarts, 1);
        assert!(bed.instance.build(REQUEST).await.unwrap().is_some());
    });
}

#[test]
fn waiting_for_others_is_not_the_instances_fault() {
    run(async {
        let bed = bed();
        bed.instance.start().await.unwrap();
        let made = bed.instance.build(REQUEST).await.unwrap().unwrap();
        // Each fits its deadline; two of them in a row do not fit the third's.
        bed.script.on("verify", Trouble::Block(Duration::from_millis(650)));
        bed.script.on("verify", Trouble::Block(Duration::from_millis(650)));
        let call = || {
            let (instance, made) = (bed.instance.clone(), made.clone());
            tokio::spawn(async move { instance.verify(made, Timestamp::ZERO).await })
        };
        let calls = [call(), call(), call()];
        let mut waited = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(()) => {}
                Err(Error::NotReady { reason }) if reason.contains("waited") => waited += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(waited > 0);
        tokio::time::sleep(Duration::from_millis(800)).await;
        assert_eq!((state(&bed.instance), bed.instance.status().restarts), ("bootstrapping", 0));
    });
}

#[test]
fn what_cannot_be_made_rests_longer_each_time_and_is_reported_by_name() {
    run(async {
        let bed = bed();
        for _ in 0..4 {
            bed.script.on("create", Trouble::Fatal);
        }
        let began = std::time::Instant::now();
        let error = bed.instance.start().await.unwrap_err();
        assert!(error.to_string().contains("as the script says"), "{error}");
        let health = bed.manager.health();
        assert_eq!(health.len(), 1);
        assert!(!health[0].is_healthy());
        let text = health[0].to_string();
        assert!(
            text.contains("VM scripted 1.2.3 of chain") && text.contains("made anew"),
            "{text}"
        );
        until(&bed.instance, "bootstrapping").await;
        // 20 + 40 + 80 + 160 ms.
        assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
        assert_eq!((bed.instance.status().generation, bed.instance.status().restarts), (5, 4));
        assert!(bed.manager.health()[0].is_healthy());
    });
}

#[test]
fn wrong_genesis_is_not_tried_again() {
    run(async {
        let bed = bed();
        bed.script.on("create", Trouble::Invalid);
        bed.instance.start().await.unwrap_err();
        bed.instance.stop(PATIENCE).await.unwrap();
        let status = bed.instance.status();
        assert!(
            matches!(&status.state, InstanceState::Failed { retry_in: None, reason }
                if reason.contains("scripted")),
            "{status}"
        );
        assert_eq!(status.generation, 1);
        bed.instance.start().await.unwrap();
    });
}

#[test]
fn a_stop_ends_a_rest_and_a_panic_at_the_end_changes_nothing() {
    run(async {
        let bed = bed();
        for _ in 0..20 {
            bed.script.on("create", Trouble::Panic);
        }
        let error = bed.instance.start().await.unwrap_err();
        assert!(error.to_string().contains("panicked in create"), "{error}");
        bed.instance.stop(PATIENCE).await.unwrap();
        assert_eq!(state(&bed.instance), "stopped");
        bed.script.troubles.lock().unwrap().clear();
        bed.instance.start().await.unwrap();
        bed.script.on("shutdown", Trouble::Panic);
        bed.script.on("drop", Trouble::Panic);
        bed.instance.stop(PATIENCE).await.unwrap();
        assert_eq!(state(&bed.instance), "stopped");
        bed.instance.start().await.unwrap();
    });
}

#[test]
fn a_log_that_does_not_fit_the_state_is_said() {
    run(async {
        let bed = bed();
        bed.instance.start().await.unwrap();
        extend(&bed, 3).await;
        bed.instance.stop(PATIENCE).await.unwrap();
        let blocks = bed.log.0.lock().unwrap().clone();
        // It ends below the state.
        bed.log.0.lock().unwrap().truncate(1);
        let text = bed.instance.start().await.unwrap_err().to_string();
        assert!(text.contains("of height 3") && text.contains("ends at 1"), "{text}");
        bed.instance.stop(PATIENCE).await.unwrap();
        // It has a hole above the state.
        let mut holed = blocks.clone();
        holed.push(block(Id::EMPTY, 5));
        *bed.log.0.lock().unwrap() = holed;
        let text = bed.instance.start().await.unwrap_err().to_string();
        assert!(text.contains("block 4 is not in the log"), "{text}");
        bed.instance.stop(PATIENCE).await.unwrap();
        // A block of it is refused.
        *bed.log.0.lock().unwrap() = blocks;
        let fourth = block(bed.log.0.lock().unwrap()[2].id(), 4);
        bed.log.0.lock().unwrap().push(fourth);
        bed.script.on("parse", Trouble::Invalid);
        let text = bed.instance.start().await.unwrap_err().to_string();
        assert!(text.contains("the logged block 4 cannot be executed"), "{text}");
        until(&bed.instance, "bootstrapping").await;
        assert_eq!(bed.instance.status().replayed, 1);
    });
}

#[test]
fn a_manager_has_room_for_so_many_and_one_for_each_chain() {
    run(async {
        let bed = bed();
        let log = Arc::default();
        let taken = bed.manager.create("scripted", context(1, &log)).unwrap_err();
        assert!(matches!(taken, ManagerError::ChainTaken { .. }), "{taken}");
        bed.manager.create("scripted", context(2, &log)).unwrap();
        let full = bed.manager.create("scripted", context(3, &log)).unwrap_err();
        assert!(full.to_string().contains("MAX_VMS_PER_NODE"), "{full}");
        let unknown = bed.manager.create("evm", context(3, &log)).unwrap_err();
        assert!(matches!(unknown, ManagerError::Registry(_)), "{unknown}");
        bed.instance.start().await.unwrap();
        let chain = bed.instance.status().chain;
        let running = bed.manager.remove(&chain).unwrap_err();
        assert!(matches!(running, ManagerError::StillRunning { .. }), "{running}");
        assert!(bed.manager.shutdown(PATIENCE).await.is_empty());
        bed.manager.remove(&chain).unwrap();
        assert!(matches!(bed.manager.remove(&chain), Err(ManagerError::ChainUnknown { .. })));
        assert!(bed.manager.instance(&chain).is_none());
        bed.manager.create("scripted", context(3, &log)).unwrap();
    });
}

#[test]
fn a_shutdown_names_those_that_do_not_end() {
    run(async {
        let bed = bed();
        bed.instance.start().await.unwrap();
        let made = bed.instance.build(REQUEST).await.unwrap().unwrap();
        bed.script.on("verify", Trouble::Block(Duration::from_millis(650)));
        let instance = bed.instance.clone();
        let call = tokio::spawn(async move { instance.verify(made, Timestamp::ZERO).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        let late = bed.manager.shutdown(Duration::from_millis(50)).await;
        assert_eq!(late.len(), 1);
        assert_eq!(late[0].name, "scripted");
        call.await.unwrap().unwrap();
        bed.instance.stop(PATIENCE).await.unwrap();
    });
}

#[test]
fn a_thread_ends_with_the_last_handle() {
    run(async {
        let Bed { script, log: _log, manager, instance } = bed();
        instance.start().await.unwrap();
        drop(manager);
        drop(instance);
        let gone = async {
            while !script.calls.lock().unwrap().iter().any(|call| call == "drop") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap();
    });
}

#[test]
fn what_waits_is_shown_by_the_instance() {
    run(async {
        let mut registry = VmRegistry::new();
        registry.register(Arc::new(KeyValueFactory), &["keyvalue"]).unwrap();
        let manager = VmManager::new(registry, config()).unwrap();
        let log = Arc::new(Log::default());
        let instance = manager.create("keyvalue", context(1, &log)).unwrap();
        instance.start().await.unwrap();
        let put = |salt: u8| Transaction {
            salt: [salt; 16],
            key: vec![salt],
            change: Change::Put(Vec::new()),
        };
        let all = [1, 2, 3].map(put);
        let bytes = all.iter().map(Transaction::encode).collect();
        instance.submit(bytes, Timestamp::ZERO).await.unwrap();
        let names = vec![all[0].id(), all[1].id()];
        assert_eq!(instance.waiting(2).await.unwrap(), (names, 3));
        instance.stop(PATIENCE).await.unwrap();

        // A VM without transactions says so.
        let bed = bed();
        bed.instance.start().await.unwrap();
        assert_eq!(bed.instance.waiting(2).await.unwrap_err().code(), "not_supported");
    });
}
