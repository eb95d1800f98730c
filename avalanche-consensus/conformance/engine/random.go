package main

import (
	"math"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/snow/consensus/snowball"
)

// player plays the network against the engine.
type player struct {
	*driver
	p      profile
	target *node
	steps  int // how long the target is kept
}

func (d *driver) chance(of100 int) bool { return d.rng.IntN(100) < of100 }

func randomTrace(p profile, seed uint64) *driver {
	// The draws for the setup come from a driver's own stream: a first, empty one.
	setup := &driver{rng: newRand(seed ^ 0xabcdef)}
	o := options{seed: seed, name: p.name}
	rng := setup.rng
	vdrs := []int{1, 2, 3, 3, 4, 4, 5, 6}[rng.IntN(8)]
	if p.sparse {
		vdrs = 1 + rng.IntN(2)
	}
	o.own = setup.chance(p.own)
	k := 0
	if o.own {
		k++
	}
	for range vdrs {
		weight := 1
		if setup.chance(25) {
			weight += rng.IntN(3)
		}
		o.weights = append(o.weights, uint64(weight))
		k += weight
	}
	if p.defaults || (vdrs >= 4 && setup.chance(6)) {
		// The default parameters, with the 20 units shared among few or among 20.
		o.params = snowball.DefaultParameters
		o.weights = nil
		rest := 20
		if o.own {
			rest--
		}
		for rest > 0 {
			weight := min(rest, 1+rng.IntN(7))
			o.weights = append(o.weights, uint64(weight))
			rest -= weight
		}
		if setup.chance(10) {
			o.weights = nil
			for range 20 {
				o.weights = append(o.weights, 1)
			}
			o.own = false
		}
	} else {
		o.params = snowball.DefaultParameters
		o.params.K = k
		o.params.AlphaPreference = k/2 + 1 + rng.IntN(k-k/2)
		o.params.AlphaConfidence = o.params.AlphaPreference + rng.IntN(k-o.params.AlphaPreference+1)
		o.params.Beta = 1 + rng.IntN(4)
		o.params.ConcurrentRepolls = 1 + rng.IntN(o.params.Beta)
		o.params.OptimalProcessing = 1 + rng.IntN(5)
		if setup.chance(50) {
			o.params.OptimalProcessing = 10
		}
	}
	o.others = rng.IntN(3)
	o.partial = setup.chance(p.partial)
	o.oracle = setup.chance(p.startOracle)
	o.parsed = setup.chance(35)
	o.rejected = setup.chance(50)
	o.index = setup.chance(75)
	o.height = uint64(rng.IntN(30))
	if setup.chance(3) {
		o.height = math.MaxUint64 - uint64(2+rng.IntN(6))
	}
	var d *driver
	// A trace ends before an event that does not end; that may be the first one.
	ended := ends(func() {
		d = newDriver(o)
		play := &player{driver: d, p: p}
		d.vm.build = play.build
		for d.events < p.events {
			play.step()
		}
	})
	if d == nil {
		d = &driver{count: map[string]int{}}
	}
	if !ended {
		d.count["trace cut before an endless event"]++
	}
	return d
}

// ends plays, and says whether that came to its end.
func ends(play func()) (ended bool) {
	defer func() {
		if reason := recover(); reason != nil && reason != errEndless {
			panic(reason)
		}
	}()
	play()
	return true
}

// last is the last accepted block.
func (d *driver) lastAccepted() *node {
	id, _ := d.consensus.LastAccepted()
	return d.vm.byID[id]
}

func (d *driver) preferred() *node { return d.vm.byID[d.consensus.Preference()] }

func (d *driver) processing() []*node {
	var found []*node
	for _, n := range d.world {
		if d.consensus.Processing(n.id) {
			found = append(found, n)
		}
	}
	return found
}

func (p *player) peer() ids.NodeID {
	var connected []ids.NodeID
	for _, node := range p.nodes {
		if p.connected.Contains(node) {
			connected = append(connected, node)
		}
	}
	if len(connected) == 0 {
		return ids.EmptyNodeID
	}
	return connected[p.rng.IntN(len(connected))]
}

// newTarget is what the network converges on for a while.
func (p *player) newTarget() {
	p.steps = 3 + p.rng.IntN(4*len(p.weights)+4)
	switch roll := p.rng.IntN(100); {
	case roll < 55:
		p.target = p.preferred()
	case roll < 80:
		p.target = p.pick(p.processing())
	case roll < 90:
		p.target = p.invent()
	default:
		p.target = p.recent()
	}
}

// ancestorAt is the ancestor of a block at a height, or else the block.
func (p *player) ancestorAt(n *node, height uint64) ids.ID {
	for at := n; at != nil; at = p.vm.byID[at.parent] {
		if at.height == height {
			return at.id
		}
		if at.height < height {
			break
		}
	}
	return n.id
}

func (p *player) requestedHeight() uint64 {
	height := p.lastAccepted().height
	switch roll := p.rng.IntN(100); {
	case roll < 60:
		return height + 1
	case roll < 75:
		return height - uint64(p.rng.IntN(int(min(height, 4))+1))
	case roll < 92:
		return height + uint64(p.rng.IntN(4))
	case roll < 96:
		return uint64(p.rng.IntN(int(min(height, 1_000_000)) + 1))
	default:
		return math.MaxUint64
	}
}

func (p *player) requestID() uint32 {
	if len(p.open) > 0 && p.chance(20) {
		return p.open[p.rng.IntN(len(p.open))].id
	}
	return p.rng.Uint32N(1_000_000)
}

func (p *player) step() {
	if p.steps == 0 || p.target == nil {
		p.newTarget()
	}
	p.steps--
	roll := p.rng.IntN(100)
	under := func(part int) bool {
		hit := roll >= 0 && roll < part
		roll -= part
		return hit
	}
	from := p.peer()
	switch {
	case under(p.p.push):
		if from == ids.EmptyNodeID {
			p.reconnect()
			return
		}
		n := p.recent()
		if p.chance(75) {
			n = p.invent()
		}
		if p.chance(3) {
			n = nil
		}
		p.pushQuery(from, p.requestID(), n, p.requestedHeight())
	case under(p.p.pull):
		if from == ids.EmptyNodeID {
			p.reconnect()
			return
		}
		id := p.recent().id
		if p.chance(40) {
			id = p.invent().id
		} else if p.chance(8) {
			id = p.bogus()
		}
		p.pullQuery(from, p.requestID(), id, p.requestedHeight())
	case under(p.p.gets):
		p.answerGet()
	case under(p.p.notify):
		p.driver.notify()
	case under(p.p.gossip):
		p.doGossip()
	case under(p.p.connect):
		p.switchPeer()
	case under(p.p.weigh):
		p.reweigh()
	default:
		p.answerQuery()
	}
}

func (p *player) reconnect() {
	for _, node := range p.nodes {
		if !p.connected.Contains(node) {
			p.connect(node)
			return
		}
	}
}

func (p *player) switchPeer() {
	node := p.nodes[p.rng.IntN(len(p.nodes))]
	switch {
	case !p.connected.Contains(node):
		p.connect(node)
	case p.chance(50):
		p.disconnect(node)
	default:
		p.reconnect()
	}
}

func (p *player) reweigh() {
	node := p.nodes[p.rng.IntN(len(p.nodes))]
	before, room := p.weights[node], uint64(p.params.K)-min(p.total(), uint64(p.params.K))
	switch {
	case room > 0 && p.chance(70):
		// Back to where every sample is everybody.
		p.weigh(node, before+1+uint64(p.rng.IntN(int(room))))
	case before > 0 && p.total() > 1:
		p.weigh(node, uint64(p.rng.IntN(int(before))))
	}
}

// choose is an open request, mostly the oldest; those whose peer was drawn at random stay open.
func (p *player) choose(get bool) (request, bool) {
	found := p.find(get, func(r request) bool { return !r.gossip })
	if len(found) == 0 {
		return request{}, false
	}
	if p.chance(55) {
		return found[0], true
	}
	return found[p.rng.IntN(len(found))], true
}

func (p *player) answerGet() {
	r, ok := p.choose(true)
	if !ok {
		p.answerQuery()
		return
	}
	n := p.vm.byID[r.blk]
	switch roll := p.rng.IntN(100); {
	case roll < p.p.fail || !p.connected.Contains(r.to):
		p.getFailed(r)
	case roll < p.p.fail+p.p.wrong:
		if p.chance(40) {
			p.put(r, nil)
		} else {
			p.put(r, p.recent())
		}
	case n == nil:
		p.getFailed(r)
	default:
		p.put(r, n)
	}
}

func (p *player) doGossipOrPush() {
	from := p.peer()
	if from == ids.EmptyNodeID || p.chance(10) {
		p.doGossip()
		return
	}
	p.pushQuery(from, p.requestID(), p.invent(), p.requestedHeight())
}

func (p *player) answerQuery() {
	r, ok := p.choose(false)
	if !ok {
		p.doGossipOrPush()
		return
	}
	if !p.connected.Contains(r.to) || p.chance(p.p.fail) {
		p.queryFailed(r)
		return
	}
	last := p.lastAccepted()
	preferred := p.target
	if !p.chance(p.p.honest) {
		switch roll := p.rng.IntN(100); {
		case roll < 35:
			preferred = p.pick(p.processing())
		case roll < 60:
			preferred = p.recent()
		case roll < 75:
			preferred = p.refused()
		case roll < 90:
			preferred = p.invent()
		default:
			preferred = last
		}
	}
	pref, at := preferred.id, p.ancestorAt(preferred, r.height)
	if p.chance(4) {
		pref = p.bogus()
	}
	switch roll := p.rng.IntN(100); {
	case roll < 70:
	case roll < 78:
		at = pref
	case roll < 90:
		at = p.pick(p.processing()).id
	case roll < 97:
		at = p.recent().id
	default:
		at = p.bogus()
	}
	behind := last
	if p.chance(25) {
		behind = p.recent()
	}
	height := behind.height
	if p.chance(5) {
		height += uint64(p.rng.IntN(5))
	}
	p.chits(r, pref, at, behind.id, height)
}
