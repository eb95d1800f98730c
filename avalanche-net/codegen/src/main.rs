//! Writes the Rust code of `../proto` into the folder that is its argument.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::args_os().nth(1).ok_or("usage: avalanche-net-codegen FOLDER")?;
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    for name in ["p2p.proto", "sdk.proto"] {
        let files = protox::compile([name], [&proto])?;
        // `Bytes` share the frame that they were decoded from.
        prost_build::Config::new().bytes(["."]).out_dir(&out).compile_fds(files)?;
    }
    Ok(())
}
