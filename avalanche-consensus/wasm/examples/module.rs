//! Proves that a WebAssembly module asks its host for nothing:
//!
//! `cargo run -p avalanche-consensus-wasm --example module -- MODULE EXPORT`
//!
//! Reads the section headers of the binary format, which is all that it takes. Fails if the module
//! imports anything, or does not export the function named.

use std::io::Write;
use std::process::ExitCode;

const MAGIC: &[u8] = b"\0asm\x01\0\0\0";
const IMPORTS: u8 = 2;
const EXPORTS: u8 = 7;

/// What a module wants and offers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Module {
    imports: u32,
    exports: Vec<String>,
}

/// The part of the module that has not been read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// An unsigned LEB128 number.
    fn number(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A length, and as many bytes.
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

/// Reads the imports and exports of a module; `None` if it is not one.
fn read(bytes: &[u8]) -> Option<Module> {
    let mut module = Module::default();
    let mut sections = Reader(bytes.strip_prefix(MAGIC)?);
    while let Some(section) = sections.byte() {
        let mut content = Reader(sections.bytes()?);
        match section {
            IMPORTS => module.imports = content.number()?,
            EXPORTS => {
                for _ in 0..content.number()? {
                    module.exports.push(String::from_utf8(content.bytes()?.to_vec()).ok()?);
                    // Kind and index.
                    content.byte()?;
                    content.number()?;
                }
            }
            _ => {}
        }
    }
    Some(module)
}

/// What to report of a module that must import nothing and export `wanted`.
fn judge(bytes: &[u8], wanted: &str) -> Result<String, String> {
    let module = read(bytes).ok_or("not a WebAssembly module")?;
    if module.imports > 0 {
        return Err(format!("imports {} items from its host", module.imports));
    }
    if !module.exports.iter().any(|name| name == wanted) {
        return Err(format!("exports no {wanted}, but {:?}", module.exports));
    }
    Ok(format!("{} bytes, imports nothing, exports {:?}", bytes.len(), module.exports))
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(wanted)) = (args.next(), args.next()) else {
        _ = writeln!(std::io::stderr(), "usage: module MODULE EXPORT");
        return ExitCode::from(2);
    };
    let judged = std::fs::read(&path).map_err(|error| error.to_string());
    match judged.and_then(|bytes| judge(&bytes, &wanted)) {
        Ok(report) => {
            _ = writeln!(std::io::stdout(), "{path}: {report}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            _ = writeln!(std::io::stderr(), "{path}: {reason}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty custom section, then the given ones.
    fn module(sections: &[&[u8]]) -> Vec<u8> {
        [MAGIC, &[0, 1, 0], &sections.concat()].concat()
    }

    const EXPORT_F: &[u8] = &[7, 5, 1, 1, b'f', 0, 0];

    #[test]
    fn a_module_is_judged_by_its_sections() {
        let judged = judge(&module(&[EXPORT_F]), "f");
        assert_eq!(judged, Ok("18 bytes, imports nothing, exports [\"f\"]".to_owned()));
        let import: &[u8] = &[2, 7, 1, 1, b'm', 1, b'n', 0, 0];
        let judged = judge(&module(&[import, EXPORT_F]), "f");
        assert_eq!(judged, Err("imports 1 items from its host".to_owned()));
        let judged = judge(&module(&[EXPORT_F]), "g");
        assert_eq!(judged, Err("exports no g, but [\"f\"]".to_owned()));
    }

    #[test]
    fn what_is_not_a_module_is_refused() {
        for bytes in [&b""[..], b"\0asm", &module(&[&[7, 9, 1]]), &module(&[&[2, 1, 0x80]])] {
            assert_eq!(judge(bytes, "f"), Err("not a WebAssembly module".to_owned()), "{bytes:?}");
        }
    }

    #[test]
    fn numbers_take_up_to_five_bytes() {
        assert_eq!(Reader(&[0xe5, 0x8e, 0x26]).number(), Some(624_485));
        assert_eq!(Reader(&[0xff, 0xff, 0xff, 0xff, 0x0f]).number(), Some(u32::MAX));
        assert_eq!(Reader(&[0x80; 6]).number(), None);
        assert_eq!(Reader(&[0x80]).number(), None);
    }
}
