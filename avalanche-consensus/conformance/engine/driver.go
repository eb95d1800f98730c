package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sort"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/snow"
	"github.com/ava-labs/avalanchego/snow/consensus/snowball"
	"github.com/ava-labs/avalanchego/snow/consensus/snowman"
	"github.com/ava-labs/avalanchego/snow/engine/common"
	"github.com/ava-labs/avalanchego/snow/engine/common/tracker"
	engine "github.com/ava-labs/avalanchego/snow/engine/snowman"
	"github.com/ava-labs/avalanchego/snow/validators"
	"github.com/ava-labs/avalanchego/utils/logging"
	"github.com/ava-labs/avalanchego/utils/set"
)

type acceptor struct{}

func (acceptor) Accept(*snow.ConsensusContext, ids.ID, []byte) error { return nil }

// request is what a peer was asked and has not answered; AvalancheGo's router keeps the same table
// and lets one answer to each entry through.
type request struct {
	to     ids.NodeID
	id     uint32
	get    bool
	blk    ids.ID
	height uint64 // of a query
	gossip bool   // whom it went to was drawn at random
}

// peers replaces the one draw that the engine makes there, from a map, by one that can be repeated.
type peers struct {
	tracker.Peers
	d *driver
}

func (p peers) SampleValidator() (ids.NodeID, bool) {
	candidates := p.d.gossipCandidates()
	if len(candidates) == 0 {
		return ids.EmptyNodeID, false
	}
	return candidates[p.d.rng.IntN(len(candidates))], true
}

var errEndless = errors.New("the node talks to itself for ever")

// driver holds one engine, the world round it, and writes down what happens.
type driver struct {
	common.Sender // the rest of the interface is never called

	rng       *rand.Rand
	ctx       context.Context
	own       ids.NodeID
	params    snowball.Parameters
	vm        *vm
	consensus *snowman.Topological
	engine    *engine.Engine
	registry  *prometheus.Registry
	manager   validators.Manager
	tracker   tracker.Peers
	weights   map[ids.NodeID]uint64
	connected set.Set[ids.NodeID]
	nodes     []ids.NodeID // everybody else

	log      log
	out      bytes.Buffer
	open     []request
	internal []func() error
	gossip   bool
	isolated bool // gossip had several candidates
	events   int
	count    map[string]int
	fresh    []*node // made but not declared yet
	world    []*node
	serial   int
	header   map[string]any
}

type options struct {
	seed     uint64
	name     string
	params   snowball.Parameters
	own      bool // this node is a validator too, of weight 1
	weights  []uint64
	others   int // peers that are no validators
	partial  bool
	oracle   bool // the last accepted block is an oracle
	parsed   bool // keepsParsed
	rejected bool // keepsRejected
	index    bool // indexesHeights
	height   uint64
	start    func(d *driver, last *node) // prepares the world before the engine starts
}

func newDriver(o options) *driver {
	rng := rand.New(rand.NewPCG(o.seed, 0x5e0a11))
	d := &driver{
		rng: rng, ctx: context.Background(), params: o.params, weights: map[ids.NodeID]uint64{},
		count: map[string]int{},
	}
	d.vm = &vm{
		keepsParsed: o.parsed, keepsRejected: o.rejected, indexesHeights: o.index,
		log: &d.log, count: d.count,
		byID: map[ids.ID]*node{}, byLength: map[int]*node{}, byHeight: map[uint64]ids.ID{},
		build: func() *node { return nil },
	}
	d.own = d.nodeID()
	for range len(o.weights) + o.others {
		d.nodes = append(d.nodes, d.nodeID())
	}
	sort.Slice(d.nodes, func(i, j int) bool { return d.nodes[i].Compare(d.nodes[j]) < 0 })

	registry := prometheus.NewRegistry()
	d.registry = registry
	d.manager = validators.NewManager()
	d.tracker = tracker.NewPeers()
	d.consensus = &snowman.Topological{Factory: snowball.SnowflakeFactory}
	snowCtx := &snow.ConsensusContext{
		Context:       &snow.Context{NodeID: d.own, Log: logging.NoLog{}},
		Registerer:    registry,
		BlockAcceptor: acceptor{}, TxAcceptor: acceptor{}, VertexAcceptor: acceptor{},
	}
	d.manager.RegisterSetCallbackListener(snowCtx.SubnetID, d.tracker)
	built, err := engine.New(engine.Config{
		Ctx: snowCtx, VM: d.vm, Sender: d, Validators: d.manager,
		ConnectedValidators: peers{d.tracker, d},
		Params:              o.params, Consensus: d.consensus, PartialSync: o.partial,
	})
	must(err)
	d.engine = built

	last := &node{id: d.id(), parent: d.id(), height: o.height, status: accepted}
	d.adopt(last)
	d.vm.last, d.vm.prefers = last, last.id
	d.vm.byHeight[last.height] = last.id
	if o.oracle {
		d.makeOracle(last)
	}
	if o.start != nil {
		o.start(d, last)
	}

	var listed, connected []any
	stake := func(node ids.NodeID, weight uint64) {
		d.weights[node] = weight
		must(d.manager.AddStaker(snowCtx.SubnetID, node, nil, ids.Empty, weight))
		listed = append(listed, []any{nodeHex(node), num(weight)})
	}
	if o.own {
		stake(d.own, 1)
	}
	for i, weight := range o.weights {
		stake(d.nodes[i], weight)
	}
	must(d.tracker.Connected(d.ctx, d.own, nil))
	for _, node := range d.nodes {
		d.connected.Add(node)
		must(d.tracker.Connected(d.ctx, node, nil))
		connected = append(connected, nodeHex(node))
	}
	d.header = map[string]any{
		"t": "engine", "op": "init", "v": 1, "src": source, "seed": num(o.seed), "name": o.name,
		"params": map[string]any{
			"k": o.params.K, "ap": o.params.AlphaPreference, "ac": o.params.AlphaConfidence,
			"beta": o.params.Beta, "repolls": o.params.ConcurrentRepolls,
			"optimal": o.params.OptimalProcessing,
		},
		"partial": o.partial, "own": nodeHex(d.own), "validators": listed, "connected": connected,
		"last": hex(last.id), "height": num(last.height),
		"vm": map[string]any{"parsed": o.parsed, "rejected": o.rejected, "index": o.index},
	}
	d.record(d.header, func() error { return d.engine.Start(d.ctx, 0) })
	return d
}

func nodeHex(node ids.NodeID) string { return hex(ids.ID(append(node[:], make([]byte, 12)...)))[:40] }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// record carries out one input and writes down the event.
func (d *driver) record(event map[string]any, input func() error) {
	d.log.entries = nil
	d.vm.builds = nil
	var declared []any
	for _, n := range d.fresh {
		declared = append(declared, n.json())
	}
	d.fresh = nil
	must(input())
	// What the node tells itself, and requests that fail at once, come before anything else.
	for turns := 0; len(d.internal) > 0; turns++ {
		if turns > 500 {
			// With itself among few validators a node can go on asking itself without end.
			panic(errEndless)
		}
		next := d.internal[0]
		d.internal = d.internal[1:]
		must(next())
	}
	// Blocks that the VM built meanwhile.
	for _, n := range d.fresh {
		declared = append(declared, n.json())
	}
	d.fresh = nil
	if declared != nil {
		event["blocks"] = declared
	}
	if d.vm.builds != nil {
		event["builds"] = d.vm.builds
	}
	log := d.log.entries
	if log == nil {
		log = []any{}
	}
	last, height := d.consensus.LastAccepted()
	gauges := d.gauges()
	event["out"] = map[string]any{
		"log": log,
		"state": map[string]any{
			"pref": hex(d.consensus.Preference()), "last": hex(last), "height": num(height),
			"n": d.consensus.NumProcessing(), "polls": gauges["polls"], "gets": gauges["requests"],
			"pending": gauges["blocked"], "blocked": gauges["blockers"] > 0,
		},
	}
	line, err := json.Marshal(event)
	must(err)
	d.out.Write(line)
	d.out.WriteByte('\n')
	d.events++
	accepts := 0
	for _, entry := range log {
		switch entry.([]any)[0] {
		case "accept":
			accepts++
			if accepts == 2 {
				d.count["event with several accepts"]++
			}
		case "verify":
			accepts = 0
		}
	}
}

// gauges are the engine's own figures; its fields cannot be seen from outside.
func (d *driver) gauges() map[string]int {
	families, err := d.registry.Gather()
	must(err)
	values := map[string]int{}
	for _, family := range families {
		if family.GetType() == dto.MetricType_GAUGE || family.GetType() == dto.MetricType_COUNTER {
			for _, metric := range family.Metric {
				value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
				values[family.GetName()] += int(value)
			}
		}
	}
	return values
}

func (d *driver) gossipCandidates() []ids.NodeID {
	var candidates []ids.NodeID
	for _, node := range d.nodes {
		if d.connected.Contains(node) && d.weights[node] > 0 {
			candidates = append(candidates, node)
		}
	}
	return candidates
}

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

// The world.

func (d *driver) nodeID() ids.NodeID {
	var node ids.NodeID
	for i := range node {
		node[i] = byte(d.rng.Uint32())
	}
	return node
}

// id makes a name: half of them random, half of them equal but for few bits.
func (d *driver) id() ids.ID {
	for {
		var id ids.ID
		if d.rng.IntN(2) == 0 {
			for i := range id {
				id[i] = byte(d.rng.Uint32())
			}
		} else {
			id[0] = byte(d.rng.Uint32())
			id[1] = byte(d.rng.Uint32()) & 0x0f
			id[31] = byte(d.rng.Uint32()) & 0x81
		}
		if _, taken := d.vm.byID[id]; !taken && id != ids.Empty {
			return id
		}
	}
}

func (d *driver) adopt(n *node) *node {
	d.serial++
	n.length = max(n.length, smallLength) + d.serial
	d.vm.byID[n.id], d.vm.byLength[n.length] = n, n
	d.fresh, d.world = append(d.fresh, n), append(d.world, n)
	return n
}

// child makes a block.
func (d *driver) child(parent *node) *node {
	return d.adopt(&node{id: d.id(), parent: parent.id, height: parent.height + 1})
}

// orphan makes a block on something that does not exist.
func (d *driver) orphan(height uint64) *node {
	return d.adopt(&node{id: d.id(), parent: d.id(), height: height})
}

func (d *driver) with(n *node, r rule) *node {
	n.rule = r
	return n
}

// makeOracle gives a block that was not declared yet two options.
func (d *driver) makeOracle(n *node) {
	n.options = []*node{d.child(n), d.child(n)}
}

func (d *driver) bogus() ids.ID { return d.id() }

func (d *driver) find(get bool, test func(request) bool) []request {
	var found []request
	for _, r := range d.open {
		if r.get == get && (test == nil || test(r)) {
			found = append(found, r)
		}
	}
	return found
}
