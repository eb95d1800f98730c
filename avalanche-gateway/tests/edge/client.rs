//! The client against the server, straight and through the forwarder.

use std::time::Duration;

use avalanche_consensus::{Id, NodeId};
use avalanche_gateway::api::{BlockForm, Cause, Event, TransactionStatus, frame};
use avalanche_gateway::client::{BlockAt, Client, ClientError, EventsQuery};
use avalanche_gateway::forward::{ForwardConfig, Forwarder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::support::Served;
use crate::support::chain::first;

fn client(served: &Served) -> Client {
    Client::new(&served.url()).unwrap()
}

#[tokio::test]
async fn every_request_of_the_client_is_understood() {
    let served = Served::new().await;
    let client = client(&served);
    let last = served.node.payments.last();
    assert_eq!(client.status().await.unwrap().last_accepted.id, last.id);
    let explained = client.explain(last.id).await.unwrap();
    assert_eq!(explained.cause, Cause::PollsTimingOut { failed: 9, of: 10 });
    assert_eq!((explained.height, explained.polls[0].votes[0].count), (Some(u64::MAX), 3));
    assert_eq!(client.submit_block(&b"block"[..]).await.unwrap(), Id::hash(b"block"));
    assert_eq!(client.validators().await.unwrap().validators.len(), 3);
    let one = client.validator(NodeId::new([2; 20])).await.unwrap().unwrap();
    assert!(one.benched && one.weight == u64::MAX / 4);
    assert_eq!(client.validator(NodeId::new([7; 20])).await, Ok(None));
    assert_eq!(client.chains().await.unwrap().len(), 2);
    assert_eq!(client.chain().await.unwrap().name, "payments");
    let other = client.clone().with_chain("other");
    assert_eq!(other.chain().await.unwrap().last_accepted.height, 0);
    assert_eq!(client.blocks(Some(1), 2).await.unwrap().next, Some(3));
    assert_eq!(client.blocks(None, 2).await.unwrap().blocks[1].id, last.id);
    for at in [BlockAt::Last, BlockAt::Height(3), BlockAt::Id(last.id)] {
        assert_eq!(client.block(at).await.unwrap().unwrap().id, last.id);
        let bytes = client.block_bytes(at, BlockForm::Container).await.unwrap();
        assert_eq!(bytes, Some(last.bytes.clone()));
        let bytes = client.block_bytes(at, BlockForm::Payload).await.unwrap();
        assert_eq!(bytes, Some(last.payload.clone()));
    }
    assert_eq!(client.block(BlockAt::Height(9)).await, Ok(None));
    assert_eq!(client.peers().await.unwrap().peers[0].latency_us, Some(1_500));
    assert_eq!(client.best_peers(1).await.unwrap().peers.len(), 1);
    assert_eq!(client.version().await.unwrap().network_id, 12_345);
    assert!(client.metrics().await.unwrap().contains("http_requests_total"));
    assert!(client.health().await.unwrap().healthy);
    assert!(client.ready().await.unwrap().healthy);
    *served.node.well.lock().unwrap() = false;
    let health = client.health().await.unwrap();
    assert_eq!((health.healthy, &*health.parts[0].name), (false, "disk"));
}

#[tokio::test]
async fn transactions_and_accounts_are_understood() {
    let served = Served::new().await;
    let client = client(&served);
    let paid = client.submit(&b"pay"[..]).await.unwrap();
    assert!(paid.is_final() && paid.height == Some(4) && paid.index == Some(0));
    assert_eq!(paid.receipt.unwrap().parse::<Value>().unwrap()["amount"], "1");
    let waits = client.submit_within(&b"w"[..], Duration::ZERO).await.unwrap();
    assert_eq!((waits.is_final(), waits.status), (false, TransactionStatus::Pending));
    assert_eq!(client.submit_no_wait(&b"w"[..]).await.unwrap(), Id::hash(b"w"));
    assert_eq!(client.pending(1).await.unwrap().count, 2);
    assert_eq!(client.transaction(Id::hash(b"pay")).await.unwrap().unwrap().height, Some(4));
    assert_eq!(client.transaction(Id::hash(b"nobody's")).await, Ok(None));
    let batch = frame([&b"one"[..], b"!"]);
    let answer = client.submit_batch(batch.clone(), true).await.unwrap();
    assert_eq!(answer.ids, Some(vec![Some(Id::hash(b"one")), None]));
    let answer = client.submit_batch(batch, false).await.unwrap();
    assert_eq!((answer.admitted, answer.ids, &*answer.refused[0].code), (1, None, "funds"));
    let address = Id::hash(b"me").to_string();
    let account: Value = client.account(&address, true).await.unwrap();
    assert_eq!(account, json!({ "address": address, "query": "proof=true" }));
    let page = client.account_transactions(&address, None, 1).await.unwrap();
    assert_eq!((page.transactions[0].height, page.next.as_deref()), (2, Some("2-1")));
    let page = client.account_transactions(&address, page.next.as_deref(), 1).await.unwrap();
    assert_eq!(page.next, None);
}

#[tokio::test]
async fn refusals_have_their_code_and_say_whether_to_try_again() {
    let served = Served::new().await;
    let client = client(&served);
    for (byte, expected, again) in [
        (first::POOR, (400, "funds"), false),
        (first::FULL, (429, "full"), true),
        (first::NOT_READY, (503, "not_ready"), true),
        (first::DROPPED, (400, "nonce"), false),
    ] {
        let error = client.submit(vec![byte]).await.unwrap_err();
        assert_eq!(error.may_retry(), again, "{error}");
        let ClientError::Api { status, body, retry_after } = error else { panic!("{error}") };
        assert_eq!((status, &*body.code), expected);
        assert_eq!(retry_after, again.then_some(Duration::from_secs(1)));
    }
    let error = client.clone().with_chain("nothing").status().await.unwrap_err();
    assert_eq!(error.code(), Some("unknown_chain"));
    // A block that is not there is no error, a chain that is not there is one.
    assert!(client.with_chain("nothing").block(BlockAt::Last).await.is_err());
}

#[tokio::test]
async fn nobody_at_the_address_says_the_address_and_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::new(&url).unwrap().status().await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{text}");
    assert!(text.contains(&url) && text.contains("start a node"), "{text}");
    assert!(text.to_lowercase().contains("refused"), "{text}");
    let events = Client::new(&url).unwrap().events(&Default::default()).await.unwrap_err();
    assert!(matches!(events, ClientError::Unreachable { .. }), "{events}");
}

#[tokio::test]
async fn what_is_no_node_is_unexpected() {
    for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "HTTP/1.1 502 Bad\r\n\r\nhi"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            _ = stream.read(&mut [0; 1_024]).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let error = Client::new(&url).unwrap().status().await.unwrap_err();
        assert!(matches!(error, ClientError::Unexpected { .. }), "{error}");
        assert!(error.to_string().contains("check the address"), "{error}");
    }
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_not_waited_for_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(&url).unwrap().with_timeout(Duration::from_millis(50));
    let error = client.status().await.unwrap_err();
    assert!(error.to_string().contains("no answer within 50ms"), "{error}");
}

#[test]
fn urls_are_checked() {
    for (url, says) in [
        ("", "http://127.0.0.1:8000"),
        ("127.0.0.1:8000", "does not begin with http://"),
        ("localhost", "does not begin with http://"),
        ("https://node", "proxy"),
        ("ftp://node", "http://"),
        ("http://", "http://"),
        ("http://node?x=1", "query"),
    ] {
        let text = Client::new(url).unwrap_err().to_string();
        assert!(text.contains(says), "{says:?} in {text}");
    }
    assert_eq!(Client::new("http://node:1/").unwrap().url(), "http://node:1");
    assert_eq!(Client::new(Client::DEFAULT_URL).unwrap().url(), Client::DEFAULT_URL);
}

#[tokio::test]
async fn a_token_goes_with_each_request_and_is_never_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(&url).unwrap().with_token("s3cret").unwrap();
    assert!(!format!("{client:?}").contains("s3cret"));
    assert_eq!(Client::new(&url).unwrap().with_token("a\nb").unwrap_err(), ClientError::Token);
    let asked = tokio::spawn(async move { client.status().await });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = vec![0; 4_096];
    let read = stream.read(&mut head).await.unwrap();
    let head = String::from_utf8(head[..read].to_vec()).unwrap();
    assert!(head.contains("authorization: Bearer s3cret\r\n"), "{head}");
    drop(stream);
    assert!(asked.await.unwrap().is_err());
}

#[tokio::test]
async fn through_the_forwarder_another_node_takes_over() {
    let [first, second] = [Served::new().await, Served::new().await];
    second.node.payments.accept(&[b"more".to_vec()]);
    second.node.payments.accept(&[b"again".to_vec()]);
    let backends = vec![first.address, second.address];
    let (_sender, receiver) = watch::channel(backends);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let forwarder = Forwarder::start(listener, receiver, ForwardConfig::default()).unwrap();
    let client = Client::new(&format!("http://{}", forwarder.address())).unwrap();
    assert_eq!(client.chain().await.unwrap().last_accepted.height, 3);
    let mut events = client.events(&EventsQuery::default()).await.unwrap();
    let block = first.node.payments.accept(&[]);
    let event = events.recv().await.unwrap();
    assert!(matches!(event, Event::Blocks { block: told, .. } if told.id == block.id));
    let address = first.address;
    first.stop().await;
    let ended = events.recv().await.unwrap_err();
    assert!(matches!(ended, ClientError::Closed { .. }), "{ended}");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    // The connection that was kept ends with the first node, which the client may learn late.
    let chain = match client.chain().await {
        Ok(chain) => chain,
        Err(error) => {
            assert!(error.may_retry(), "{error}");
            client.chain().await.unwrap()
        }
    };
    assert_eq!(chain.last_accepted.height, 5);
    second.stop().await;
    let refused = loop {
        match client.chain().await {
            Err(ClientError::Api { status, body, .. }) => break (status, body.code),
            Err(error) => assert!(error.may_retry(), "{error}"),
            Ok(chain) => panic!("{chain:?}"),
        }
    };
    assert_eq!(refused, (503, "no_node".to_owned()));
}
