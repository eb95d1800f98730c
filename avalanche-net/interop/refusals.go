package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/network/peer"
	"github.com/ava-labs/avalanchego/staking"
	"github.com/ava-labs/avalanchego/utils/ips"
)

// refusal is a peer that must be disconnected, and why. More than one reason, or none, where AvalancheGo
// only closes and the name of the reason is a matter of taste.
type refusal struct {
	name    string
	reasons []string
	spoil   func(*greeting)   // what is wrong with its Handshake,
	after   func(*link) error // or what it does once the handshake is complete
	signed  time.Duration     // how far from now its address was signed
}

func refusals() []refusal {
	return []refusal{
		{
			name:    "wrong-network",
			reasons: []string{"wrong_network"},
			spoil:   func(g *greeting) { g.network++ },
		},
		{
			name:    "clock-ahead",
			reasons: []string{"clock_skew"},
			spoil:   func(g *greeting) { g.clock = g.clock.Add(2 * time.Minute) },
		},
		{
			name:    "clock-behind",
			reasons: []string{"clock_skew"},
			spoil:   func(g *greeting) { g.clock = g.clock.Add(-2 * time.Minute) },
		},
		{
			name:    "version-1.12.0",
			reasons: []string{"incompatible_version"},
			spoil:   func(g *greeting) { g.version = [3]uint32{1, 12, 0} },
		},
		{
			name:    "version-2.0.0",
			reasons: []string{"incompatible_version"},
			spoil:   func(g *greeting) { g.version = [3]uint32{2, 0, 0} },
		},
		{
			name:    "address-signed-by-another-key",
			reasons: []string{"invalid_signature"},
			spoil: func(g *greeting) {
				// A signature in good form, over another address.
				g.addr = netip.AddrPortFrom(g.addr.Addr(), g.addr.Port()+1)
			},
		},
		{
			name:    "address-signature-cut",
			reasons: []string{"invalid_signature"},
			spoil:   func(g *greeting) { g.tlsSig = g.tlsSig[:len(g.tlsSig)-1] },
		},
		{
			name:    "address-signed-in-the-future",
			reasons: []string{"clock_skew", "invalid_signature", "malformed_handshake"},
			signed:  2 * time.Minute,
		},
		{
			name:    "bls-signature-no-point",
			reasons: []string{"invalid_signature", "malformed_handshake"},
			spoil:   func(g *greeting) { g.blsSig = bytes.Repeat([]byte{0xff}, 96) },
		},
		{
			name:    "bls-signature-missing",
			reasons: []string{"invalid_signature", "malformed_handshake"},
			spoil:   func(g *greeting) { g.blsSig = nil },
		},
		{
			name:    "port-zero",
			reasons: []string{"invalid_ip"},
			spoil:   func(g *greeting) { g.addr = netip.AddrPortFrom(g.addr.Addr(), 0) },
		},
		{
			name:    "too-many-subnets",
			reasons: []string{"too_many_subnets"},
			spoil: func(g *greeting) {
				for range 17 {
					g.subnets = append(g.subnets, ids.GenerateTestID())
				}
			},
		},
		{
			// A filter that is there but empty; only a filter left out is allowed to say nothing.
			name:    "bloom-filter-empty",
			reasons: []string{"invalid_bloom_filter"},
			spoil:   func(g *greeting) { g.filter, g.salt = nil, nil },
		},
		{
			name:    "bloom-filter-of-17-hashes",
			reasons: []string{"invalid_bloom_filter"},
			spoil:   func(g *greeting) { g.filter = append([]byte{17}, make([]byte, 17*8+1)...) },
		},
		{
			name:    "bloom-filter-salt-of-33-bytes",
			reasons: []string{"invalid_bloom_filter"},
			spoil:   func(g *greeting) { g.salt = make([]byte, 33) },
		},
		{
			name:    "bloom-filter-of-get-peer-list",
			reasons: []string{"invalid_bloom_filter"},
			after:   func(l *link) error { return l.send(newCreator().GetPeerList(nil, nil, false)) },
		},
		{
			name:    "duplicate-handshake",
			reasons: []string{"duplicate_handshake"},
			after: func(l *link) error {
				g, err := l.local.greeting(claimed, time.Now())
				if err != nil {
					return err
				}
				return l.send(g.message())
			},
		},
		{
			name:    "oversized-frame",
			reasons: []string{"oversized_frame"},
			after: func(l *link) error {
				_, err := l.conn.Write([]byte{0x7f, 0xff, 0xff, 0xff})
				return err
			},
		},
		{
			// Twice, since the first might answer a ping that it sent at once.
			name: "pong-without-ping",
			after: func(l *link) error {
				return errors.Join(l.send(newCreator().Pong()), l.send(newCreator().Pong()))
			},
		},
		{
			name:  "uptime-of-101-percent",
			after: func(l *link) error { return l.send(newCreator().Ping(101)) },
		},
		{
			name: "peer-list-with-a-certificate-that-is-none",
			after: func(l *link) error {
				none := &staking.Certificate{Raw: []byte("certificate")}
				entry := ips.NewClaimedIPPort(none, claimed, 1, []byte("signature"))
				return l.send(newCreator().PeerList([]*ips.ClaimedIPPort{entry}, false))
			},
		},
	}
}

func refusalTasks(ctx context.Context, l *listener, cases []refusal) []task {
	var tasks []task
	for _, c := range cases {
		tasks = append(tasks, task{"refuses-" + c.name, func() error { return c.run(ctx, l) }})
	}
	return tasks
}

func (c *refusal) run(ctx context.Context, l *listener) error {
	i, err := newIdentity()
	if err != nil {
		return err
	}
	k, err := i.connect(ctx, l.addr)
	if err != nil {
		return err
	}
	defer k.close()
	if c.after != nil {
		if err := errors.Join(k.greet(), c.after(k)); err != nil {
			return err
		}
	} else {
		g, err := i.greeting(claimed, time.Now().Add(c.signed))
		if err != nil {
			return err
		}
		if c.spoil != nil {
			c.spoil(g)
		}
		if err := k.send(g.message()); err != nil {
			return err
		}
	}
	if err := k.awaitClosed(); err != nil {
		return err
	}
	return l.disconnected(ctx, i.id, 0, c.reasons...)
}

// compareCounts checks that the last event counted each refusal under one of its reasons.
func compareCounts(counts map[string]int, cases []refusal) error {
	wanted := map[string]int{}
	for _, c := range cases {
		if len(c.reasons) > 0 {
			wanted[strings.Join(c.reasons, "|")]++
		}
	}
	wanted["undecodable"] = broken
	wanted["remote_closed"] = 1
	var errs []error
	for reasons, n := range wanted {
		sum := 0
		for reason := range strings.SplitSeq(reasons, "|") {
			sum += counts[reason]
		}
		if sum < n {
			errs = append(errs, fmt.Errorf("%s is counted %d times instead of %d;", reasons, sum, n))
		}
	}
	return errors.Join(errs...)
}

// tlsRefusals are peers that must not get as far as a Handshake.
func tlsRefusals(ctx context.Context, l *listener) []task {
	try := func(name string, configure func(*tls.Config) error) task {
		return task{"refuses-" + name, func() error {
			good, err := newIdentity()
			if err != nil {
				return err
			}
			config := peer.TLSConfig(good.cert, nil)
			if err := configure(config); err != nil {
				return err
			}
			return neverGreeted(ctx, l.addr, config)
		}}
	}
	return []task{
		try("tls-1.2", func(c *tls.Config) error {
			c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
			return nil
		}),
		try("no-certificate", func(c *tls.Config) error {
			c.Certificates = nil
			return nil
		}),
		try("key-on-p384", func(c *tls.Config) error {
			key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
			if err != nil {
				return err
			}
			return use(c, key, "judge")
		}),
		try("rsa-key-of-3072-bits", func(c *tls.Config) error {
			key, err := rsa.GenerateKey(rand.Reader, 3072)
			if err != nil {
				return err
			}
			return use(c, key, "judge")
		}),
		try("certificate-above-2048-bytes", func(c *tls.Config) error {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				return err
			}
			return use(c, key, strings.Repeat("judge", 500))
		}),
	}
}

// use gives the peer a certificate for this key in the name of this subject.
func use(c *tls.Config, key crypto.Signer, subject string) error {
	der, err := selfSigned(key, subject)
	c.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	return err
}

// neverGreeted connects and expects to be closed before any message. In TLS 1.3 a client may believe
// that its handshake succeeded, and learns that its certificate was refused by reading.
func neverGreeted(ctx context.Context, addr netip.AddrPort, config *tls.Config) error {
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return err
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	_ = raw.SetDeadline(time.Now().Add(patience))
	conn := tls.Client(raw, config)
	if err := conn.Handshake(); err != nil {
		return notLate(err)
	}
	n, err := conn.Read(make([]byte, 1))
	if n > 0 {
		return errors.New("it sent a message to a peer that it should not know")
	}
	return notLate(err)
}

// notLate turns the error that a closed connection gives into success, and a timeout into an error.
func notLate(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("the connection was still open after %s", patience)
	}
	if errors.Is(err, net.ErrClosed) {
		return errOurEnd
	}
	return nil
}
