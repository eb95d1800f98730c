//! Lanes of an inbox: order, bounds, deadlines, and room that is given back.

use super::*;
use crate::network::Limits;
use crate::network::driver::Clock;
use crate::network::ticket::Places;
use crate::network::ticket::Room;
use crate::wire::build;

const CHAIN: Id = Id::new([7; 32]);

struct Bench {
    inbound: Arc<Inbound>,
    places: Arc<Places>,
}

impl Bench {
    fn new() -> Self {
        let inbound = Arc::new(Inbound::new(&Limits::default(), Clock::new()));
        Self { inbound, places: Arc::new(Places::new(1 << 20)) }
    }

    fn inbox(&self, config: InboxConfig) -> Inbox {
        Inbox::new(CHAIN, config, Arc::clone(&self.inbound))
    }

    /// A message whose request number is its name.
    async fn message(&self, class: Class, name: u32, deadline: Option<Duration>) -> Delivery {
        let wait = deadline.unwrap_or_default();
        let body = match class {
            Class::Control | Class::Consensus => build::get(CHAIN, name, wait, CHAIN),
            Class::Sync => build::get_accepted_frontier(CHAIN, name, wait),
            Class::App => build::app_request(CHAIN, name, wait, Vec::new().into()),
        };
        let held = self.inbound.hold(NodeId::EMPTY, 10).await;
        let room = Room::new(held, &self.places, self.places.take(1).await);
        let ticket = Ticket::Alone { _room: room };
        Delivery {
            node_id: NodeId::EMPTY,
            op: Op::of(&body).unwrap(),
            body,
            expires: deadline.map(|left| Instant::now() + left),
            len: 10,
            _ticket: Some(ticket),
        }
    }
}

fn name(message: &Delivery) -> u32 {
    crate::wire::route(&message.body).unwrap().unwrap().request_id.unwrap()
}

const fn lanes_of(messages: usize) -> InboxConfig {
    InboxConfig {
        lane_messages: messages,
        lane_bytes: 1 << 20,
        maximum_deadline: Duration::from_secs(10),
    }
}

#[tokio::test(start_paused = true)]
async fn consensus_goes_first_and_nobody_starves() {
    let bench = Bench::new();
    let mut inbox = bench.inbox(InboxConfig::default());
    let mut messages = VecDeque::new();
    for at in 0..100 {
        messages.push_back(bench.message(Class::App, 1_000 + at, None).await);
        messages.push_back(bench.message(Class::Sync, 2_000 + at, None).await);
    }
    for at in 0..100 {
        messages.push_back(bench.message(Class::Consensus, at, None).await);
    }
    inbox.shared.deliver(&mut messages).await;
    let mut order = Vec::new();
    inbox.recv_many(&mut order, 1_000).await;
    let order: Vec<_> = order.iter().map(name).collect();
    assert_eq!(order.len(), 300);
    // Before the last of consensus, the others had one turn in sixteen, shared by turns.
    let last = order.iter().position(|name| *name == 99).unwrap();
    let others = order.iter().take(last).filter(|name| **name >= 1_000).count();
    assert_eq!(others, last / Inbox::TURNS as usize);
    assert!(others > 4);
    for (least, most) in [(0, 1_000), (1_000, 2_000), (2_000, 3_000)] {
        let lane: Vec<_> = order.iter().filter(|name| (least..most).contains(*name)).collect();
        assert!(lane.is_sorted(), "first in, first out: {lane:?}");
        assert_eq!(lane.len(), 100);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_of_apps_drops_and_one_of_consensus_waits() {
    let bench = Bench::new();
    let mut inbox = bench.inbox(lanes_of(3));
    let mut messages = VecDeque::new();
    for at in 0..5 {
        messages.push_back(bench.message(Class::App, 1_000 + at, None).await);
        messages.push_back(bench.message(Class::Consensus, at, None).await);
        messages.push_back(bench.message(Class::Sync, 2_000 + at, None).await);
    }
    let shared = Arc::clone(&inbox.shared);
    let deliver = tokio::spawn(async move { shared.deliver(&mut messages).await });
    tokio::task::yield_now().await;
    assert!(!deliver.is_finished(), "the lane of consensus is full");
    let mut order = Vec::new();
    // The first three of each; then two of consensus, between which the other lanes are full.
    while order.len() < 11 {
        inbox.recv_many(&mut order, 3).await;
        tokio::task::yield_now().await;
    }
    deliver.await.unwrap();
    let mut names: Vec<_> = order.iter().map(name).collect();
    names.sort_unstable();
    let consensus: Vec<_> = names.iter().filter(|name| **name < 1_000).collect();
    assert_eq!(consensus.len(), 5, "no message of consensus is lost: {names:?}");
    let stats = inbox.stats();
    let kept = names.len() as u64;
    assert_eq!(kept + stats.dropped_app + stats.dropped_sync, 15);
    assert!(stats.dropped_app > 0 && stats.dropped_sync > 0, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_deadline_passed_is_not_handed_out() {
    let bench = Bench::new();
    let mut inbox = bench.inbox(InboxConfig::default());
    let soon = Some(Duration::from_millis(10));
    let mut messages = VecDeque::from([
        bench.message(Class::Consensus, 1, soon).await,
        bench.message(Class::Consensus, 2, Some(Duration::from_secs(5))).await,
        bench.message(Class::App, 3, Some(Duration::ZERO)).await,
        bench.message(Class::App, 4, None).await,
    ]);
    inbox.shared.deliver(&mut messages).await;
    tokio::time::advance(Duration::from_millis(20)).await;
    let mut order = Vec::new();
    inbox.recv_many(&mut order, 10).await;
    assert_eq!(order.iter().map(name).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(inbox.stats().expired, 2);
    assert!(order[0].time_left().unwrap() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn the_room_of_a_message_is_given_back_when_it_is_dropped_wherever_that_is() {
    let bench = Bench::new();
    let config = lanes_of(1);
    let mut inbox = bench.inbox(config);
    let mut messages = VecDeque::new();
    for at in 0..4 {
        // One is kept, one expires, two do not fit.
        let deadline = (at == 0).then_some(Duration::ZERO);
        messages.push_back(bench.message(Class::App, at, deadline).await);
    }
    messages.push_back(bench.message(Class::Sync, 9, None).await);
    assert_eq!(bench.places.taken(), 5);
    inbox.shared.deliver(&mut messages).await;
    assert_eq!(bench.places.taken(), 2);
    let message = inbox.recv().await.unwrap();
    assert_eq!((name(&message), bench.places.taken()), (9, 2));
    drop(message);
    assert_eq!(bench.places.taken(), 1);
    let late = tokio::time::timeout(Duration::from_secs(1), inbox.recv()).await;
    assert!(late.is_err(), "what is left has expired");
    assert_eq!(bench.places.taken(), 0);
    let mut more = VecDeque::from([bench.message(Class::App, 5, None).await]);
    inbox.shared.deliver(&mut more).await;
    drop(inbox);
    assert_eq!(bench.places.taken(), 0, "what nobody will receive is dropped");
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_a_message_or_with_the_inbox() {
    let bench = Bench::new();
    let mut inbox = bench.inbox(lanes_of(1));
    let shared = Arc::clone(&inbox.shared);
    let first = bench.message(Class::Consensus, 1, None).await;
    let second = bench.message(Class::Consensus, 2, None).await;
    let deliver = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        shared.deliver(&mut VecDeque::from([first, second])).await;
    });
    assert_eq!(name(&inbox.recv().await.unwrap()), 1);
    drop(inbox);
    deliver.await.unwrap();
    assert_eq!(bench.places.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_came_meanwhile_is_taken_without_waiting() {
    let bench = Bench::new();
    let mut inbox = bench.inbox(lanes_of(8));
    let mut taken = Vec::new();
    assert_eq!(inbox.try_recv_many(&mut taken, 8), 0);
    let mut messages = VecDeque::new();
    for at in 0..4 {
        messages.push_back(bench.message(Class::Consensus, at, None).await);
    }
    inbox.shared.deliver(&mut messages).await;
    assert_eq!(inbox.recv_many(&mut taken, 1).await, 1);
    assert_eq!(inbox.try_recv_many(&mut taken, 2), 2);
    assert_eq!(taken.iter().map(name).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(inbox.handed, [(NodeId::EMPTY, 3)], "the time counts for all of them");
    inbox.handled();
    assert_eq!(inbox.recv_many(&mut taken, 8).await, 1);
    assert_eq!(inbox.try_recv_many(&mut taken, 8), 0);
}

/// Messages of one lane pass in one piece; that changes neither their order nor what fits.
#[tokio::test(start_paused = true)]
async fn a_piece_of_one_lane_keeps_order_bounds_and_turns() {
    let bench = Bench::new();
    let mut inbox = bench.inbox(lanes_of(10));
    let mut taken = Vec::new();
    for (first, count, kept) in [(0, 6, 6), (10, 3, 3), (20, 4, 1)] {
        let mut messages = VecDeque::new();
        for at in first..first + count {
            messages.push_back(bench.message(Class::App, at, None).await);
        }
        assert!(inbox.shared.deliver(&mut messages).await);
        assert!(messages.is_empty());
        assert_eq!(inbox.stats().dropped_app, u64::from(count - kept));
    }
    assert_eq!(bench.places.taken(), 10);
    // All in one piece, then what is asked for one by one.
    assert_eq!(inbox.recv_many(&mut taken, 100).await, 10);
    let names: Vec<_> = taken.drain(..).map(|message| name(&message)).collect();
    assert_eq!(names, [0, 1, 2, 3, 4, 5, 10, 11, 12, 20]);
    assert_eq!(bench.places.taken(), 0);
    let mut messages = VecDeque::new();
    for at in 0..8 {
        let late = (at == 5).then_some(Duration::ZERO);
        messages.push_back(bench.message(Class::App, at, late).await);
    }
    assert!(inbox.shared.deliver(&mut messages).await);
    assert_eq!(inbox.recv_many(&mut taken, 100).await, 7, "one is late");
    assert_eq!(inbox.stats().expired, 1);
    assert_eq!(inbox.shared.lock().turns, 10 + 9, "a turn for each, and one that found nothing");
    assert_eq!(inbox.shared.lock().lanes.iter().map(|lane| lane.bytes).sum::<usize>(), 0);
}

#[tokio::test(start_paused = true)]
async fn time_is_recorded_once_there_is_enough_of_it_and_none_is_lost() {
    let bench = Bench::new();
    let mut inbox = bench.inbox(InboxConfig::default());
    let mut taken = Vec::new();
    for at in 0..10_u32 {
        let mut messages = VecDeque::from([bench.message(Class::App, at, None).await]);
        inbox.shared.deliver(&mut messages).await;
        inbox.recv_many(&mut taken, 8).await;
        tokio::time::advance(Duration::from_millis(1) / 25).await;
        inbox.handled();
        let unrecorded = 40 * ((at + 1) % 3);
        assert_eq!(inbox.busy_sum, Duration::from_micros(unrecorded.into()), "{at}");
    }
    let busy = bench.inbound.cpu_usage(&NodeId::EMPTY) * 15.0 / std::f64::consts::LN_2;
    assert!((busy - 360e-6).abs() < 5e-6, "{busy} s of 9 times 40 us");
}

#[tokio::test(start_paused = true)]
async fn a_closed_inbox_takes_nothing_and_says_so() {
    let bench = Bench::new();
    let inbox = bench.inbox(InboxConfig::default());
    let shared = Arc::clone(&inbox.shared);
    drop(inbox);
    let mut messages = VecDeque::from([bench.message(Class::App, 1, None).await]);
    assert!(!shared.deliver(&mut messages).await);
    assert_eq!(messages.len(), 1);
}
