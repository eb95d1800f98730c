package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/message"
	"github.com/ava-labs/avalanchego/proto/pb/p2p"
	"github.com/ava-labs/avalanchego/snow/validators"
	"github.com/ava-labs/avalanchego/utils/constants"
	"github.com/ava-labs/avalanchego/utils/crypto/bls"
)

// judgeNetwork has the listener dial one of AvalancheGo's networks, A. Another one, B, learns of the
// listener from A alone and dials it.
func judgeNetwork(ctx context.Context, r *report, path string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	home, err := os.MkdirTemp("", "judge-")
	if !r.check("make-directory", err) {
		return
	}
	defer os.RemoveAll(home)

	// The networks must know the listener as a validator before they meet it, so it runs twice.
	l, err := startListener(ctx, path, "--identity", home)
	if !r.check("listens", err) {
		return
	}
	first := l
	defer first.kill()
	_, err = l.stop()
	if !r.check("ends-cleanly-before-any-peer", err) {
		return
	}

	a, b, err := newSeats(l)
	if !r.check("networks-of-avalanchego", err) {
		return
	}
	defer a.close()
	defer b.close()

	l, err = startListener(ctx, path, "--identity", home, "--connect", a.addr.String())
	if !r.check("listens-again", err) {
		return
	}
	defer func() { l.kill() }()
	if l.id != first.id || !bytes.Equal(bls.PublicKeyToCompressedBytes(l.key), bls.PublicKeyToCompressedBytes(first.key)) {
		err = fmt.Errorf("it was %s and is %s, or its BLS key changed", first.id, l.id)
	}
	if !r.check("identity-is-kept", err) {
		return
	}

	if !r.check("a-reports-the-listener", a.meets(ctx, l, 0)) {
		return
	}
	_, err = l.connected(ctx, a.id, 0)
	r.check("listener-reports-a", err)
	a.talk(ctx, r, l, "a")

	b.network.ManuallyTrack(a.id, a.addr)
	if !r.check("b-learns-of-the-listener-and-dials-it", b.meets(ctx, l, 0)) {
		return
	}
	_, err = l.connected(ctx, b.id, 0)
	r.check("listener-reports-b", err)
	b.talk(ctx, r, l, "b")

	r.check("second-connection-of-b-is-dropped", intrude(ctx, l, b))
	fromA, fromB := a.changes.mark(), b.changes.mark()
	time.Sleep(3 * time.Second)
	r.check("pings-keep-a", a.keeps(l.id, fromA))
	r.check("pings-keep-b", b.keeps(l.id, fromB))

	_, err = l.stop()
	r.check("ends-cleanly-on-sigint", err)
	r.check("a-sees-the-end", a.loses(ctx, l.id, fromA))
	r.check("b-sees-the-end", b.loses(ctx, l.id, fromB))

	// Another port, so B must take the newer of two signed addresses.
	fromA, fromB = a.changes.mark(), b.changes.mark()
	again, err := startListener(ctx, path, "--identity", home, "--connect", a.addr.String())
	if !r.check("listens-on-another-port", err) {
		return
	}
	l = again
	r.check("a-meets-it-again", a.meets(ctx, l, fromA))
	r.check("b-meets-it-again", b.meets(ctx, l, fromB))

	since := l.events.mark()
	r.check("b-ends", b.close())
	r.check("listener-reports-that-b-left", l.disconnected(ctx, b.id, since, "remote_closed"))
	r.check("a-ends", a.close())
	r.check("listener-reports-that-a-left", l.disconnected(ctx, a.id, since, "remote_closed"))
	_, err = l.stop()
	r.check("ends-cleanly-after-all", err)
}

// newSeats makes networks that hold each other and the listener as validators. AvalancheGo gossips the
// addresses of validators only, asks only those for addresses, and dials no others.
func newSeats(l *listener) (*seat, *seat, error) {
	var seats [2]*seat
	var identities [2]*identity
	for n := range identities {
		var err error
		if identities[n], err = newIdentity(); err != nil {
			return nil, nil, err
		}
	}
	for n, i := range identities {
		vdrs := validators.NewManager()
		for _, other := range identities {
			if err := addValidator(vdrs, other.id, other.bls.PublicKey()); err != nil {
				return nil, nil, err
			}
		}
		if err := addValidator(vdrs, l.id, l.key); err != nil {
			return nil, nil, err
		}
		var err error
		if seats[n], err = newSeat(i, vdrs); err != nil {
			return nil, nil, err
		}
	}
	return seats[0], seats[1], nil
}

// addValidator gives a BLS key, so that AvalancheGo refuses whoever signs its address with another one.
func addValidator(vdrs validators.Manager, id ids.NodeID, key *bls.PublicKey) error {
	return vdrs.AddStaker(constants.PrimaryNetworkID, id, key, ids.GenerateTestID(), 1)
}

// talk exchanges what a chain would.
func (s *seat) talk(ctx context.Context, r *report, l *listener, name string) {
	create := newCreator()
	ask := func(op message.Op, id uint32, msg *message.OutboundMessage, err error) (any, error) {
		if err := s.send(l.id, msg, err); err != nil {
			return nil, err
		}
		in, err := s.inbox.await(ctx, op.String(), 0, func(in *message.InboundMessage) bool {
			with, _ := message.GetRequestID(in.Message)
			return in.Op == op && in.NodeID == l.id && with == id
		})
		if err != nil {
			return nil, err
		}
		return in.Message, nil
	}

	sent := []byte("from AvalancheGo's network " + name)
	msg, err := create.AppRequest(l.chain, 1, deadline, sent)
	answer, err := ask(message.AppResponseOp, 1, msg, err)
	if err == nil {
		err = same("app_bytes", answer.(*p2p.AppResponse).AppBytes, sent)
	}
	r.check(name+"-app-request", err)

	msg, err = create.PullQuery(l.chain, 2, deadline, l.tip, 1)
	answer, err = ask(message.ChitsOp, 2, msg, err)
	if err == nil {
		err = same("preferred_id", answer.(*p2p.Chits).PreferredId, l.tip[:])
	}
	r.check(name+"-pull-query", err)

	gossip := make([]byte, 1000+int(name[0]))
	msg, err = create.AppGossip(l.chain, gossip)
	if err = s.send(l.id, msg, err); err == nil {
		_, err = l.events.await(ctx, "event gossip", 0, func(e event) bool {
			return e.Event == "gossip" && e.NodeID == s.id.String() && e.Bytes == len(gossip)
		})
	}
	r.check(name+"-app-gossip", err)
}

// intrude connects with B's identity while B is connected. Whoever is connected stays.
func intrude(ctx context.Context, l *listener, b *seat) error {
	since := b.changes.mark()
	k, err := b.connect(ctx, l.addr)
	if err != nil {
		return nil // refused during TLS already
	}
	defer k.close()
	g, err := b.greeting(claimed, time.Now())
	if err != nil {
		return err
	}
	// The connection may be closed before this is written.
	_ = k.send(g.message())
	if err := k.awaitClosed(); err != nil {
		return err
	}
	return b.keeps(l.id, since)
}
