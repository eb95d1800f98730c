//! The files of the repository, as git knows them.

use crate::support::{Result, output, root};

/// Paths below the root of everything that git tracks or would add, sorted.
pub(crate) fn tracked() -> Result<Vec<String>> {
    let listed = output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let mut files: Vec<_> =
        listed.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect();
    files.sort_unstable();
    files.dedup();
    if files.is_empty() { Err("git lists no file: not a checkout?".into()) } else { Ok(files) }
}
