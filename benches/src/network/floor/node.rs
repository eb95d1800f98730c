//! One process of the floor.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

use avalanche_chain::ChainBlock;
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::{Height, Id};
use avalanche_net::identity::Identity;
use avalanche_net::wire::build::{self, Chits};
use avalanche_net::wire::{Body, p2p};
use avalanche_store::Hash;
use avalanche_vm::payments::{BlockRef, Header, SignedTransfer, TRANSFER_BYTES, TransferRef};
use bytes::Bytes;
use ed25519_dalek::{Signature, VerifyingKey};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_rustls::TlsStream;

use crate::net::bare::{Channel, configs};
use crate::net::{CHAIN, loopback};
use crate::store::told;

/// Other nodes that have to say yes: with 20 of five times five units drawn, this node and three
/// others always have 15.
const YES: usize = 3;
/// What requests say of their deadline. Nobody looks at it.
const DEADLINE: Duration = Duration::from_secs(2);

/// Runs one: `args` are its number, how many there are, and its folder. It ends with the others.
///
/// # Errors
///
/// If they cannot be connected with.
pub fn run(args: &[String]) -> io::Result<()> {
    let [index, count, folder] = args else { return Err(told("number, count and folder")) };
    let (index, count) = (index.parse().map_err(told)?, count.parse().map_err(told)?);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut node = Node::connect(index, count, Path::new(folder)).await?;
        // Without one of them the others end, too.
        let _ended = node.serve().await;
        Ok(())
    })
}

struct Node {
    peers: Vec<Channel<TlsStream<TcpStream>>>,
    /// Who pays, if this is the one that is given payments.
    client: Option<TcpStream>,
    /// What of a payment was read.
    payment: Vec<u8>,
    identity: Identity,
    parameters: Parameters,
    log: File,
    last: (Id, u64),
    voting: Option<Voting>,
    requests: u32,
    opened: u32,
}

/// A block that is not decided.
struct Voting {
    block: ChainBlock,
    /// By request: who said yes and no.
    open: BTreeMap<u32, [usize; 2]>,
    in_a_row: u32,
    own: bool,
}

/// What came.
enum Input {
    Message(usize, Body),
    Payment(SignedTransfer),
}

impl Node {
    /// Connects with all others: each connects with those before it, and says who it is.
    async fn connect(index: usize, count: usize, folder: &Path) -> io::Result<Self> {
        let identity = Identity::load(folder).map_err(told)?;
        let (acceptor, connector) = configs(folder)?;
        let (listener, clients) =
            (TcpListener::bind(loopback()).await?, TcpListener::bind(loopback()).await?);
        say(&format!("{} {}", listener.local_addr()?.port(), clients.local_addr()?.port()))?;
        let mut ports = String::new();
        io::stdin().read_line(&mut ports)?;
        let mut peers = BTreeMap::new();
        for (at, port) in ports.split_whitespace().enumerate().take(index) {
            let address = SocketAddr::from((loopback().ip(), port.parse().map_err(told)?));
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut stream = connector.connect(address.ip().into(), stream).await?;
            stream.write_u8(u8::try_from(index).map_err(told)?).await?;
            stream.flush().await?;
            peers.insert(at, Channel::new(TlsStream::from(stream)));
        }
        while peers.len() + 1 < count {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let mut stream = acceptor.accept(stream).await?;
            let at = usize::from(stream.read_u8().await?);
            peers.insert(at, Channel::new(TlsStream::from(stream)));
        }
        say("connected")?;
        // The first is the one that is given payments.
        let client = if index == 0 { Some(clients.accept().await?.0) } else { None };
        Ok(Self {
            peers: peers.into_values().collect(),
            client,
            payment: Vec::new(),
            identity,
            parameters: Parameters::default(),
            log: File::options().create(true).append(true).open(folder.join("log"))?,
            last: (CHAIN, 0),
            voting: None,
            requests: 0,
            opened: 0,
        })
    }

    /// Handles what has come, and writes what is to be said of all of it together.
    async fn serve(&mut self) -> io::Result<()> {
        loop {
            let input = match self.at_hand().await {
                Some(input) => input?,
                None => {
                    self.flush().await?;
                    self.input().await?
                }
            };
            match input {
                Input::Payment(payment) => self.propose(&payment).await?,
                Input::Message(from, body) => self.message(from, body).await?,
            }
        }
    }

    async fn at_hand(&mut self) -> Option<io::Result<Input>> {
        let mut input = pin!(self.input());
        poll_fn(|context| match input.as_mut().poll(context) {
            Poll::Ready(input) => Poll::Ready(Some(input)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    async fn input(&mut self) -> io::Result<Input> {
        let Self { peers, client, payment, .. } = self;
        poll_fn(|context| {
            for (at, peer) in peers.iter_mut().enumerate() {
                // Nothing is lost of what a call read that did not end.
                if let Poll::Ready(body) = pin!(peer.next()).poll(context) {
                    return Poll::Ready(body.map(|body| Input::Message(at, body)));
                }
            }
            let Some(client) = client else { return Poll::Pending };
            loop {
                let mut bytes = [0; TRANSFER_BYTES];
                let missing = TRANSFER_BYTES - payment.len();
                let mut bytes = ReadBuf::new(bytes.get_mut(..missing).unwrap_or_default());
                ready!(pin!(&mut *client).poll_read(context, &mut bytes))?;
                if bytes.filled().is_empty() {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                payment.extend(bytes.filled());
                if payment.len() == TRANSFER_BYTES {
                    let whole = SignedTransfer::decode(&std::mem::take(payment)).map_err(told);
                    return Poll::Ready(whole.map(Input::Payment));
                }
            }
        })
        .await
    }

    async fn flush(&mut self) -> io::Result<()> {
        for peer in &mut self.peers {
            peer.flush().await?;
        }
        Ok(())
    }

    /// Makes a block of a payment, and asks all others about it.
    async fn propose(&mut self, payment: &SignedTransfer) -> io::Result<()> {
        check(payment.view())?;
        let (parent, height) = (self.last.0, Height::new(self.last.1 + 1));
        let parent_state_root = Hash::default();
        let header = Header { parent, height, timestamp_ms: 0, parent_state_root };
        let payload = header.encode(std::slice::from_ref(payment)).map_err(told)?;
        let time = header.timestamp();
        let block = ChainBlock::build(parent, height, time, &payload, &self.identity);
        let block = block.map_err(told)?;
        self.opened = 0;
        self.issue(block.clone(), true);
        let query =
            |id| build::push_query(CHAIN, id, DEADLINE, block.bytes().clone(), height.get());
        self.ask(query).await?;
        self.repoll().await
    }

    fn issue(&mut self, block: ChainBlock, own: bool) {
        self.voting = Some(Voting { block, open: BTreeMap::new(), in_a_row: 0, own });
    }

    /// Opens a poll.
    async fn ask(&mut self, query: impl Fn(u32) -> Body) -> io::Result<()> {
        let Some(voting) = &mut self.voting else { return Ok(()) };
        self.requests += 1;
        self.opened += 1;
        voting.open.insert(self.requests, [0, 0]);
        for peer in &mut self.peers {
            peer.put(query(self.requests)).await?;
        }
        Ok(())
    }

    async fn message(&mut self, from: usize, body: Body) -> io::Result<()> {
        match body {
            Body::PushQuery(query) => {
                self.answer(from, query.request_id).await?;
                let block = ChainBlock::decode(query.container).map_err(told)?;
                block.verify_signature().map_err(told)?;
                let payload = block.payload();
                let decoded = BlockRef::decode(&payload).map_err(told)?;
                decoded.transfers.iter().try_for_each(check)?;
                self.opened = 0;
                self.issue(block, false);
                self.repoll().await
            }
            Body::PullQuery(query) => self.answer(from, query.request_id).await,
            Body::Chits(chits) => self.vote(&chits).await,
            _ => Ok(()),
        }
    }

    async fn pull(&mut self) -> io::Result<()> {
        let Some(Voting { block, .. }) = &self.voting else { return Ok(()) };
        let (name, height) = (block.id(), block.height().get());
        self.ask(|id| build::pull_query(CHAIN, id, DEADLINE, name, height)).await
    }

    async fn answer(&mut self, to: usize, request_id: u32) -> io::Result<()> {
        let (accepted, accepted_height) = self.last;
        let preferred = self.voting.as_ref().map_or(accepted, |voting| voting.block.id());
        let preferred_at_height = preferred;
        let chits = Chits { preferred, preferred_at_height, accepted, accepted_height };
        match self.peers.get_mut(to) {
            Some(peer) => peer.put(build::chits(CHAIN, request_id, chits)).await,
            None => Ok(()),
        }
    }

    /// Counts an answer, and asks again or accepts.
    async fn vote(&mut self, chits: &p2p::Chits) -> io::Result<()> {
        let Some(voting) = &mut self.voting else { return Ok(()) };
        let Some([yes, no]) = voting.open.get_mut(&chits.request_id) else { return Ok(()) };
        if chits.preferred_id == voting.block.id().as_bytes()[..] {
            *yes += 1;
        } else {
            *no += 1;
        }
        let (yes, no) = (*yes, *no);
        if yes < YES && no + YES <= self.peers.len() {
            return Ok(());
        }
        voting.open.remove(&chits.request_id);
        voting.in_a_row = if yes >= YES { voting.in_a_row + 1 } else { 0 };
        if voting.in_a_row >= self.parameters.beta() {
            return self.accept().await;
        }
        self.repoll().await
    }

    /// Opens as many polls as are to be open.
    async fn repoll(&mut self) -> io::Result<()> {
        let open = self.voting.as_ref().map_or(0, |voting| voting.open.len());
        let open = u32::try_from(open).unwrap_or(u32::MAX);
        for _ in open..self.parameters.concurrent_repolls() {
            self.pull().await?;
        }
        Ok(())
    }

    async fn accept(&mut self) -> io::Result<()> {
        let Some(Voting { block, own, .. }) = self.voting.take() else { return Ok(()) };
        self.last = (block.id(), block.height().get());
        // Others are not to wait for the disk of this one.
        self.flush().await?;
        let bytes: Bytes = block.bytes().clone();
        self.log.write_all(&bytes)?;
        self.log.sync_data()?;
        if let Some(client) = self.client.as_mut().filter(|_| own) {
            client.write_all(&self.opened.to_be_bytes()).await?;
        }
        Ok(())
    }
}

/// A line to whoever started this.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Checks the signature of a transfer.
fn check(transfer: TransferRef<'_>) -> io::Result<()> {
    let key = VerifyingKey::from_bytes(transfer.sender().as_bytes()).map_err(told)?;
    let signature = Signature::from_bytes(transfer.signature());
    key.verify_strict(&transfer.signing_message(), &signature).map_err(told)
}
