package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/message"
	"github.com/ava-labs/avalanchego/network/peer"
	"github.com/ava-labs/avalanchego/proto/pb/p2p"
	"github.com/ava-labs/avalanchego/snow/networking/router"
	"github.com/ava-labs/avalanchego/utils/bloom"
	"github.com/ava-labs/avalanchego/utils/compression"
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
	r.check("peer-list-before-handshake-is-ignored", early(ctx, l))
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
	if !r.check("ping-pong", k.ping()) {
		return
	}

	// Nobody answers with an empty list, so an answer is no duty; the connection must survive.
	err = k.send(newCreator().GetPeerList(bloom.EmptyFilter.Marshal(), bytes.Repeat([]byte{7}, 32), false))
	if err == nil {
		err = k.ping()
	}
	r.check("get-peer-list", err)

	r.check("undecodable-bodies-are-skipped", k.skips())

	since := l.events.mark()
	k.close()
	r.check("close-reported", l.disconnected(ctx, i.id, since, "remote_closed"))
}

// skips sends garbage and says whether the connection survived.
func (l *link) skips() error {
	bodies, err := garbage()
	if err != nil {
		return err
	}
	for _, body := range bodies {
		if err := l.frame(body); err != nil {
			return err
		}
	}
	return l.ping()
}

// early sends its peer list before its Handshake, which means nothing, and again after it.
func early(ctx context.Context, l *listener) error {
	i, err := newIdentity()
	if err != nil {
		return err
	}
	k, err := i.connect(ctx, l.addr)
	if err != nil {
		return err
	}
	defer k.close()
	return errors.Join(k.send(newCreator().PeerList(nil, true)), k.greet(), k.ping())
}

// broken is how many bodies of garbage are no whole message of the protocol, in any reading. AvalancheGo
// itself counts the others as well.
const broken = 4

// garbage are bodies of which no message can be made. A node skips them.
func garbage() ([][]byte, error) {
	zstd, err := compression.NewZstdCompressor(16 << 20)
	if err != nil {
		return nil, err
	}
	compress := func(m *p2p.Message) (*p2p.Message, error) {
		body, err := proto.Marshal(m)
		if err != nil {
			return nil, err
		}
		body, err = zstd.Compress(body)
		return &p2p.Message{Message: &p2p.Message_CompressedZstd{CompressedZstd: body}}, err
	}
	bomb, err := compress(&p2p.Message{Message: &p2p.Message_AppGossip{
		AppGossip: &p2p.AppGossip{ChainId: ids.Empty[:], AppBytes: make([]byte, 8<<20)},
	}})
	if err != nil {
		return nil, err
	}
	once, err := compress(&p2p.Message{Message: &p2p.Message_Ping{Ping: &p2p.Ping{}}})
	if err != nil {
		return nil, err
	}
	twice, err := compress(once)
	if err != nil {
		return nil, err
	}
	bodies := [][]byte{
		{0xff, 0xff, 0xff, 0xff, 0xff},   // no protobuf
		{0x12, 0x04, 'z', 's', 't', 'd'}, // compressed, but not by zstd
		{0xfa, 0x7f, 0x01, 0x00},         // a kind of message that does not exist
		// No kind at all. AvalancheGo itself reads no further after an empty frame, until its throttler of
		// bytes lets go of another message, so a node must never send one.
		{},
	}
	for _, m := range []*p2p.Message{bomb, twice} {
		body, err := proto.Marshal(m)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
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
