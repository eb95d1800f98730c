package main

import (
	"math"
)

func (p *player) pick(nodes []*node) *node {
	if len(nodes) == 0 {
		return p.lastAccepted()
	}
	return nodes[p.rng.IntN(len(nodes))]
}

// recent is one of the newest blocks of the world.
func (p *player) recent() *node {
	const window = 12
	at := len(p.world) - 1 - p.rng.IntN(min(window, len(p.world)))
	return p.world[at]
}

// room says whether a block can still have children.
func room(n *node) bool { return n.height < math.MaxUint64-1 }

// invent makes a block somewhere interesting.
func (p *player) invent() *node {
	var parent *node
	switch roll := p.rng.IntN(100); {
	case roll < p.p.hole:
		// One that this node has to ask for, or one on top of a few of those.
		parent = p.lastAccepted()
		if p.chance(60) {
			parent = p.pick(p.processing())
		}
		for range 1 + p.rng.IntN(3) {
			if room(parent) {
				parent = p.finish(parent)
			}
		}
		if p.chance(8) {
			return p.dress(p.orphan(parent.height))
		}
	case roll < p.p.hole+(100-p.p.hole)*45/100:
		parent = p.preferred()
	case roll < p.p.hole+(100-p.p.hole)*70/100:
		parent = p.pick(p.processing())
	case roll < p.p.hole+(100-p.p.hole)*80/100:
		parent = p.lastAccepted()
	default:
		parent = p.recent()
	}
	if parent.options != nil {
		if p.chance(80) {
			return parent.options[p.rng.IntN(2)]
		}
		return p.finishAs(parent, rule{kind: "never"})
	}
	if !room(parent) {
		parent = p.lastAccepted()
	}
	return p.finish(parent)
}

func (p *player) finishAs(parent *node, r rule) *node {
	if !room(parent) {
		return parent
	}
	return p.with(p.child(parent), r)
}

func (p *player) finish(parent *node) *node {
	if parent.options != nil {
		return parent.options[p.rng.IntN(2)]
	}
	if p.chance(p.p.tall) {
		n := p.child(parent)
		n.height += uint64(p.rng.IntN(4))
		n.height -= uint64(p.rng.IntN(3))
		n.tall = n.height != parent.height+1
		if n.tall {
			n.rule = rule{kind: "never"}
		}
		return n
	}
	return p.dress(p.child(parent))
}

// dress gives a new block its properties.
func (p *player) dress(n *node) *node {
	switch {
	case p.chance(p.p.invalid):
		n.rule = rule{kind: "never"}
	case p.chance(p.p.conditional):
		switch p.rng.IntN(5) {
		case 0:
			n.rule = rule{kind: "fails", times: 1 + p.rng.IntN(2)}
		case 1, 2:
			n.rule = rule{kind: "needs", on: n.parent}
		case 3:
			n.rule = rule{kind: "needs", on: p.recent().id}
		default:
			n.rule = rule{kind: "expires", on: p.recent().id}
		}
	}
	n.stored = p.chance(p.p.stored)
	if p.chance(p.p.big) {
		delete(p.vm.byLength, n.length)
		n.length = bigLength + p.serial
		p.vm.byLength[n.length] = n
	}
	if n.rule.kind != "never" && p.chance(p.p.oracle) && n.height < math.MaxUint64-2 {
		p.makeOracle(n)
		for _, option := range n.options {
			if p.chance(15) {
				option.rule = rule{kind: "never"}
			} else if p.chance(10) {
				option.rule = rule{kind: "needs", on: n.id}
			} else if p.chance(4) {
				p.makeOracle(option)
			}
		}
	}
	return n
}

// refused is a block that was not valid, perhaps long ago.
func (p *player) refused() *node {
	var found []*node
	for _, n := range p.world {
		if n.attempts > 0 && n.status == unseen {
			found = append(found, n)
		}
	}
	return p.pick(found)
}

func (p *player) build() *node {
	if p.chance(12) {
		return nil
	}
	parent := p.vm.byID[p.vm.prefers]
	if p.chance(15) {
		parent = p.recent()
	}
	if p.chance(5) {
		parent = p.invent()
	}
	if parent.options != nil {
		return parent.options[p.rng.IntN(2)]
	}
	if !room(parent) || parent.status == accepted && parent != p.lastAccepted() && p.chance(70) {
		return nil
	}
	return p.finish(parent)
}
