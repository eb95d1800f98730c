package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ava-labs/avalanchego/ids"
)

// wholeNode is a running AvalancheGo, alone in its network.
type wholeNode struct {
	process *exec.Cmd
	output  *tail
	exited  chan struct{}
	place   struct {
		URI            string `json:"uri"`
		StakingAddress string `json:"stakingAddress"`
	}
}

// judgeNode has the listener join a whole AvalancheGo and stay.
func judgeNode(ctx context.Context, r *report, path, avalanchego string, stay time.Duration) {
	home, err := os.MkdirTemp("", "judge-")
	if !r.check("make-directory", err) {
		return
	}
	defer os.RemoveAll(home)
	node, err := startNode(avalanchego, home)
	if !r.check("avalanchego-starts", err) {
		return
	}
	defer node.kill()
	if !r.check("avalanchego-is-healthy", node.awaitHealth(ctx, home)) {
		return
	}

	l, err := startListener(ctx, path, "--connect", node.place.StakingAddress)
	if !r.check("listens", err) {
		return
	}
	defer l.kill()
	if err == nil {
		_, err = l.connected(ctx, ids.EmptyNodeID, 0)
	}
	r.check("listener-reports-avalanchego", err)
	if !r.check("info-peers-lists-the-listener", node.awaitPeer(ctx, l)) {
		return
	}
	r.check(fmt.Sprintf("connection-lasts-%s", stay), node.stays(ctx, r, l, stay))
	_, err = l.stop()
	r.check("ends-cleanly-on-sigint", err)
	r.check("info-peers-forgets-the-listener", node.awaitGone(ctx, l))
	r.check("avalanchego-ends", node.stop())
}

// startNode starts a node that needs no stake and no other node: every peer that connects becomes its
// validator.
func startNode(binary, home string) (*wholeNode, error) {
	n := &wholeNode{output: &tail{}, exited: make(chan struct{})}
	n.process = exec.Command(binary,
		"--network-id=local",
		"--sybil-protection-enabled=false",
		"--fd-limit=16000", // it refuses to start with its default where less is allowed
		"--data-dir="+home,
		"--db-type=memdb",
		"--http-host=127.0.0.1", "--http-port=0",
		"--staking-host=127.0.0.1", "--staking-port=0",
		"--staking-ephemeral-cert-enabled=true", "--staking-ephemeral-signer-enabled=true",
		"--public-ip=127.0.0.1",
		"--bootstrap-ips=", "--bootstrap-ids=",
		"--system-tracker-disk-required-available-space-percentage=0",
		"--system-tracker-disk-warning-available-space-percentage=0",
	)
	n.process.Env = append(os.Environ(), "TMPDIR="+home) // it leaves a directory behind there
	n.process.Stdout, n.process.Stderr = n.output, n.output
	n.process.WaitDelay = time.Second
	if err := n.process.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = n.process.Wait()
		close(n.exited)
	}()
	return n, nil
}

// poll repeats a question until it is answered without error.
func (n *wholeNode) poll(ctx context.Context, limit time.Duration, question func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := question()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-n.exited:
			return fmt.Errorf("it ended (%s)%s", n.process.ProcessState, n.output)
		case <-ctx.Done():
			return fmt.Errorf("waited %s: %w", limit, err)
		}
	}
}

// awaitHealth waits until all chains of the node are in consensus.
func (n *wholeNode) awaitHealth(ctx context.Context, home string) error {
	return n.poll(ctx, 3*time.Minute, func() error {
		written, err := os.ReadFile(filepath.Join(home, "process.json"))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(written, &n.place); err != nil {
			return err
		}
		answer, err := http.Get(n.place.URI + "/ext/health")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("health is %s", answer.Status)
		}
		return nil
	})
}

// peerInfo is what info.peers says of the listener, as far as it is looked at.
type peerInfo struct {
	NodeID         string    `json:"nodeID"`
	Version        string    `json:"version"`
	PublicIP       string    `json:"publicIP"`
	LastReceived   time.Time `json:"lastReceived"`
	ObservedUptime string    `json:"observedUptime"`
	Benched        []string  `json:"benched"`
}

var errNotListed = errors.New("info.peers does not list the listener")

func (n *wholeNode) peer(l *listener) (peerInfo, json.RawMessage, error) {
	question := []byte(`{"jsonrpc":"2.0","id":1,"method":"info.peers","params":{}}`)
	answer, err := http.Post(n.place.URI+"/ext/info", "application/json", bytes.NewReader(question))
	if err != nil {
		return peerInfo{}, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return peerInfo{}, nil, err
	}
	var parsed struct {
		Result struct {
			Peers []json.RawMessage `json:"peers"`
		} `json:"result"`
	}
	if err := json.Unmarshal(body, &parsed); err != nil {
		return peerInfo{}, nil, fmt.Errorf("info.peers answered %.200q: %w", body, err)
	}
	for _, raw := range parsed.Result.Peers {
		var info peerInfo
		if err := json.Unmarshal(raw, &info); err != nil {
			return peerInfo{}, nil, err
		}
		if info.NodeID == l.id.String() {
			return info, raw, nil
		}
	}
	return peerInfo{}, nil, errNotListed
}

// awaitPeer waits until the node lists the listener, and compares what it lists.
func (n *wholeNode) awaitPeer(ctx context.Context, l *listener) error {
	var info peerInfo
	err := n.poll(ctx, patience, func() (err error) {
		info, _, err = n.peer(l)
		return err
	})
	if err != nil {
		return err
	}
	if info.Version != currentVersion || info.PublicIP != l.addr.String() {
		return fmt.Errorf("info.peers shows version %q and address %q", info.Version, info.PublicIP)
	}
	return nil
}

func (n *wholeNode) awaitGone(ctx context.Context, l *listener) error {
	return n.poll(ctx, patience, func() error {
		_, _, err := n.peer(l)
		switch {
		case errors.Is(err, errNotListed):
			return nil
		case err == nil:
			return errors.New("info.peers still lists the listener")
		default:
			return err
		}
	})
}

// stays looks at the connection from both ends for a while.
func (n *wholeNode) stays(ctx context.Context, r *report, l *listener, stay time.Duration) error {
	since := l.events.mark()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for end := time.Now().Add(stay); time.Now().Before(end); {
		select {
		case <-tick.C:
		case <-l.exited:
			return fmt.Errorf("the listener ended%s", l.stderr)
		case <-ctx.Done():
			return ctx.Err()
		}
		info, _, err := n.peer(l)
		if err != nil {
			return err
		}
		// Pings alone come every 22.5 seconds, and after 30 without anything AvalancheGo closes.
		if silent := time.Since(info.LastReceived); silent > 30*time.Second {
			return fmt.Errorf("nothing was received for %s", silent)
		}
	}
	l.events.mu.Lock()
	defer l.events.mu.Unlock()
	for _, e := range l.events.items[since:] {
		if e.Event == "disconnected" {
			return fmt.Errorf("the listener reports a disconnection: %s", e.Reason)
		}
	}
	if _, raw, err := n.peer(l); err == nil {
		r.note("info.peers: %s", raw)
	}
	return nil
}

func (n *wholeNode) stop() error {
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-n.exited:
	case <-time.After(30 * time.Second):
		return errors.New("it still ran 30s after SIGTERM")
	}
	if code := n.process.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s%s", n.process.ProcessState, n.output)
	}
	return nil
}

// kill ends the node, by its own process alone, if it still runs.
func (n *wholeNode) kill() {
	_ = n.process.Process.Kill()
	<-n.exited
}
