package main

import (
	"fmt"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/snow/consensus/snowball"
)

func params(k, preference, confidence, beta, repolls, optimal int) snowball.Parameters {
	p := snowball.DefaultParameters
	p.K, p.AlphaPreference, p.AlphaConfidence, p.Beta = k, preference, confidence, beta
	p.ConcurrentRepolls, p.OptimalProcessing = repolls, optimal
	return p
}

// scene makes a script with the given parameters and k validators of one unit each.
func scene(name string, p snowball.Parameters, play func(s *stage)) script {
	return script{name, func(seed uint64) *driver {
		o := options{seed: seed, name: "script " + name, params: p, others: 1, index: true}
		for range p.K {
			o.weights = append(o.weights, 1)
		}
		s := &stage{driver: newDriver(o)}
		s.genesis = s.vm.last
		for _, node := range s.nodes {
			if s.weights[node] > 0 {
				s.vdrs = append(s.vdrs, node)
			} else {
				s.other = node
			}
		}
		play(s)
		return s.driver
	}}
}

type stage struct {
	*driver
	genesis *node
	vdrs    []ids.NodeID
	other   ids.NodeID
}

// chain makes blocks on top of one another.
func (s *stage) chain(parent *node, length int) []*node {
	var chain []*node
	for range length {
		parent = s.child(parent)
		chain = append(chain, parent)
	}
	return chain
}

// give pushes blocks in this order.
func (s *stage) give(blocks ...*node) {
	for _, n := range blocks {
		s.pushQuery(s.vdrs[0], 0, n, 0)
	}
}

// asked is the oldest open request of a kind to a node.
func (s *stage) asked(get bool, of ids.NodeID) request {
	found := s.find(get, func(r request) bool { return r.to == of })
	if len(found) == 0 {
		panic("nothing was asked")
	}
	return found[0]
}

func (s *stage) fetch(of ids.NodeID, n *node) request {
	found := s.find(true, func(r request) bool { return r.to == of && r.blk == n.id })
	if len(found) != 1 {
		panic("the block was not asked for")
	}
	return found[0]
}

// vote answers the oldest query to a node.
func (s *stage) vote(of ids.NodeID, preferred, atHeight *node) {
	s.chits(s.asked(false, of), preferred.id, atHeight.id, s.genesis.id, s.genesis.height)
}

func (s *stage) all(preferred *node) {
	for _, vdr := range s.vdrs {
		s.vote(vdr, preferred, preferred)
	}
}

func (s *stage) drop(of ids.NodeID) { s.queryFailed(s.asked(false, of)) }

func want(status status, blocks ...*node) {
	for _, n := range blocks {
		if n.status != status {
			panic(fmt.Sprintf("block %s has status %d, not %d", hex(n.id), n.status, status))
		}
	}
}

func check(ok bool, what string) {
	if !ok {
		panic(what)
	}
}

// give2 pushes a block from a given peer.
func (s *stage) give2(from ids.NodeID, n *node) { s.pushQuery(from, 0, n, 0) }
