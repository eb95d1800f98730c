//! Writes the Rust code of `../proto` into the folder that is its argument.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::args_os().nth(1).ok_or("usage: avalanche-net-codegen FOLDER")?;
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    for (name, about) in [
        ("p2p", "The messages of the peer protocol"),
        ("sdk", "What applications put into app messages"),
    ] {
        let proto_name = format!("{name}.proto");
        let files = protox::compile([&proto_name], [&proto])?;
        // `Bytes` share the frame that they were decoded from.
        let mut config = prost_build::Config::new();
        // Much longer than all others, and seldom: every other message would be moved at its size.
        config.bytes(["."]).boxed(".p2p.Message.message.handshake");
        config.out_dir(&out).compile_fds(files)?;
        let path = Path::new(&out).join(format!("{name}.rs"));
        let code = std::fs::read_to_string(&path)?;
        std::fs::write(
            &path,
            format!("//! {about}, generated from `proto/{proto_name}`.\n{code}"),
        )?;
    }
    Ok(())
}
