//! The VM of `engine` traces: blocks with rules instead of a state.

use std::collections::{BTreeMap, VecDeque};

use avalanche_consensus::engine::{Answer, Call, ParsedBlock, Phase, Tip, Verdict};
use avalanche_consensus::snowman::Block;
use avalanche_consensus::{Height, Id};
use serde_json::{Value, json};

use super::json::{self, Fault, Object, hex};

/// Bytes of a block whose length does not matter.
const BLOCK_BYTES: u32 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Unseen,
    Verified,
    Accepted,
    Rejected,
}

/// When a block is valid.
#[derive(Debug)]
enum Rule {
    Always,
    Never,
    /// Not for the first so many times.
    Fails(u32),
    /// Not before this block is accepted.
    Needs(Id),
    /// Not once this block is accepted.
    Expires(Id),
}

#[derive(Debug)]
struct Known {
    block: ParsedBlock<()>,
    rule: Rule,
    options: Option<[Id; 2]>,
    stored: bool,
    parsed: bool,
    attempts: u32,
    status: Status,
}

/// How the VM behaves, and the blocks that there are.
#[derive(Debug)]
pub(crate) struct Vm {
    finds_parsed: bool,
    finds_rejected: bool,
    indexes_heights: bool,
    blocks: BTreeMap<Id, Known>,
    accepted: BTreeMap<Height, Id>,
    builds: VecDeque<Option<Id>>,
    tip: Tip,
}

impl Vm {
    pub(crate) fn new(init: Object<'_>) -> Result<Self, Fault> {
        let behaviour = init.object("vm")?;
        let tip = Tip { id: init.id("last")?, height: Height::new(init.u64("height")?) };
        let mut vm = Self {
            finds_parsed: behaviour.truth("parsed")?,
            finds_rejected: behaviour.truth("rejected")?,
            indexes_heights: behaviour.truth("index")?,
            blocks: BTreeMap::new(),
            accepted: BTreeMap::from([(tip.height, tip.id)]),
            builds: VecDeque::new(),
            tip,
        };
        vm.declare(init)?;
        vm.known(tip.id)?.status = Status::Accepted;
        Ok(vm)
    }

    /// Takes in the blocks that come up with an event, and those that are built in it.
    pub(crate) fn declare(&mut self, event: Object<'_>) -> Result<(), Fault> {
        for value in event.list("blocks")? {
            let line = Object::element(value, "blocks")?;
            let block = Block {
                id: line.id("id")?,
                parent: line.id("parent")?,
                height: Height::new(line.u64("height")?),
            };
            let bytes = line.find("len").map_or(Ok(BLOCK_BYTES), |_| line.u32("len"))?;
            let options = line.ids("options")?;
            let options = if options.is_empty() {
                None
            } else {
                let pair = options.try_into();
                Some(pair.map_err(|_| Fault::new("an oracle has two `options`"))?)
            };
            let known = Known {
                block: ParsedBlock { block, bytes, handle: () },
                rule: rule(line)?,
                options,
                stored: line.flag("stored")?,
                parsed: false,
                attempts: 0,
                status: Status::Unseen,
            };
            if self.blocks.insert(block.id, known).is_some() {
                return Err(Fault::new(format!("block {} is declared twice", block.id)));
            }
        }
        self.builds = event
            .list("builds")?
            .iter()
            .map(
                |built| {
                    if built.is_null() { Ok(None) } else { json::id(built, "builds").map(Some) }
                },
            )
            .collect::<Result<_, _>>()?;
        Ok(())
    }

    fn known(&mut self, id: Id) -> Result<&mut Known, Fault> {
        let unknown = || Fault::new(format!("block {id} is not in `blocks`"));
        self.blocks.get_mut(&id).ok_or_else(unknown)
    }

    /// The last accepted block, at which the engine begins.
    pub(crate) const fn tip(&self) -> Tip {
        self.tip
    }

    /// What a peer gave; `null` is what cannot be parsed.
    pub(crate) fn parse(&mut self, event: Object<'_>) -> Result<Option<ParsedBlock<()>>, Fault> {
        if event.get("block")?.is_null() {
            return Ok(None);
        }
        let known = self.known(event.id("block")?)?;
        known.parsed = true;
        Ok(Some(known.block))
    }

    pub(crate) fn accept(&mut self, block: &Block) -> Result<(), Fault> {
        self.accepted.insert(block.height, block.id);
        self.known(block.id)?.status = Status::Accepted;
        Ok(())
    }

    pub(crate) fn reject(&mut self, block: &Block) -> Result<(), Fault> {
        self.known(block.id)?.status = Status::Rejected;
        Ok(())
    }

    /// Answers a call, and writes down what the trace writes down.
    pub(crate) fn answer(
        &mut self,
        call: &Call<()>,
        log: &mut Vec<Value>,
    ) -> Result<Answer<()>, Fault> {
        Ok(match call {
            Call::EnterPhase(Phase::NormalOperation) => {
                let (tip, known) = (self.tip, self.known(self.tip.id)?.options);
                Answer::LastAccepted { tip, options: self.pair(known)? }
            }
            Call::Verify(block) => Answer::Verdict(self.verify(block.id(), log)?),
            Call::BuildBlock => {
                // More builds than recorded show in the log.
                let built = self.builds.pop_front().flatten();
                log.push(json!(["build", built.map(hex)]));
                Answer::Block(built.map(|id| self.known(id).map(|known| known.block)).transpose()?)
            }
            Call::GetBlock(id) => Answer::Block(self.find(id)),
            Call::BlockIdAtHeight(height) => {
                let found = self.accepted.get(height).filter(|_| self.indexes_heights);
                Answer::BlockId(found.copied())
            }
            other => return Err(Fault::new(format!("call {other:?} has no answer in traces"))),
        })
    }

    fn find(&self, id: &Id) -> Option<ParsedBlock<()>> {
        let known = self.blocks.get(id)?;
        let found = match known.status {
            Status::Verified | Status::Accepted => true,
            Status::Rejected => self.finds_rejected,
            Status::Unseen => known.stored || (self.finds_parsed && known.parsed),
        };
        found.then_some(known.block)
    }

    fn verify(&mut self, id: Id, log: &mut Vec<Value>) -> Result<Verdict<()>, Fault> {
        let accepted = |blocks: &BTreeMap<Id, Known>, id: &Id| {
            blocks.get(id).is_some_and(|known| known.status == Status::Accepted)
        };
        let valid = match self.blocks.get(&id).map(|known| (&known.rule, known.attempts)) {
            None => return Err(Fault::new(format!("block {id} is not in `blocks`"))),
            Some((Rule::Always, _)) => true,
            Some((Rule::Never, _)) => false,
            Some((Rule::Fails(times), attempts)) => attempts >= *times,
            Some((Rule::Needs(on), _)) => accepted(&self.blocks, on),
            Some((Rule::Expires(on), _)) => !accepted(&self.blocks, on),
        };
        log.push(json!(["verify", hex(id), valid]));
        let known = self.known(id)?;
        known.attempts += 1;
        if !valid {
            return Ok(Verdict::Invalid);
        }
        known.status = Status::Verified;
        let options = known.options;
        Ok(self.pair(options)?.map_or(Verdict::Valid, Verdict::Oracle))
    }

    fn pair(&mut self, options: Option<[Id; 2]>) -> Result<Option<[ParsedBlock<()>; 2]>, Fault> {
        let Some([first, second]) = options else { return Ok(None) };
        Ok(Some([self.known(first)?.block, self.known(second)?.block]))
    }
}

fn rule(block: Object<'_>) -> Result<Rule, Fault> {
    let parts = block.list("rule")?;
    let on = |value| json::id(value, "rule[1]");
    match (parts.first().and_then(Value::as_str), parts.get(1)) {
        (None, None) => Ok(Rule::Always),
        (Some("never"), None) => Ok(Rule::Never),
        (Some("fails"), Some(times)) => Ok(Rule::Fails(json::u32(times, "rule[1]")?)),
        (Some("needs"), Some(id)) => Ok(Rule::Needs(on(id)?)),
        (Some("expires"), Some(id)) => Ok(Rule::Expires(on(id)?)),
        _ => Err(Fault::malformed("rule", "one of the rules", &Value::from(parts))),
    }
}
