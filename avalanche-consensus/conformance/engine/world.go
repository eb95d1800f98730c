package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/snow/consensus/snowman"
)

type status int

const (
	unseen status = iota
	verified
	accepted
	rejected
)

// rule says when a block is valid.
type rule struct {
	kind  string // "" always, "never", "fails", "needs", "expires"
	times int    // fails: how often
	on    ids.ID // needs, expires: which block must (not) be accepted
}

func (r rule) json() any {
	switch r.kind {
	case "never":
		return []any{"never"}
	case "fails":
		return []any{"fails", r.times}
	case "needs", "expires":
		return []any{r.kind, hex(r.on)}
	default:
		return nil
	}
}

// node is a block of the world: what exists, whether or not this VM has seen it.
type node struct {
	id, parent ids.ID
	height     uint64
	length     int
	rule       rule
	stored     bool // the VM has it without having been given it
	tall       bool // its height is not its parent's plus one
	options    []*node

	declared bool
	parsed   bool
	attempts int
	status   status
}

func (n *node) json() map[string]any {
	m := map[string]any{"id": hex(n.id), "parent": hex(n.parent), "height": num(n.height)}
	if n.length >= bigLength {
		m["len"] = n.length
	}
	if r := n.rule.json(); r != nil {
		m["rule"] = r
	}
	if n.stored {
		m["stored"] = true
	}
	if n.tall {
		m["tall"] = true
	}
	if n.options != nil {
		m["options"] = []any{hex(n.options[0].id), hex(n.options[1].id)}
	}
	return m
}

func hex(id ids.ID) string     { return fmt.Sprintf("%x", id[:]) }
func num(height uint64) string { return strconv.FormatUint(height, 10) }

const (
	smallLength = 1_000
	bigLength   = 18 << 20
)

// The bytes of every block: which block it is follows from their number, so that blocks of many MiB
// cost nothing.
var content = make([]byte, bigLength+1_000_000)

// blk is a block as the engine gets it.
type blk struct {
	vm *vm
	n  *node
}

var (
	errInvalid  = errors.New("invalid")
	errNotFound = errors.New("not found")
	genesisTime = time.Unix(1_600_000_000, 0)

	_ snowman.OracleBlock = (*blk)(nil)
)

func (b *blk) ID() ids.ID           { return b.n.id }
func (b *blk) Parent() ids.ID       { return b.n.parent }
func (b *blk) Height() uint64       { return b.n.height }
func (b *blk) Timestamp() time.Time { return genesisTime }
func (b *blk) Bytes() []byte        { return content[:b.n.length] }

func (b *blk) Verify(context.Context) error {
	valid := b.vm.valid(b.n)
	b.n.attempts++
	if !b.n.tall {
		b.vm.log.add("verify", hex(b.n.id), valid)
	}
	if !valid {
		b.vm.count["verify failed"]++
		return errInvalid
	}
	b.vm.count["verify passed"]++
	if b.n.status == accepted || b.n.status == verified {
		panic("verified again: " + hex(b.n.id))
	}
	b.n.status = verified
	return nil
}

func (b *blk) Accept(context.Context) error {
	b.vm.log.add("accept", hex(b.n.id))
	b.n.status = accepted
	b.vm.byHeight[b.n.height] = b.n.id
	b.vm.count["accept"]++
	return nil
}

func (b *blk) Reject(context.Context) error {
	b.vm.log.reject(hex(b.n.id))
	b.n.status = rejected
	b.vm.count["reject"]++
	return nil
}

func (b *blk) Options(context.Context) ([2]snowman.Block, error) {
	if b.n.options == nil {
		return [2]snowman.Block{}, snowman.ErrNotOracle
	}
	b.vm.count["oracle"]++
	return [2]snowman.Block{b.vm.block(b.n.options[0]), b.vm.block(b.n.options[1])}, nil
}

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
