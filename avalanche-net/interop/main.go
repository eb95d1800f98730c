// Command judge holds a peer of the crate against AvalancheGo's own network code. See README.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ava-labs/avalanchego/utils/constants"
	"github.com/ava-labs/avalanchego/version"
)

const (
	// networkID is that of local networks: every upgrade is active and private addresses are dialled.
	networkID = constants.LocalID
	// patience bounds every single wait.
	patience = 20 * time.Second
	// farewell bounds the end of a process after a signal.
	farewell = 8 * time.Second
)

// currentVersion is what AvalancheGo's peers send of themselves, and what ours must send too.
var currentVersion = version.Current.String()

const usage = `usage: judge dial    --listen FILE
       judge network --listen FILE
       judge node    --listen FILE --avalanchego FILE [--minutes N]
`

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	flags := flag.NewFlagSet("judge", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	listen := flags.String("listen", "", "the example `listen`")
	avalanchego := flags.String("avalanchego", "", "the whole node, as build-node makes it")
	minutes := flags.Int("minutes", 2, "how long the connection to the node must last")
	if len(args) == 0 {
		flags.Usage()
		return 2
	}
	if err := flags.Parse(args[1:]); err != nil || *listen == "" || flags.NArg() > 0 {
		flags.Usage()
		return 2
	}

	// Whoever interrupts the judge must not leave its children behind, so a signal only cancels.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var r report
	switch args[0] {
	case "dial":
		judgeDial(ctx, &r, *listen)
	case "network":
		judgeNetwork(ctx, &r, *listen)
	case "node":
		judgeNode(ctx, &r, *listen, *avalanchego, time.Duration(*minutes)*time.Minute)
	default:
		flags.Usage()
		return 2
	}
	return r.finish()
}
