package main

// profile says what a random trace is mostly about. Figures are parts of a hundred.
type profile struct {
	name   string
	events int
	// What a step does; what remains answers queries.
	push, pull, gets, notify, gossip, connect, weigh int
	// Blocks.
	invalid, conditional, oracle, hole, stored, big, tall int
	// Answers.
	honest, fail, wrong int
	defaults            bool
	own                 int
	partial             int
	startOracle         int
	sparse              bool // few validators, so that whom gossip goes to is known
}

var profiles = []profile{
	{name: "steady", events: 150, push: 10, pull: 4, gets: 12, notify: 4, gossip: 4, hole: 5, honest: 90, fail: 4, wrong: 4},
	{name: "fork", events: 150, push: 16, pull: 5, gets: 12, notify: 3, gossip: 2, invalid: 4, hole: 8, honest: 65, fail: 6, wrong: 5},
	{name: "holes", events: 150, push: 16, pull: 8, gets: 16, notify: 3, gossip: 3, conditional: 8, hole: 45, honest: 70, fail: 8, wrong: 12, stored: 8},
	{name: "invalid", events: 150, push: 18, pull: 8, gets: 14, notify: 4, gossip: 2, invalid: 22, conditional: 30, hole: 18, honest: 72, fail: 6, wrong: 6, stored: 5},
	{name: "oracle", events: 150, push: 14, pull: 6, gets: 12, notify: 5, gossip: 2, invalid: 6, conditional: 8, oracle: 35, hole: 12, honest: 78, fail: 5, wrong: 5, startOracle: 40},
	{name: "churn", events: 150, push: 14, pull: 5, gets: 12, notify: 5, gossip: 6, connect: 12, weigh: 4, invalid: 5, conditional: 5, hole: 12, honest: 80, fail: 8, wrong: 5},
	{name: "build", events: 150, push: 6, pull: 3, gets: 10, notify: 22, gossip: 3, invalid: 4, conditional: 12, oracle: 6, hole: 10, honest: 85, fail: 4, wrong: 4},
	{name: "big", events: 150, push: 22, pull: 8, gets: 14, notify: 2, gossip: 2, invalid: 35, conditional: 20, hole: 14, big: 75, honest: 70, fail: 5, wrong: 5},
	{name: "default", events: 420, push: 4, pull: 2, gets: 8, notify: 3, gossip: 1, invalid: 3, conditional: 3, hole: 6, honest: 93, fail: 3, wrong: 3, defaults: true},
	{name: "self", events: 150, push: 14, pull: 5, gets: 12, notify: 8, gossip: 4, connect: 5, invalid: 8, conditional: 12, oracle: 8, hole: 14, honest: 78, fail: 6, wrong: 5, own: 100, startOracle: 10},
	{name: "partial", events: 120, push: 14, pull: 14, gets: 12, notify: 4, gossip: 3, invalid: 5, conditional: 5, hole: 12, honest: 80, fail: 5, wrong: 5, partial: 100},
	{name: "sparse", events: 150, push: 14, pull: 5, gets: 14, notify: 5, gossip: 14, connect: 3, weigh: 2, invalid: 6, conditional: 8, hole: 15, honest: 75, fail: 8, wrong: 6, sparse: true},
	{name: "heights", events: 120, push: 18, pull: 6, gets: 14, notify: 3, gossip: 2, invalid: 6, conditional: 8, hole: 12, tall: 18, honest: 75, fail: 5, wrong: 5},
	{name: "mixed", events: 200, push: 14, pull: 6, gets: 13, notify: 6, gossip: 3, connect: 3, weigh: 1, invalid: 10, conditional: 12, oracle: 10, hole: 16, honest: 76, fail: 6, wrong: 6, stored: 4, own: 25, partial: 5, startOracle: 10},
}
