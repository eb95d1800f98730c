// Command engine-traces drives AvalancheGo's own Snowman engine with scripted and with seeded random
// inputs and writes down what it does. See README.md and FORMAT.md.
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sort"
	"strconv"
	"strings"
)

// source is the module that the traces come from, as go.mod names it.
const source = "github.com/ava-labs/avalanchego v1.14.2"

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x5e7)) }

func main() {
	seeds := flag.Uint64("seeds", 8, "random traces of each profile")
	first := flag.Uint64("first", 1, "first seed")
	pick := flag.String("pick", "", "these seeds instead, separated by commas")
	only := flag.String("profile", "", "only this profile; \"scripts\" for the scripted traces")
	runs := flag.Int("runs", 3, "how often each trace is made; all must be equal")
	flag.Parse()
	var chosen []uint64
	for seed := *first; seed < *first+*seeds; seed++ {
		chosen = append(chosen, seed)
	}
	if *pick != "" {
		chosen = nil
		for text := range strings.SplitSeq(*pick, ",") {
			seed, err := strconv.ParseUint(text, 10, 32)
			must(err)
			chosen = append(chosen, seed)
		}
	}

	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	total := map[string]int{}
	write := func(label string, trace func() *driver) {
		d := trace()
		for range *runs - 1 {
			if again := trace(); !bytes.Equal(again.out.Bytes(), d.out.Bytes()) {
				fmt.Fprintf(os.Stderr, "trace %s differs from run to run\n", label)
				os.Exit(1)
			}
		}
		if _, err := io.Copy(out, &d.out); err != nil {
			panic(err)
		}
		d.summarise(total)
	}
	if *only == "" || *only == "scripts" {
		for i, script := range scripts {
			write(script.name, func() *driver { return script.run(uint64(i + 1)) })
		}
	}
	for at, p := range profiles {
		if *only != "" && *only != p.name {
			continue
		}
		for _, seed := range chosen {
			write(p.name, func() *driver { return randomTrace(p, uint64(at+1)<<32|seed) })
		}
	}
	must(out.Flush())
	var names []string
	for name := range total {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(os.Stderr, "%8d  %s\n", total[name], name)
	}
}

// summarise adds a trace's counts.
func (d *driver) summarise(total map[string]int) {
	if d.events > 0 {
		total["traces"]++
	}
	total["events"] += d.events
	for name, count := range d.count {
		total[name] += count
	}
	if d.registry == nil {
		return
	}
	gauges := d.gauges()
	for label, name := range map[string]string{
		"vote for the block itself":       "num_processing_ancestor_fetches_unneeded",
		"vote climbed through unverified": "num_processing_ancestor_fetches_succeeded",
		"vote without processing block":   "num_processing_ancestor_fetches_failed",
		"vote for what is decided":        "num_processing_ancestor_fetches_dropped",
		"polls successful":                "polls_successful",
		"polls failed":                    "polls_failed",
	} {
		total[label] += gauges[name]
	}
}
