package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/message"
	"github.com/ava-labs/avalanchego/network"
	"github.com/ava-labs/avalanchego/network/dialer"
	"github.com/ava-labs/avalanchego/network/peer"
	"github.com/ava-labs/avalanchego/snow/engine/common"
	"github.com/ava-labs/avalanchego/snow/validators"
	"github.com/ava-labs/avalanchego/subnets"
	"github.com/ava-labs/avalanchego/upgrade"
	"github.com/ava-labs/avalanchego/utils"
	"github.com/ava-labs/avalanchego/utils/constants"
	"github.com/ava-labs/avalanchego/utils/logging"
	"github.com/ava-labs/avalanchego/utils/set"
	"github.com/ava-labs/avalanchego/version"
)

// seat is one of AvalancheGo's networks: a node without chains.
type seat struct {
	*identity
	network network.Network
	addr    netip.AddrPort
	inbox   *journal[*message.InboundMessage]
	changes *journal[change]
	ended   chan error
}

// change is a peer that came or went, as AvalancheGo tells its router.
type change struct {
	id        ids.NodeID
	connected bool
	version   string
}

func (s *seat) HandleInbound(_ context.Context, msg *message.InboundMessage) {
	msg.OnFinishedHandling()
	s.inbox.add(msg)
}

func (s *seat) Connected(id ids.NodeID, v *version.Application, subnet ids.ID) {
	if subnet == constants.PrimaryNetworkID {
		s.changes.add(change{id: id, connected: true, version: v.String()})
	}
}

func (s *seat) Disconnected(id ids.NodeID) { s.changes.add(change{id: id}) }

// newSeat makes a network that listens on a free loopback port. NewTestNetwork of AvalancheGo would
// never accept a connection, so only its configuration is used.
func newSeat(i *identity, vdrs validators.Manager) (*seat, error) {
	registry := prometheus.NewRegistry()
	config, err := network.NewTestNetworkConfig(registry, networkID, vdrs, set.Set[ids.ID]{})
	if err != nil {
		return nil, err
	}
	accepts, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &seat{
		identity: i,
		addr:     accepts.Addr().(*net.TCPAddr).AddrPort(),
		inbox:    newJournal[*message.InboundMessage](),
		changes:  newJournal[change](),
		ended:    make(chan error, 1),
	}
	config.TLSConfig = peer.TLSConfig(i.cert, nil)
	config.TLSKey, config.BLSKey = i.key, i.bls
	config.MyNodeID = i.id
	config.MyIPPort = utils.NewAtomic(s.addr)
	// Fast enough to see many pings, and what is looked at again with each of them.
	config.PingFrequency = 500 * time.Millisecond
	s.network, err = network.NewNetwork(
		config,
		upgrade.GetConfig(networkID).GraniteTime,
		newCreator(),
		registry,
		logging.NoLog{},
		accepts,
		dialer.NewDialer("tcp", dialer.Config{ConnectionTimeout: patience}, logging.NoLog{}),
		s,
	)
	if err != nil {
		_ = accepts.Close()
		return nil, err
	}
	go func() { s.ended <- s.network.Dispatch() }()
	return s, nil
}

// close ends the network and waits for its connections to end.
func (s *seat) close() error {
	s.network.StartClose()
	select {
	case err := <-s.ended:
		s.ended <- nil // a second close has nothing to wait for
		return err
	case <-time.After(patience):
		return errors.New("AvalancheGo's network did not end")
	}
}

// meets waits until the network reports this peer, and looks at what it knows of it.
func (s *seat) meets(ctx context.Context, l *listener, since int) error {
	c, err := s.changes.await(ctx, "AvalancheGo to report the listener as connected", since, func(c change) bool {
		return c.id == l.id && c.connected
	})
	if err != nil {
		return err
	}
	if c.version != currentVersion {
		return fmt.Errorf("it calls itself %q instead of %s", c.version, currentVersion)
	}
	infos := s.network.PeerInfo([]ids.NodeID{l.id})
	if len(infos) != 1 {
		return errors.New("it was connected and is no more")
	}
	if infos[0].PublicIP != l.addr {
		return fmt.Errorf("it claims the address %s and listens on %s", infos[0].PublicIP, l.addr)
	}
	return nil
}

// loses waits until the network reports that this peer is gone.
func (s *seat) loses(ctx context.Context, id ids.NodeID, since int) error {
	_, err := s.changes.await(ctx, "AvalancheGo to report the listener as disconnected", since, func(c change) bool {
		return c.id == id && !c.connected
	})
	return err
}

// keeps fails if the peer was lost since the mark.
func (s *seat) keeps(id ids.NodeID, since int) error {
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	for _, c := range s.changes.items[since:] {
		if c.id == id && !c.connected {
			return errors.New("the connection was lost")
		}
	}
	return nil
}

// send gives a message to one peer.
func (s *seat) send(id ids.NodeID, msg *message.OutboundMessage, err error) error {
	if err != nil {
		return err
	}
	to := s.network.Send(msg, common.SendConfig{NodeIDs: set.Of(id)}, constants.PrimaryNetworkID, subnets.NoOpAllower)
	if to.Len() != 1 {
		return errors.New("AvalancheGo's network could not send")
	}
	return nil
}
