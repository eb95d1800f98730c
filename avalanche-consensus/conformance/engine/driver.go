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
