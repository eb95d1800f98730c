package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/utils/crypto/bls"
	"github.com/ava-labs/avalanchego/utils/formatting"
)

// event is a line of the example's standard output; each kind of event uses some of the fields.
type event struct {
	Event        string         `json:"event"`
	NodeID       string         `json:"node_id"`
	Addr         string         `json:"addr"`
	Chain        string         `json:"chain"`
	LastAccepted string         `json:"last_accepted"`
	BLSPublicKey string         `json:"bls_public_key"`
	Version      string         `json:"version"`
	Reason       string         `json:"reason"`
	Bytes        int            `json:"bytes"`
	Counts       map[string]int `json:"counts"`
}

// listener is a running example `listen`, and what it said of itself.
type listener struct {
	process *exec.Cmd
	events  *journal[event]
	exited  chan struct{}
	stderr  *tail

	id    ids.NodeID
	addr  netip.AddrPort
	chain ids.ID
	tip   ids.ID
	key   *bls.PublicKey
}

// startListener starts the example on a free loopback port and waits until it listens.
func startListener(ctx context.Context, path string, args ...string) (*listener, error) {
	args = append([]string{"--json", "--addr", "127.0.0.1:0", "--network-id", fmt.Sprint(networkID)}, args...)
	l := &listener{
		process: exec.Command(path, args...),
		events:  newJournal[event](),
		exited:  make(chan struct{}),
		stderr:  &tail{},
	}
	l.process.Stderr = l.stderr
	l.process.WaitDelay = time.Second
	stdout, err := l.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := l.process.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the listener: %w", err)
	}
	go func() {
		garbled := l.read(bufio.NewScanner(stdout))
		_ = l.process.Wait()
		l.events.end(errors.Join(
			fmt.Errorf("the listener ended (%s)%s", l.process.ProcessState, l.stderr),
			garbled,
		))
		close(l.exited)
	}()
	first, err := l.events.await(ctx, "event listening", 0, func(e event) bool { return e.Event == "listening" })
	if err == nil {
		err = l.introduce(first)
	}
	if err != nil {
		l.kill()
		return nil, err
	}
	return l, nil
}

// read collects events until the output ends. Anything but one object a line is an error.
func (l *listener) read(lines *bufio.Scanner) error {
	var garbled error
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Event == "" {
			garbled = fmt.Errorf("it printed %q", lines.Text())
			continue
		}
		l.events.add(e)
	}
	return garbled
}

// introduce takes what the listener says of itself when it starts.
func (l *listener) introduce(first event) error {
	var err error
	if l.id, err = ids.NodeIDFromString(first.NodeID); err != nil {
		return fmt.Errorf("event listening, node_id: %w", err)
	}
	if l.addr, err = netip.ParseAddrPort(first.Addr); err != nil {
		return fmt.Errorf("event listening, addr: %w", err)
	}
	if l.chain, err = ids.FromString(first.Chain); err != nil {
		return fmt.Errorf("event listening, chain: %w", err)
	}
	if l.tip, err = ids.FromString(first.LastAccepted); err != nil {
		return fmt.Errorf("event listening, last_accepted: %w", err)
	}
	key, err := formatting.Decode(formatting.HexNC, first.BLSPublicKey)
	if err != nil {
		return fmt.Errorf("event listening, bls_public_key: %w", err)
	}
	if l.key, err = bls.PublicKeyFromCompressedBytes(key); err != nil {
		return fmt.Errorf("event listening, bls_public_key: %w", err)
	}
	return nil
}

// connected waits until the listener says that it finished a handshake with this peer; with any, if the
// id is empty.
func (l *listener) connected(ctx context.Context, id ids.NodeID, since int) (event, error) {
	e, err := l.events.await(ctx, "event connected", since, func(e event) bool {
		return e.Event == "connected" && (id == ids.EmptyNodeID || e.NodeID == id.String())
	})
	if err == nil && e.Version != currentVersion {
		err = fmt.Errorf("it reports version %q of a peer that sent %s", e.Version, currentVersion)
	}
	return e, err
}

// disconnected waits until the listener says why it lost this peer, and compares the reason with those
// that are given, if any.
func (l *listener) disconnected(ctx context.Context, id ids.NodeID, since int, reasons ...string) error {
	e, err := l.events.await(ctx, "event disconnected", since, func(e event) bool {
		return e.Event == "disconnected" && e.NodeID == id.String()
	})
	if err != nil {
		return err
	}
	for _, reason := range reasons {
		if e.Reason == reason {
			return nil
		}
	}
	if len(reasons) == 0 && e.Reason != "" {
		return nil
	}
	return fmt.Errorf("reason %q instead of %s", e.Reason, strings.Join(reasons, " or "))
}

// stop interrupts the listener and waits for a clean end. It returns the counts of its last event.
func (l *listener) stop() (map[string]int, error) {
	if err := l.process.Process.Signal(os.Interrupt); err != nil {
		<-l.exited
		return nil, l.events.ended
	}
	select {
	case <-l.exited:
	case <-time.After(farewell):
		l.kill()
		return nil, fmt.Errorf("it still ran %s after SIGINT", farewell)
	}
	if code := l.process.ProcessState.ExitCode(); code != 0 {
		return nil, fmt.Errorf("after SIGINT: %s%s", l.process.ProcessState, l.stderr)
	}
	last, err := l.events.await(context.Background(), "event stopped", 0, func(e event) bool { return e.Event == "stopped" })
	return last.Counts, err
}

// kill ends the listener, by its own process alone, if it still runs.
func (l *listener) kill() {
	_ = l.process.Process.Kill()
	<-l.exited
}

// tail keeps the end of what a process wrote, to tell why it ended.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - 600; extra > 0 {
		t.kept = t.kept[extra:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := bytes.TrimSpace(t.kept); len(text) > 0 {
		return fmt.Sprintf(", its stderr ends with: %s", text)
	}
	return ""
}
