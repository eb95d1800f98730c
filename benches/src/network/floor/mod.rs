//! What a lone payment cannot do without, in five processes: bare TLS between all of them, and the
//! parameters of the devnet.
//!
//! ```text
//!   client --> proposer   signature, block, its header signed
//!              proposer -- PushQuery --> each of the others, which answers with what it
//!                                        preferred before, as AvalancheGo does, and then
//!                                        checks header and transfer
//!              all       polls of the four others, four at once, until 20 in a row have 15
//!                        of 20 votes
//!              each      the block behind the others in a file, and fdatasync
//!   client <-- proposer
//! ```
//!
//! There is no HTTP, no mempool, no gossip, no state, no index, no timeout and no throttle, and
//! nothing can fail. One thread does it all, so that nothing is handed from one to another.

mod node;

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use avalanche_net::identity::Identity;
use avalanche_vm::payments::SignedTransfer;

pub use node::run as node;

use crate::store::{Folder, told};

/// What the program is told to be one of the processes.
pub const COMMAND: &str = "floor-node";
/// Bytes of an answer: how many polls the proposer opened for the payment.
const ANSWER_BYTES: usize = 4;

/// The processes. They end with this.
#[derive(Debug)]
pub struct Floor {
    client: TcpStream,
    processes: Vec<Child>,
    _folder: Folder,
}

impl Floor {
    /// Starts so many, and waits until all are connected.
    ///
    /// # Errors
    ///
    /// Of processes and their pipes.
    pub fn start(count: usize) -> io::Result<Self> {
        let (folder, program) = (Folder::new()?, std::env::current_exe()?);
        let mut floor = Self { client: unconnected()?, processes: Vec::new(), _folder: folder };
        let mut pipes: Vec<(ChildStdin, BufReader<ChildStdout>)> = Vec::new();
        for index in 0..count {
            let own = floor._folder.path().join(index.to_string());
            std::fs::create_dir(&own)?;
            let _ = Identity::load_or_create(&own).map_err(told)?;
            let mut child = Command::new(&program)
                .args([COMMAND, &index.to_string(), &count.to_string()])
                .arg(&own)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let ends = child.stdin.take().zip(child.stdout.take());
            floor.processes.push(child);
            let (input, output) = ends.ok_or_else(|| told("a process without pipes"))?;
            pipes.push((input, BufReader::new(output)));
        }
        let (mut ports, mut client) = (Vec::new(), None);
        for (_, output) in &mut pipes {
            let line = line(output)?;
            let (peer, own) = line.split_once(' ').ok_or_else(|| told("no ports"))?;
            ports.push(peer.to_owned());
            client.get_or_insert(own.to_owned());
        }
        let all = format!("{}\n", ports.join(" "));
        for (input, _) in &mut pipes {
            input.write_all(all.as_bytes())?;
        }
        for (_, output) in &mut pipes {
            let _connected = line(output)?;
        }
        drop(pipes);
        let port: u16 = client.unwrap_or_default().parse().map_err(told)?;
        floor.client = TcpStream::connect(("127.0.0.1", port))?;
        floor.client.set_nodelay(true)?;
        Ok(floor)
    }

    /// Has one payment made final; returns how many polls the proposer opened for it.
    ///
    /// # Errors
    ///
    /// If a process is gone.
    pub fn pay(&mut self, payment: &SignedTransfer) -> io::Result<u32> {
        self.client.write_all(payment.as_bytes())?;
        let mut answer = [0; ANSWER_BYTES];
        self.client.read_exact(&mut answer)?;
        Ok(u32::from_be_bytes(answer))
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        for child in &mut self.processes {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Stands in until there is a proposer to connect with.
fn unconnected() -> io::Result<TcpStream> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    TcpStream::connect(listener.local_addr()?)
}

fn line(output: &mut BufReader<ChildStdout>) -> io::Result<String> {
    let mut line = String::new();
    match output.read_line(&mut line)? {
        0 => Err(told("a process of the floor ended")),
        _ => Ok(line.trim().to_owned()),
    }
}
