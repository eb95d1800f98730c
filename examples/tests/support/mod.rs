//! What every rule test needs: where the workspace is, and what a program says about it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A rule that cannot be checked is a rule broken, so every helper passes its errors on.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The folder that holds the workspace's manifest.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// What `program` prints when it runs at the root of the workspace.
pub(crate) fn output(program: &str, args: &[&str]) -> Result<String> {
    let done = Command::new(program).args(args).current_dir(root()).output()?;
    if !done.status.success() {
        let stderr = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{program} {}: {}\n{stderr}", args.join(" "), done.status).into());
    }
    Ok(String::from_utf8(done.stdout)?)
}
