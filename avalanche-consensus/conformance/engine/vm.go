package main

import (
	"context"
	"sort"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/snow"
	"github.com/ava-labs/avalanchego/snow/consensus/snowman"
	"github.com/ava-labs/avalanchego/snow/engine/snowman/block"
)

// vm is a VM without state: its blocks have rules. What the engine never calls is missing.
type vm struct {
	block.ChainVM

	// How this VM behaves; part of the trace.
	keepsParsed    bool // it can find what it has parsed
	keepsRejected  bool // it can find what was rejected
	indexesHeights bool

	log      *log
	count    map[string]int
	byID     map[ids.ID]*node
	byLength map[int]*node
	byHeight map[uint64]ids.ID
	last     *node
	prefers  ids.ID
	told     bool
	// build makes the next block, or nil; what it made is noted in builds.
	build  func() *node
	builds []any
}

func (v *vm) block(n *node) snowman.Block { return &blk{v, n} }

func (v *vm) valid(n *node) bool {
	switch n.rule.kind {
	case "never":
		return false
	case "fails":
		return n.attempts >= n.rule.times
	case "needs":
		return v.status(n.rule.on) == accepted
	case "expires":
		return v.status(n.rule.on) != accepted
	default:
		return true
	}
}

func (v *vm) status(id ids.ID) status {
	if n, ok := v.byID[id]; ok {
		return n.status
	}
	return unseen
}

// finds says whether the VM has a block at hand.
func (v *vm) finds(n *node) bool {
	switch n.status {
	case accepted, verified:
		return true
	case rejected:
		return v.keepsRejected
	default:
		return n.stored || (v.keepsParsed && n.parsed)
	}
}

func (v *vm) GetBlock(_ context.Context, id ids.ID) (snowman.Block, error) {
	if n, ok := v.byID[id]; ok && v.finds(n) {
		return v.block(n), nil
	}
	return nil, errNotFound
}

func (v *vm) ParseBlock(_ context.Context, bytes []byte) (snowman.Block, error) {
	n, ok := v.byLength[len(bytes)]
	if !ok {
		return nil, errInvalid
	}
	n.parsed = true
	return v.block(n), nil
}

func (v *vm) BuildBlock(context.Context) (snowman.Block, error) {
	n := v.build()
	if n == nil {
		v.count["build failed"]++
		v.builds = append(v.builds, nil)
		v.log.add("build", nil)
		return nil, errNotFound
	}
	v.count["build"]++
	v.builds = append(v.builds, hex(n.id))
	v.log.add("build", hex(n.id))
	return v.block(n), nil
}

func (v *vm) SetPreference(_ context.Context, id ids.ID) error {
	if id != v.prefers {
		v.count["preference changed"]++
		for at := id; ; {
			n := v.byID[at]
			if at == v.prefers {
				break
			}
			if n == nil || n.height <= v.last.height || n.status == accepted {
				v.count["preference changed branch"]++
				break
			}
			at = n.parent
		}
	}
	// AvalancheGo also tells it again and again; that says nothing new.
	if id != v.prefers || !v.told {
		v.log.add("prefer", hex(id))
	}
	v.prefers, v.told = id, true
	return nil
}

func (v *vm) LastAccepted(context.Context) (ids.ID, error) { return v.last.id, nil }
func (v *vm) SetState(context.Context, snow.State) error   { return nil }

func (v *vm) GetBlockIDAtHeight(_ context.Context, height uint64) (ids.ID, error) {
	if id, ok := v.byHeight[height]; ok && v.indexesHeights {
		v.count["height index hit"]++
		return id, nil
	}
	v.count["height index miss"]++
	return ids.Empty, errNotFound
}

// log is what the engine does, in order.
type log struct{ entries []any }

func (l *log) add(entry ...any) { l.entries = append(l.entries, entry) }

// reject joins rejections that follow one another, since their order depends on that of a map.
func (l *log) reject(id string) {
	if len(l.entries) > 0 {
		last := l.entries[len(l.entries)-1].([]any)
		if last[0] == "reject" {
			list := append(last[1].([]string), id)
			sort.Strings(list)
			last[1] = list
			return
		}
	}
	l.add("reject", []string{id})
}
