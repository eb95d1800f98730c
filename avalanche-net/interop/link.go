package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/message"
	"github.com/ava-labs/avalanchego/network/peer"
	"github.com/ava-labs/avalanchego/upgrade"
	"github.com/ava-labs/avalanchego/utils/bloom"
	"github.com/ava-labs/avalanchego/utils/compression"
	"github.com/ava-labs/avalanchego/utils/constants"
	"github.com/ava-labs/avalanchego/version"
)

// link is a connection whose every frame is ours to choose: AvalancheGo's own peer does not misbehave.
type link struct {
	conn   net.Conn
	local  *identity
	remote ids.NodeID
	cancel func() bool
}

// newCreator makes AvalancheGo's builder and parser of messages, which compresses as a node does.
func newCreator() message.Creator {
	creator, err := message.NewCreator(
		prometheus.NewRegistry(),
		compression.TypeZstd,
		constants.DefaultNetworkMaximumInboundTimeout,
	)
	if err != nil {
		panic(err) // a fresh registry has no conflicts
	}
	return creator
}

// connect dials and does the TLS part as AvalancheGo does it. The link ends with the context.
func (i *identity) connect(ctx context.Context, addr netip.AddrPort) (*link, error) {
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	_ = raw.SetDeadline(time.Now().Add(patience))
	upgrader := peer.NewTLSClientUpgrader(
		peer.TLSConfig(i.cert, nil),
		prometheus.NewCounter(prometheus.CounterOpts{}),
	)
	remote, conn, _, err := upgrader.Upgrade(raw)
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	_ = conn.SetDeadline(time.Time{})
	cancel := context.AfterFunc(ctx, func() { _ = raw.Close() })
	return &link{conn: conn, local: i, remote: remote, cancel: cancel}, nil
}

func (l *link) close() {
	l.cancel()
	_ = l.conn.Close()
}

// frame sends a body with its length.
func (l *link) frame(body []byte) error {
	whole := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err := l.conn.Write(append(whole, body...))
	return err
}

// send takes what a builder of messages returns.
func (l *link) send(msg *message.OutboundMessage, err error) error {
	if err != nil {
		return err
	}
	return l.frame(msg.Bytes)
}

// next reads one message with AvalancheGo's parser.
func (l *link) next(until time.Time) (*message.InboundMessage, error) {
	_ = l.conn.SetReadDeadline(until)
	var size [4]byte
	if _, err := io.ReadFull(l.conn, size[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(size[:])
	if length > constants.DefaultMaxMessageSize {
		return nil, fmt.Errorf("received the length %d, more than any node reads", length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(l.conn, body); err != nil {
		return nil, err
	}
	msg, err := newCreator().Parse(body, l.remote, func() {})
	if err != nil {
		return nil, fmt.Errorf("AvalancheGo cannot parse what was received: %w", err)
	}
	return msg, nil
}

// receive skips messages until one of this kind. Pings are answered meanwhile.
func (l *link) receive(op message.Op) (*message.InboundMessage, error) {
	for until := time.Now().Add(patience); ; {
		msg, err := l.next(until)
		if err != nil {
			return nil, fmt.Errorf("waited for %s: %w", op, err)
		}
		if msg.Op == op {
			return msg, nil
		}
		if msg.Op == message.PingOp {
			if err := l.send(newCreator().Pong()); err != nil {
				return nil, err
			}
		}
	}
}

// ping says whether the connection still works in both directions.
func (l *link) ping() error {
	if err := l.send(newCreator().Ping(100)); err != nil {
		return err
	}
	_, err := l.receive(message.PongOp)
	return err
}

// errOurEnd tells a connection that we closed, as the time for all checks was over, from one that the
// other side closed.
var errOurEnd = errors.New("the connection was still open when the judge had to end")

// awaitClosed reads until the other side closes.
func (l *link) awaitClosed() error {
	for until := time.Now().Add(patience); ; {
		_, err := l.next(until)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("the connection was still open after %s", patience)
		case errors.Is(err, net.ErrClosed):
			return errOurEnd
		case err != nil:
			return nil
		}
	}
}

// greeting is the content of a Handshake.
type greeting struct {
	network  uint32
	clock    time.Time
	addr     netip.AddrPort
	version  [3]uint32
	signedAt time.Time
	tlsSig   []byte
	blsSig   []byte
	subnets  []ids.ID
	filter   []byte
	salt     []byte
}

// greeting makes the one that a node with this identity would send; what is signed is as given.
func (i *identity) greeting(signed netip.AddrPort, signedAt time.Time) (*greeting, error) {
	unsigned := peer.UnsignedIP{AddrPort: signed, Timestamp: uint64(signedAt.Unix())}
	sig, err := unsigned.Sign(i.key, i.bls)
	if err != nil {
		return nil, err
	}
	return &greeting{
		network:  networkID,
		clock:    time.Now(),
		addr:     signed,
		version:  [3]uint32{1, 14, 2},
		signedAt: signedAt,
		tlsSig:   sig.TLSSignature,
		blsSig:   sig.BLSSignatureBytes,
		filter:   bloom.EmptyFilter.Marshal(),
	}, nil
}

func (g *greeting) message() (*message.OutboundMessage, error) {
	return newCreator().Handshake(
		g.network,
		uint64(g.clock.Unix()),
		g.addr,
		version.Client, g.version[0], g.version[1], g.version[2],
		uint64(upgrade.GetConfig(networkID).GraniteTime.Unix()),
		uint64(g.signedAt.Unix()),
		g.tlsSig,
		g.blsSig,
		g.subnets,
		nil, nil,
		g.filter,
		g.salt,
		false,
	)
}

// claimed is the address that raw connections claim. Nobody listens there, so it also shows that a
// node which is no validator is not dialled.
var claimed = netip.MustParseAddrPort("127.0.0.1:9")

// greet connects and finishes the handshake: both greetings and both peer lists.
func (i *identity) greet(ctx context.Context, addr netip.AddrPort) (*link, error) {
	l, err := i.connect(ctx, addr)
	if err != nil {
		return nil, err
	}
	if err := l.greet(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *link) greet() error {
	g, err := l.local.greeting(claimed, time.Now())
	if err != nil {
		return err
	}
	if err := l.send(g.message()); err != nil {
		return err
	}
	if _, err := l.receive(message.HandshakeOp); err != nil {
		return err
	}
	if err := l.send(newCreator().PeerList(nil, true)); err != nil {
		return err
	}
	_, err = l.receive(message.PeerListOp)
	return err
}
