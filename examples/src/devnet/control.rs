//! How commands find a devnet that runs, and ask of it: a socket in its folder.
//!
//! One line of JSON each way, then the end:
//!
//! ```text
//!   {"command":"kill","validator":3}     {"answer":"done","message":".."}
//!   {"command":"status"}                 {"answer":"refused","reason":".."}
//!                                        {"answer":"status","status":{..}}
//! ```

use std::fs::{self, Permissions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, unix};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::policy::Ask;
use super::report::Status;
use super::{DevnetError, folder};

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of a request.
const REQUEST_BYTES_MAX: u64 = 4 << 10;
/// The most bytes of an answer: a hundred validators have 50 KB.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// End it at once.
    Kill {
        /// Which, from 1.
        validator: u16,
    },
    /// Start it again.
    Restart {
        /// Which, from 1.
        validator: u16,
    },
    /// Stop it in its tracks.
    Pause {
        /// Which, from 1.
        validator: u16,
    },
    /// Let it go on.
    Resume {
        /// Which, from 1.
        validator: u16,
    },
    /// How is everybody?
    Status,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase", deny_unknown_fields)]
pub enum Answer {
    /// It is done, or is about to be.
    Done {
        /// What.
        message: String,
    },
    /// It is not done.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
    /// How everybody is.
    Status {
        /// It.
        status: Status,
    },
}

/// A request, and where its answer is waited for.
pub type Asked = (Request, oneshot::Sender<Answer>);

impl Request {
    /// What is wanted of which validator; `None` for [`Request::Status`].
    #[must_use]
    pub const fn ask(self) -> Option<(Ask, u16)> {
        match self {
            Self::Kill { validator } => Some((Ask::Kill, validator)),
            Self::Restart { validator } => Some((Ask::Restart, validator)),
            Self::Pause { validator } => Some((Ask::Pause, validator)),
            Self::Resume { validator } => Some((Ask::Resume, validator)),
            Self::Status => None,
        }
    }
}

/// Listens on the socket of a folder that this process has the lock of. One request is served at a
/// time, each for at most five seconds. Needs a runtime.
///
/// # Errors
///
/// [`DevnetError::Folder`] if there can be no socket.
pub fn serve(path: &Path, asked: mpsc::Sender<Asked>) -> Result<Socket, DevnetError> {
    // One that is there is of a run that ended: this process has the lock.
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::InvalidInput => {
                "the path is too long for a socket; choose a shorter folder with --data-dir"
                    .to_owned()
            }
            _ => format!("there can be no socket: {error}; choose another folder with --data-dir"),
        };
        DevnetError::folder(path, reason)
    })?;
    // Who may open it may end processes of this user.
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|error| {
        DevnetError::folder(path, format!("it cannot be kept for its owner: {error}"))
    })?;
    let task = tokio::spawn(async move {
        loop {
            // A client that goes away, or none that can be taken now, is no reason to end.
            match listener.accept().await {
                Ok((stream, _)) => _ = timeout(PATIENCE, answer(stream, &asked)).await,
                Err(_) => tokio::time::sleep(PATIENCE).await,
            }
        }
    });
    Ok(Socket { path: path.to_owned(), task })
}

/// A socket that is listened on, until this is dropped.
#[derive(Debug)]
pub struct Socket {
    path: std::path::PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(
    stream: tokio::net::UnixStream,
    asked: &mpsc::Sender<Asked>,
) -> Result<(), io::Error> {
    let (reader, mut writer): (unix::OwnedReadHalf, _) = stream.into_split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(reader.take(REQUEST_BYTES_MAX));
    reader.read_line(&mut line).await?;
    let refused = |reason: &str| Answer::Refused { reason: reason.to_owned() };
    let answer = match serde_json::from_str(&line) {
        Err(error) => refused(&format!("it is no request: {error}")),
        Ok(request) => {
            let (sender, receiver) = oneshot::channel();
            let gone = "the devnet is about to end";
            match asked.send((request, sender)).await {
                Ok(()) => receiver.await.unwrap_or_else(|_| refused(gone)),
                Err(_) => refused(gone),
            }
        }
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    writer.write_all(&line).await
}

/// Asks the devnet that runs on a folder. Blocks for at most ten seconds.
///
/// # Errors
///
/// [`DevnetError::NothingRuns`]; [`DevnetError::Refused`] with what it says, or that it does not
/// answer.
pub fn ask(folder: &Path, request: Request) -> Result<Answer, DevnetError> {
    let path = folder::control(folder);
    let stream = UnixStream::connect(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            DevnetError::NothingRuns { folder: folder.to_owned() }
        }
        _ => DevnetError::folder(&path, format!("the devnet cannot be asked: {error}")),
    })?;
    let answered = exchange(stream, request).map_err(|error| {
        DevnetError::folder(&path, format!("the devnet does not answer: {error}"))
    })?;
    match answered {
        Answer::Refused { reason } => Err(DevnetError::Refused(reason)),
        other => Ok(other),
    }
}

fn exchange(mut stream: UnixStream, request: Request) -> Result<Answer, io::Error> {
    stream.set_read_timeout(Some(2 * PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_one_form() {
        for (request, text) in [
            (Request::Kill { validator: 3 }, r#"{"command":"kill","validator":3}"#),
            (Request::Restart { validator: 1 }, r#"{"command":"restart","validator":1}"#),
            (Request::Pause { validator: 2 }, r#"{"command":"pause","validator":2}"#),
            (Request::Resume { validator: 2 }, r#"{"command":"resume","validator":2}"#),
            (Request::Status, r#"{"command":"status"}"#),
        ] {
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
            assert_eq!(serde_json::from_str::<Request>(text).unwrap(), request);
        }
        for wrong in ["", "{}", r#"{"command":"eat"}"#, r#"{"command":"kill"}"#] {
            assert!(serde_json::from_str::<Request>(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn questions_are_answered_and_nonsense_is_refused() {
        let dir = std::env::temp_dir().join(format!("devnet-control-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = folder::control(&dir);
        // Left by a run that ended badly.
        fs::write(&path, "").unwrap();
        let (sender, mut asked) = mpsc::channel(1);
        let socket = serve(&path, sender).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let at = dir.clone();
        let client = tokio::task::spawn_blocking(move || ask(&at, Request::Kill { validator: 3 }));
        let (request, reply) = asked.recv().await.unwrap();
        assert_eq!(request, Request::Kill { validator: 3 });
        reply.send(Answer::Done { message: "dead".into() }).unwrap();
        assert_eq!(client.await.unwrap().unwrap(), Answer::Done { message: "dead".into() });

        let at = dir.clone();
        let client = tokio::task::spawn_blocking(move || ask(&at, Request::Status));
        let (_, reply) = asked.recv().await.unwrap();
        reply.send(Answer::Refused { reason: "no".into() }).unwrap();
        assert_eq!(client.await.unwrap().unwrap_err().to_string(), "refused: no");

        let at = path.clone();
        let nonsense = tokio::task::spawn_blocking(move || {
            let mut stream = UnixStream::connect(at).unwrap();
            stream.write_all(b"hello\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        assert!(nonsense.await.unwrap().contains("it is no request"));

        drop(socket);
        let error = ask(&dir, Request::Status).unwrap_err().to_string();
        assert!(error.starts_with("no devnet runs on "), "{error}");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_says_so() {
        let path = Path::new("/tmp").join("x".repeat(200));
        let error = serve(&path, mpsc::channel(1).0).unwrap_err().to_string();
        assert!(error.contains("choose a shorter folder"), "{error}");
    }
}
