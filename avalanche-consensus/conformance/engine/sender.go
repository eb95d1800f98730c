package main

import (
	"context"
	"sort"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/utils/set"
)

// What the engine sends.

func (d *driver) SendGet(_ context.Context, to ids.NodeID, id uint32, blk ids.ID) {
	d.count["get"]++
	failed := func() error { return d.engine.GetFailed(d.ctx, to, id) }
	switch {
	case to == d.own:
		d.count["get to itself"]++
		d.internal = append(d.internal, failed)
	case !d.connected.Contains(to):
		d.internal = append(d.internal, failed)
	default:
		d.log.add("get", nodeHex(to), id, hex(blk))
		d.open = append(d.open, request{to: to, id: id, get: true, blk: blk})
	}
}

func (d *driver) SendPullQuery(_ context.Context, to set.Set[ids.NodeID], id uint32, blk ids.ID, height uint64) {
	d.count["pull query"]++
	d.query("pull", to, id, blk, height, func() error {
		return d.engine.PullQuery(d.ctx, d.own, id, blk, height)
	})
}

func (d *driver) SendPushQuery(_ context.Context, to set.Set[ids.NodeID], id uint32, bytes []byte, height uint64) {
	d.count["push query"]++
	d.query("push", to, id, d.vm.byLength[len(bytes)].id, height, func() error {
		return d.engine.PushQuery(d.ctx, d.own, id, bytes, height)
	})
}

func (d *driver) query(kind string, to set.Set[ids.NodeID], id uint32, blk ids.ID, height uint64, itself func() error) {
	nodes := to.List()
	sort.Slice(nodes, func(i, j int) bool { return nodes[i].Compare(nodes[j]) < 0 })
	var sent []any
	for _, node := range nodes {
		switch {
		case node == d.own:
			d.count["query to itself"]++
			d.internal = append(d.internal, itself)
		case !d.connected.Contains(node):
			d.count["query to a lost peer"]++
			d.internal = append(d.internal, func() error { return d.engine.QueryFailed(d.ctx, node, id) })
		default:
			sent = append(sent, nodeHex(node))
			d.open = append(d.open, request{to: node, id: id, blk: blk, height: height, gossip: d.isolated})
		}
	}
	if sent != nil {
		d.log.add(kind, sent, id, hex(blk), num(height))
	}
}

func (d *driver) SendChits(_ context.Context, to ids.NodeID, id uint32, preferred, atHeight, last ids.ID, height uint64) {
	d.count["chits"]++
	if to == d.own {
		// The router's message to itself has no height.
		d.internal = append(d.internal, func() error {
			return d.engine.Chits(d.ctx, d.own, id, preferred, atHeight, last, 0)
		})
		return
	}
	d.log.add("chits", nodeHex(to), id, hex(preferred), hex(atHeight), hex(last), num(height))
}
