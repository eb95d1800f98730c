//! What a payments VM serves to clients: JSON whose numbers are decimal strings.

use std::fmt::Write;
use std::sync::Arc;

use async_trait::async_trait;
use avalanche_consensus::Id;

use super::{AccountProof, PaymentsReader, Totals};
use crate::payments::{Address, Receipt};
use crate::{Error, HttpHandler, HttpRequest, HttpResponse};

/// The routes below the VM's own.
///
/// | Route | Answer |
/// |---|---|
/// | `GET /accounts/{address}` | balance, nonce and the height that they are of; with `?proof=true` the state root of that height and the proof in hexadecimal |
/// | `GET /receipts/{transfer}` | where a transfer was accepted, if not long ago; 404 otherwise |
/// | `GET /supply` | what genesis made, what of it was burned, the height that this is of, and the state root of that height |
pub(super) fn all(reader: &PaymentsReader) -> Vec<(String, Arc<dyn HttpHandler>)> {
    let route = |name: &str, answer: Answer| -> (String, Arc<dyn HttpHandler>) {
        (name.to_owned(), Arc::new(Route { reader: reader.clone(), answer }))
    };
    vec![route("/accounts", account), route("/receipts", receipt), route("/supply", supply)]
}

type Answer = fn(&PaymentsReader, &HttpRequest) -> Result<String, Trouble>;

/// Why there is no answer: status and text.
struct Trouble(u16, String);

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self(error.status(), error.to_string())
    }
}

struct Route {
    reader: PaymentsReader,
    answer: Answer,
}

#[async_trait]
impl HttpHandler for Route {
    async fn handle(&self, request: HttpRequest) -> HttpResponse {
        let outcome = match request.method.as_str() {
            "GET" => (self.answer)(&self.reader, &request),
            other => Err(Trouble(405, format!("{other} is not allowed here; GET is"))),
        };
        let (status, body) = match outcome {
            Ok(body) => (200, body),
            Err(Trouble(status, message)) => {
                let text = message.replace('\\', "\\\\").replace('"', "\\\"");
                (status, format!("{{\"code\":{status},\"message\":\"{text}\"}}"))
            }
        };
        HttpResponse { status, content_type: "application/json", body: body.into_bytes() }
    }
}

fn account(reader: &PaymentsReader, request: &HttpRequest) -> Result<String, Trouble> {
    let address: Address = last(request)?.parse().map_err(|error| wrong("address", &error))?;
    if request.query.split('&').any(|pair| pair == "proof=true") {
        return Ok(proven(&reader.prove(&address)?));
    }
    let (account, height) = reader.account(&address)?;
    Ok(format!(
        "{{\"address\":\"{address}\",\"balance\":\"{}\",\"nonce\":\"{}\",\"height\":\"{height}\"}}",
        account.balance, account.nonce
    ))
}

fn proven(shown: &AccountProof) -> String {
    let AccountProof { address, account, height, root, proof } = shown;
    format!(
        "{{\"address\":\"{address}\",\"balance\":\"{}\",\"nonce\":\"{}\",\"height\":\"{height}\",\
         \"root\":\"0x{}\",\"proof\":\"0x{}\"}}",
        account.balance,
        account.nonce,
        hex(root),
        hex(&proof.encode())
    )
}

fn receipt(reader: &PaymentsReader, request: &HttpRequest) -> Result<String, Trouble> {
    let id: Id = last(request)?.parse().map_err(|error| wrong("transfer", &error))?;
    let found = reader.receipt(&id);
    let missing = || Trouble(404, format!("transfer {id} is not among the newest accepted ones"));
    found.as_ref().map(Receipt::to_json).ok_or_else(missing)
}

fn supply(reader: &PaymentsReader, _request: &HttpRequest) -> Result<String, Trouble> {
    let Totals { tip, supply, burned, root } = reader.totals();
    Ok(format!(
        "{{\"supply\":\"{supply}\",\"burned\":\"{burned}\",\"height\":\"{}\",\"root\":\"0x{}\"}}",
        tip.height,
        hex(&root)
    ))
}

/// What follows the route, which has to be one name.
fn last(request: &HttpRequest) -> Result<&str, Trouble> {
    let name = request.path.strip_prefix('/').unwrap_or_default();
    if name.is_empty() || name.contains('/') {
        return Err(Trouble(404, format!("one name belongs after the route, not {name:?}")));
    }
    Ok(name)
}

fn wrong(what: &str, error: &impl std::fmt::Display) -> Trouble {
    Trouble(400, format!("this is no {what}: {error}"))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
