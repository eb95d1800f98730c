//! Five instances in one process agree on a value of your own type. No network, no runtime.
//!
//! Run it with `cargo run --release --example embed_consensus`.
//!
//! Each instance asks five weighted peers at a time what they prefer. Four equal answers make it
//! prefer that; eight such polls in a row make it final. [`Flat`] takes any ordered type; for many
//! rivals at once use `snowball::Tree`, and for chains of blocks `snowman::Topological`.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use avalanche_consensus::Bag;
use avalanche_consensus::sampler::SeededSampler;
use avalanche_consensus::snowball::{Flat, Parameters, Snowball};

/// What is decided. Yours can be anything that is ordered and cloned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Meeting {
    Monday { hour: u8 },
    Friday { place: String },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parameters = Parameters::new(5, 4, 4, 8)?;
    let (monday, friday) =
        (Meeting::Monday { hour: 9 }, Meeting::Friday { place: "harbour".into() });
    let wishes = [&monday, &friday, &monday, &friday, &friday];
    let mut nodes = wishes.map(|wish| Flat::<Snowball, _>::new(parameters, wish.clone()));
    // The weights of the five, and a seed: every run asks the same peers.
    let mut sampler = SeededSampler::new(&[300, 200, 200, 100, 100], [4; 32])?;
    let mut peers = Vec::new();
    for round in 1.. {
        for asking in 0..nodes.len() {
            sampler.sample_into(parameters.k(), &mut peers)?;
            let asked = peers.iter().filter_map(|peer| nodes.get(*peer as usize));
            let votes: Bag<Meeting> = asked.map(|peer| peer.preference().clone()).collect();
            nodes.get_mut(asking).ok_or("no such node")?.record_poll(&votes);
        }
        let friends = nodes.iter().filter(|node| *node.preference() == friday).count();
        let decided = nodes.iter().filter(|node| node.finalized()).count();
        println!("round {round:>2}: {friends} of 5 prefer Friday, {decided} have decided");
        if decided == nodes.len() {
            break;
        }
    }
    let [first, others @ ..] = nodes.each_ref().map(Flat::preference);
    println!("all five agree: {}, on {first:?}", others.iter().all(|other| *other == first));
    Ok(())
}
