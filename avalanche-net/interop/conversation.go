package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/message"
	"github.com/ava-labs/avalanchego/network/peer"
	"github.com/ava-labs/avalanchego/proto/pb/p2p"
)

// conversation asks over a connection of AvalancheGo's and looks at what its router gets.
type conversation struct {
	listener *listener
	peer     peer.Peer
	inbox    *journal[*message.InboundMessage]
}

// deadline is what requests give; 0 would mean that it is already too late.
const deadline = 5 * time.Second

// question is a request and what its answer must be.
type question struct {
	name    string
	request func(message.Creator, ids.ID, uint32) (*message.OutboundMessage, error)
	op      message.Op
	compare func(answer any) error
}

func (c *conversation) questions() []question {
	tip := c.listener.tip
	list := []question{
		{
			name: "accepted-frontier",
			request: func(m message.Creator, chain ids.ID, id uint32) (*message.OutboundMessage, error) {
				return m.GetAcceptedFrontier(chain, id, deadline)
			},
			op: message.AcceptedFrontierOp,
			compare: func(answer any) error {
				return same("container_id", answer.(*p2p.AcceptedFrontier).ContainerId, tip[:])
			},
		},
		{
			name: "pull-query",
			request: func(m message.Creator, chain ids.ID, id uint32) (*message.OutboundMessage, error) {
				return m.PullQuery(chain, id, deadline, tip, 1)
			},
			op:      message.ChitsOp,
			compare: c.compareChits,
		},
		{
			// The answer comes first and does not depend on the block.
			name: "push-query",
			request: func(m message.Creator, chain ids.ID, id uint32) (*message.OutboundMessage, error) {
				return m.PushQuery(chain, id, deadline, []byte("no block of any chain"), 1)
			},
			op:      message.ChitsOp,
			compare: c.compareChits,
		},
	}
	// AvalancheGo compresses all of these; the last cannot become smaller.
	large := make([]byte, 1<<20)
	_, _ = rand.Read(large)
	for _, sent := range [][]byte{nil, []byte("hello"), make([]byte, 1<<16), large} {
		list = append(list, question{
			name: fmt.Sprintf("app-request-of-%d-bytes", len(sent)),
			request: func(m message.Creator, chain ids.ID, id uint32) (*message.OutboundMessage, error) {
				return m.AppRequest(chain, id, deadline, sent)
			},
			op: message.AppResponseOp,
			compare: func(answer any) error {
				return same("app_bytes", answer.(*p2p.AppResponse).AppBytes, sent)
			},
		})
	}
	return list
}

// check asks everything at once, as chains do.
func (c *conversation) check(ctx context.Context, r *report) {
	// An unknown chain first: by the time that the others are answered, so would this one be.
	stranger := ids.GenerateTestID()
	if out, err := newCreator().GetAcceptedFrontier(stranger, 0, deadline); err == nil {
		c.peer.Send(ctx, out)
	}
	var tasks []task
	for n, q := range c.questions() {
		tasks = append(tasks, task{q.name, func() error { return c.ask(ctx, q, uint32(n+1)) }})
	}
	r.together(tasks)
	r.check("unknown-chain-is-ignored", c.ignored(stranger))
}

func (c *conversation) ask(ctx context.Context, q question, id uint32) error {
	out, err := q.request(newCreator(), c.listener.chain, id)
	if err != nil {
		return err
	}
	if !c.peer.Send(ctx, out) {
		return errors.New("AvalancheGo's peer could not send")
	}
	in, err := c.inbox.await(ctx, q.op.String(), 0, func(in *message.InboundMessage) bool {
		with, ok := message.GetRequestID(in.Message)
		return ok && with == id
	})
	if err != nil {
		return err
	}
	if in.Op != q.op {
		return fmt.Errorf("it answered with %s instead of %s", in.Op, q.op)
	}
	if chain, err := message.GetChainID(in.Message); err != nil || chain != c.listener.chain {
		return fmt.Errorf("%s names the chain %s instead of %s", in.Op, chain, c.listener.chain)
	}
	return q.compare(in.Message)
}

func (c *conversation) ignored(stranger ids.ID) error {
	c.inbox.mu.Lock()
	defer c.inbox.mu.Unlock()
	for _, in := range c.inbox.items {
		if chain, err := message.GetChainID(in.Message); err == nil && chain == stranger {
			return fmt.Errorf("it answered with %s for a chain that it does not have", in.Op)
		}
	}
	return stillOpen(c.peer)
}

func (c *conversation) compareChits(answer any) error {
	tip := c.listener.tip
	chits := answer.(*p2p.Chits)
	err := errors.Join(
		same("preferred_id", chits.PreferredId, tip[:]),
		same("preferred_id_at_height", chits.PreferredIdAtHeight, tip[:]),
		same("accepted_id", chits.AcceptedId, tip[:]),
	)
	if err == nil && chits.AcceptedHeight != 0 {
		err = fmt.Errorf("accepted_height is %d instead of 0", chits.AcceptedHeight)
	}
	return err
}

func same(field string, got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%s has %d bytes, %.20x..., instead of %d, %.20x...", field, len(got), got, len(want), want)
}
