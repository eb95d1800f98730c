package main

import (
	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/snow/engine/common"
)

// What the engine is told.

// answered takes an entry out of the table.
func (d *driver) answered(r request) {
	for i, open := range d.open {
		if open == r {
			d.open = append(d.open[:i], d.open[i+1:]...)
			return
		}
	}
	panic("answer to nothing")
}

func (d *driver) event(op string, members map[string]any, input func() error) {
	members["t"], members["op"] = "engine", op
	d.count["event "+op]++
	d.record(members, input)
}

// put answers a Get; nil is what cannot be parsed.
func (d *driver) put(r request, n *node) {
	d.answered(r)
	blk, bytes := any(nil), content[:1]
	if n != nil {
		blk, bytes = hex(n.id), content[:n.length]
	}
	switch {
	case n == nil:
		d.count["put unparsable"]++
	case n.id != r.blk:
		d.count["put of another block"]++
	}
	d.event("put", map[string]any{"node": nodeHex(r.to), "req": r.id, "block": blk}, func() error {
		return d.engine.Put(d.ctx, r.to, r.id, bytes)
	})
}

func (d *driver) getFailed(r request) {
	d.answered(r)
	d.event("get_failed", map[string]any{"node": nodeHex(r.to), "req": r.id}, func() error {
		return d.engine.GetFailed(d.ctx, r.to, r.id)
	})
}

func (d *driver) chits(r request, preferred, atHeight, last ids.ID, height uint64) {
	d.answered(r)
	d.event("chits", map[string]any{
		"node": nodeHex(r.to), "req": r.id, "pref": hex(preferred), "at": hex(atHeight),
		"last": hex(last), "height": num(height),
	}, func() error {
		return d.engine.Chits(d.ctx, r.to, r.id, preferred, atHeight, last, height)
	})
}

func (d *driver) queryFailed(r request) {
	d.answered(r)
	d.event("query_failed", map[string]any{"node": nodeHex(r.to), "req": r.id}, func() error {
		return d.engine.QueryFailed(d.ctx, r.to, r.id)
	})
}

func (d *driver) pullQuery(from ids.NodeID, id uint32, blk ids.ID, height uint64) {
	d.event("pull_query", map[string]any{
		"node": nodeHex(from), "req": id, "id": hex(blk), "height": num(height),
	}, func() error { return d.engine.PullQuery(d.ctx, from, id, blk, height) })
}

func (d *driver) pushQuery(from ids.NodeID, id uint32, n *node, height uint64) {
	blk, bytes := any(nil), content[:1]
	if n != nil {
		blk, bytes = hex(n.id), content[:n.length]
	}
	d.event("push_query", map[string]any{
		"node": nodeHex(from), "req": id, "block": blk, "height": num(height),
	}, func() error { return d.engine.PushQuery(d.ctx, from, id, bytes, height) })
}

func (d *driver) notify() {
	d.event("notify", map[string]any{}, func() error { return d.engine.Notify(d.ctx, common.PendingTxs) })
}

func (d *driver) doGossip() {
	idle := d.consensus.NumProcessing() == 0
	d.isolated = idle && len(d.gossipCandidates()) > 1
	d.event("gossip", map[string]any{"any": d.isolated}, func() error { return d.engine.Gossip(d.ctx) })
	d.isolated = false
}

func (d *driver) connect(node ids.NodeID) {
	d.connected.Add(node)
	d.event("connected", map[string]any{"node": nodeHex(node)}, func() error {
		return d.tracker.Connected(d.ctx, node, nil)
	})
}

func (d *driver) disconnect(node ids.NodeID) {
	d.connected.Remove(node)
	d.event("disconnected", map[string]any{"node": nodeHex(node)}, func() error {
		return d.tracker.Disconnected(d.ctx, node)
	})
}

// weigh gives a validator another weight; 0 takes it out of the set.
func (d *driver) weigh(node ids.NodeID, weight uint64) {
	before := d.weights[node]
	if before == weight {
		return
	}
	d.weights[node] = weight
	d.event("weight", map[string]any{"node": nodeHex(node), "weight": num(weight)}, func() error {
		switch {
		case before == 0:
			return d.manager.AddStaker(ids.Empty, node, nil, ids.Empty, weight)
		case weight > before:
			return d.manager.AddWeight(ids.Empty, node, weight-before)
		default:
			return d.manager.RemoveWeight(ids.Empty, node, before-weight)
		}
	})
}

func (d *driver) total() uint64 {
	total := uint64(0)
	for _, weight := range d.weights {
		total += weight
	}
	return total
}
