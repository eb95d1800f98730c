package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/message"
	"github.com/ava-labs/avalanchego/network/peer"
	"github.com/ava-labs/avalanchego/proto/pb/p2p"
	"github.com/ava-labs/avalanchego/snow/networking/router"
	"github.com/ava-labs/avalanchego/utils/bloom"
	"github.com/ava-labs/avalanchego/utils/crypto/bls"
)

// judgeDial has AvalancheGo's peers dial the listener: a well-behaved one, and then all others.
func judgeDial(ctx context.Context, r *report, path string) {
	// With farewell on top this stays under a minute, whatever goes wrong.
	ctx, cancel := context.WithTimeout(ctx, 48*time.Second)
	defer cancel()
	l, err := startListener(ctx, path)
	if !r.check("listens", err) {
		return
	}
	defer l.kill()

	inbox := newJournal[*message.InboundMessage]()
	p, err := testPeer(ctx, l.addr, inbox)
	if !r.check("test-peer-handshake", err) {
		return
	}
	_, err = l.connected(ctx, ids.EmptyNodeID, 0)
	r.check("test-peer-reported", err)
	r.check("identity-and-signed-address", l.isSigned(p))
	c := &conversation{listener: l, peer: p, inbox: inbox}
	c.check(ctx, r)

	plain, err := newIdentity()
	if r.check("make-identity", err) {
		judgeLink(ctx, r, l, plain)
	}
	old, err := oldIdentity()
	if err == nil {
		err = l.serves(ctx, old)
	}
	r.check("rsa-4096-key-in-x509-v1-certificate", err)
	r.together(tlsRefusals(ctx, l))
	cases := refusals()
	r.together(refusalTasks(ctx, l, cases))
	r.check("still-serves-afterwards", l.serves(ctx, plain))

	r.check("test-peer-outlives-all-this", stillOpen(p))
	counts, err := l.stop()
	if !r.check("ends-cleanly-on-sigint", err) {
		return
	}
	waiting, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	r.check("its-end-closes-connections", p.AwaitClosed(waiting))
	r.check("counts", compareCounts(counts, cases))
}

// testPeer starts AvalancheGo's own test peer, which returns once its handshake is complete.
func testPeer(ctx context.Context, addr netip.AddrPort, inbox *journal[*message.InboundMessage]) (peer.Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p, err := peer.StartTestPeer(ctx, addr, networkID, router.InboundHandlerFunc(
		func(_ context.Context, msg *message.InboundMessage) {
			msg.OnFinishedHandling()
			inbox.add(msg)
		},
	))
	if err != nil {
		return nil, fmt.Errorf("AvalancheGo's peer did not finish the handshake: %w", err)
	}
	return p, nil
}

func stillOpen(p peer.Peer) error {
	if p.Closed() {
		return errors.New("the connection of the test peer was closed")
	}
	return nil
}

// isSigned compares what the handshake told with what the listener printed, and verifies both
// signatures. AvalancheGo itself looks at the BLS signature of validators only.
func (l *listener) isSigned(p peer.Peer) error {
	if p.ID() != l.id {
		return fmt.Errorf("the certificate gives %s, the listener printed %s", p.ID(), l.id)
	}
	if v := p.Version().String(); v != currentVersion {
		return fmt.Errorf("it calls itself %q instead of %s", v, currentVersion)
	}
	ip := p.IP()
	if ip.AddrPort != l.addr {
		return fmt.Errorf("it claims the address %s and listens on %s", ip.AddrPort, l.addr)
	}
	if err := ip.Verify(p.Cert(), time.Now().Add(time.Minute)); err != nil {
		return err
	}
	addr := ip.AddrPort.Addr().As16()
	signed := binary.BigEndian.AppendUint16(addr[:], ip.AddrPort.Port())
	signed = binary.BigEndian.AppendUint64(signed, ip.Timestamp)
	if !bls.VerifyProofOfPossession(l.key, ip.BLSSignature, signed) {
		return errors.New("the BLS signature of the address is not of the printed key")
	}
	return nil
}

// judgeLink uses a connection with hand-made frames for what a peer of AvalancheGo keeps to itself.
func judgeLink(ctx context.Context, r *report, l *listener, i *identity) {
	k, err := i.connect(ctx, l.addr)
	if !r.check("tls", err) {
		return
	}
	defer k.close()
	if !r.check("handshake-and-peer-list", k.greet()) {
		return
	}
	_, err = l.connected(ctx, i.id, 0)
	r.check("connection-reported", err)
	r.check("ping-pong", k.ping())

	// Nobody answers with an empty list, so an answer is no duty; the connection must survive.
	err = k.send(newCreator().GetPeerList(bloom.EmptyFilter.Marshal(), bytes.Repeat([]byte{7}, 32), false))
	if err == nil {
		err = k.ping()
	}
	r.check("get-peer-list", err)

	for _, body := range garbage {
		if err = k.frame(body); err != nil {
			break
		}
	}
	if err == nil {
		err = k.ping()
	}
	r.check("undecodable-bodies-are-skipped", err)

	since := l.events.mark()
	k.close()
	r.check("close-reported", l.disconnected(ctx, i.id, since, "remote_closed"))
}

// garbage are bodies of which no message can be made: no protobuf, a field that does not exist, zstd
// that is none, and nothing at all.
var garbage = [][]byte{
	{0xff, 0xff, 0xff, 0xff, 0xff},
	{0xfa, 0x7f, 0x01, 0x00},
	{0x12, 0x04, 'z', 's', 't', 'd'},
	{},
}

// serves says whether a newcomer is served.
func (l *listener) serves(ctx context.Context, i *identity) error {
	k, err := i.greet(ctx, l.addr)
	if err != nil {
		return err
	}
	defer k.close()
	return k.ping()
}

// conversation asks over a connection of AvalancheGo's and looks at what its router gets.
type conversation struct {
	listener *listener
	peer     peer.Peer
	inbox    *journal[*message.InboundMessage]
	requests uint32
}

// ask sends a request and returns the answer of this kind to it.
func (c *conversation) ask(ctx context.Context, op message.Op, msg func(id uint32) (*message.OutboundMessage, error)) (any, error) {
	c.requests++
	id := c.requests
	out, err := msg(id)
	if err != nil {
		return nil, err
	}
	if !c.peer.Send(ctx, out) {
		return nil, errors.New("AvalancheGo's peer could not send")
	}
	in, err := c.inbox.await(ctx, op.String(), 0, func(in *message.InboundMessage) bool {
		with, ok := message.GetRequestID(in.Message)
		return in.Op == op && ok && with == id
	})
	if err != nil {
		return nil, err
	}
	if chain, err := message.GetChainID(in.Message); err != nil || chain != c.listener.chain {
		return nil, fmt.Errorf("%s names the chain %s instead of %s", op, chain, c.listener.chain)
	}
	return in.Message, nil
}

// deadline is what requests give; 0 would mean that it is already too late.
const deadline = 5 * time.Second

func (c *conversation) check(ctx context.Context, r *report) {
	create, chain, tip := newCreator(), c.listener.chain, c.listener.tip

	// An unknown chain first: by the time that later requests are answered, so would this one be.
	stranger := ids.GenerateTestID()
	if out, err := create.GetAcceptedFrontier(stranger, 0, deadline); err == nil {
		c.peer.Send(ctx, out)
	}

	answer, err := c.ask(ctx, message.AcceptedFrontierOp, func(id uint32) (*message.OutboundMessage, error) {
		return create.GetAcceptedFrontier(chain, id, deadline)
	})
	if err == nil {
		err = same("container_id", answer.(*p2p.AcceptedFrontier).ContainerId, tip[:])
	}
	r.check("accepted-frontier", err)

	answer, err = c.ask(ctx, message.ChitsOp, func(id uint32) (*message.OutboundMessage, error) {
		return create.PullQuery(chain, id, deadline, tip, 1)
	})
	r.check("pull-query", c.compareChits(answer, err))
	answer, err = c.ask(ctx, message.ChitsOp, func(id uint32) (*message.OutboundMessage, error) {
		return create.PushQuery(chain, id, deadline, []byte("no block of any chain"), 1)
	})
	r.check("push-query", c.compareChits(answer, err))

	// AvalancheGo compresses all of these; the last cannot become smaller.
	large := make([]byte, 1<<20)
	_, _ = rand.Read(large)
	for _, sent := range [][]byte{nil, []byte("hello"), make([]byte, 1<<16), large} {
		answer, err = c.ask(ctx, message.AppResponseOp, func(id uint32) (*message.OutboundMessage, error) {
			return create.AppRequest(chain, id, deadline, sent)
		})
		if err == nil {
			err = same("app_bytes", answer.(*p2p.AppResponse).AppBytes, sent)
		}
		r.check(fmt.Sprintf("app-request-of-%d-bytes", len(sent)), err)
	}

	r.check("unknown-chain-is-ignored", c.ignored(stranger))
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

func (c *conversation) compareChits(answer any, err error) error {
	if err != nil {
		return err
	}
	tip := c.listener.tip
	chits := answer.(*p2p.Chits)
	err = errors.Join(
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
	return fmt.Errorf("%s has %d bytes, %.40x..., instead of %d, %.40x...", field, len(got), got, len(want), want)
}
