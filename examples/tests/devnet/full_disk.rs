//! A full disk under one validator: it stops and says why, the others go on, and when there is room
//! again a restart makes it catch up.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Devnet, PATIENCE, Result, fresh, get, json, stderr, votes};

/// A small file system in memory, which is unmounted when this is dropped.
struct Small(PathBuf);

impl Small {
    /// Mounts one over a folder and keeps what is in it; `None` where that is not allowed.
    fn over(folder: &Path) -> Result<Option<Self>> {
        let aside = folder.with_extension("before");
        fs::rename(folder, &aside)?;
        fs::create_dir(folder)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=128m", "tmpfs"])
            .arg(folder)
            .output()?;
        if !mounted.status.success() {
            println!("skipped: a tmpfs cannot be mounted: {}", stderr(&mounted).trim());
            return Ok(None);
        }
        let small = Self(folder.to_owned());
        let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(folder).status()?;
        assert!(copied.success());
        Ok(Some(small))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Leaves no room.
    fn fill(&self) -> Result {
        let error = fs::write(self.filler(), vec![1; 256 << 20]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
        Ok(())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a validator of a test that failed may still be ending.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Pays so often, and returns how many of them became final.
fn pay(api: &str, count: u32, seed: &str) -> Result<u64> {
    let load = Command::new(env!("CARGO_BIN_EXE_avalanche"))
        .args(["--api", api, "--json", "load", "--count", &count.to_string(), "--rate", "100"])
        .args(["--accounts", "40", "--seed", seed])
        .output()?;
    let lines = String::from_utf8(load.stdout)?;
    let summary: Value = serde_json::from_str(lines.lines().last().unwrap_or_default())?;
    assert_eq!(summary["lost"], 0, "{summary}");
    summary["accepted"].as_u64().ok_or_else(|| "no count".into())
}

#[test]
fn a_full_disk_stops_one_validator_and_no_other() -> Result {
    let folder = fresh("full")?;
    let args = ["--no-payment"];
    let mut devnet = Devnet::start(&folder, &args)?;
    devnet.event("started")?;
    devnet.until("votes", |all| all.iter().all(|one| votes(one, 0)))?;
    devnet.stop()?;
    let Some(small) = Small::over(&folder.join("node-2/chains"))? else {
        return Ok(fs::remove_dir_all(&folder)?);
    };

    let mut devnet = Devnet::start(&folder, &args)?;
    devnet.event("started")?;
    let status = devnet.until("votes", |all| all.iter().all(|one| votes(one, 0)))?;
    let api = |number: usize| -> Result<String> {
        let api = status["validators"][number - 1]["api"].as_str().ok_or("no api")?;
        Ok(format!("http://{api}"))
    };
    let mut paid = pay(&api(1)?, 50, "1")?;
    devnet.agreed(paid)?;

    small.fill()?;
    paid += pay(&api(1)?, 200, "2")?;
    let begun = Instant::now();
    let health = loop {
        let health = get(&api(2)?, "/health")?;
        if health.starts_with("HTTP/1.1 503") {
            break health;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not say that it has stopped: {health}");
        sleep(Duration::from_millis(100));
    };
    assert!(health.contains("No space left"), "{health}");
    let status = json(&api(1)?, "/api/v1/consensus/status")?;
    assert_eq!(status["phase"], "normal_operation", "the others go on: {status}");
    paid += pay(&api(3)?, 50, "3")?;

    fs::remove_file(small.filler())?;
    let told = devnet.tell(&["restart", "2"])?;
    assert!(told.status.success(), "{}", stderr(&told));
    devnet.until("the catching up", |all| all.iter().all(|one| votes(one, 1)))?;
    devnet.agreed(paid)?;
    devnet.stop()?;
    drop(small);
    Ok(fs::remove_dir_all(&folder)?)
}
