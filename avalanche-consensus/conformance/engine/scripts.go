package main

// script is a situation of AvalancheGo's own tests of the engine, told with this driver.
type script struct {
	name string
	run  func(seed uint64) *driver
}

var (
	one   = params(1, 1, 1, 1, 1, 100)
	three = params(3, 2, 2, 1, 1, 100)
)

var scripts = []script{
	scene("issue after failed request", one, func(s *stage) {
		chain := s.chain(s.genesis, 2)
		s.give(chain[1])
		s.put(s.fetch(s.vdrs[0], chain[0]), nil)
		check(s.gauges()["blockers"] == 0, "blocked")
	}),
	scene("query", one, func(s *stage) {
		chain := s.chain(s.genesis, 2)
		s.pullQuery(s.vdrs[0], 15, chain[0].id, s.genesis.height+1)
		s.put(s.fetch(s.vdrs[0], chain[0]), chain[0])
		s.vote(s.vdrs[0], chain[1], chain[1])
		s.put(s.fetch(s.vdrs[0], chain[1]), chain[1])
		want(accepted, chain...)
	}),
	scene("multiple query", three, func(s *stage) {
		chain := s.chain(s.genesis, 2)
		s.give(chain[0])
		s.vote(s.vdrs[0], chain[1], chain[1])
		s.vote(s.vdrs[1], chain[1], chain[1])
		s.put(s.fetch(s.vdrs[0], chain[1]), chain[1])
		s.vote(s.vdrs[2], chain[0], chain[0])
		want(accepted, chain...)
	}),
	scene("blocked issue", one, func(s *stage) {
		chain := s.chain(s.genesis, 2)
		s.give(chain[1], chain[0])
		check(s.consensus.Preference() == chain[1].id, "preference")
	}),
	scene("push query", one, func(s *stage) {
		blk := s.child(s.genesis)
		s.pushQuery(s.vdrs[0], 20, blk, s.genesis.height+1)
		s.pushQuery(s.other, 21, nil, s.genesis.height+1)
		want(verified, blk)
	}),
	scene("build block", one, func(s *stage) {
		blk := s.child(s.genesis)
		s.vm.build = func() *node { return blk }
		s.notify()
		want(verified, blk)
		s.vote(s.vdrs[0], blk, blk)
		want(accepted, blk)
	}),
	scene("repoll", one, func(s *stage) {
		blk := s.child(s.genesis)
		s.give(blk)
		s.drop(s.vdrs[0])
		check(len(s.find(false, nil)) == 1, "no repoll")
	}),
	scene("vote cancelling", three, func(s *stage) {
		blk := s.child(s.genesis)
		s.give(blk)
		s.drop(s.vdrs[0])
		s.drop(s.vdrs[1])
		check(len(s.find(false, nil)) == 4, "no repoll")
	}),
	scene("no query without validators", one, func(s *stage) {
		s.weigh(s.vdrs[0], 0)
		blk := s.child(s.genesis)
		s.give(blk)
		s.doGossip()
		want(verified, blk)
		check(len(s.open) == 0, "query")
	}),
	scene("misconfigured subnet", one, func(s *stage) {
		s.weigh(s.vdrs[0], 0)
		blk := s.child(s.genesis)
		s.give(blk)
		s.weigh(s.vdrs[0], 1)
		s.doGossip()
		s.vote(s.vdrs[0], blk, blk)
		want(accepted, blk)
	}),
	scene("abandon query", one, func(s *stage) {
		s.pullQuery(s.vdrs[0], 0, s.bogus(), 0)
		s.getFailed(s.asked(true, s.vdrs[0]))
	}),
	scene("abandon chit", one, func(s *stage) {
		blk, unknown := s.child(s.genesis), s.bogus()
		s.give(blk)
		s.chits(s.asked(false, s.vdrs[0]), unknown, unknown, s.genesis.id, 0)
		s.getFailed(s.asked(true, s.vdrs[0]))
		check(s.gauges()["blockers"] == 0, "blocked")
	}),
	scene("abandon chit with another block", one, func(s *stage) {
		blk, unknown := s.child(s.genesis), s.bogus()
		s.give(blk)
		s.chits(s.asked(false, s.vdrs[0]), unknown, unknown, s.genesis.id, 0)
		s.put(s.asked(true, s.vdrs[0]), s.genesis)
		check(s.gauges()["blockers"] == 0, "blocked")
	}),
	scene("blocking chit request", one, func(s *stage) {
		chain := s.chain(s.genesis, 3)
		s.give(chain[2])
		s.pushQuery(s.vdrs[0], 0, chain[1], 0)
		s.put(s.fetch(s.vdrs[0], chain[0]), chain[0])
		check(s.gauges()["blockers"] == 0, "blocked")
	}),
	scene("blocking chit response", one, func(s *stage) {
		issued, missing := s.child(s.genesis), s.child(s.genesis)
		blocking := s.child(missing)
		s.give(blocking, issued)
		s.vote(s.vdrs[0], blocking, missing)
		s.put(s.fetch(s.vdrs[0], missing), missing)
		want(accepted, missing, blocking)
		want(rejected, issued)
	}),
	scene("retry fetch", one, func(s *stage) {
		missing := s.child(s.genesis)
		s.pullQuery(s.vdrs[0], 0, missing.id, 0)
		s.getFailed(s.fetch(s.vdrs[0], missing))
		s.pullQuery(s.vdrs[0], 0, missing.id, 0)
		s.fetch(s.vdrs[0], missing)
	}),
	scene("undeclared dependency", one, func(s *stage) {
		valid := s.child(s.genesis)
		invalid := s.with(s.child(valid), rule{kind: "never"})
		s.give(valid, invalid)
		s.vote(s.vdrs[0], invalid, invalid)
		want(accepted, valid)
	}),
	scene("gossip", one, func(s *stage) {
		s.doGossip()
		blk := s.child(s.genesis)
		s.vote(s.vdrs[0], blk, blk)
		s.put(s.fetch(s.vdrs[0], blk), blk)
		s.doGossip()
	}),
	scene("push query with the number of a request", one, func(s *stage) {
		chain := s.chain(s.genesis, 2)
		s.pushQuery(s.vdrs[0], 0, chain[1], 0)
		r := s.fetch(s.vdrs[0], chain[0])
		s.pushQuery(s.vdrs[0], r.id, nil, 0)
		s.pushQuery(s.vdrs[0], r.id, chain[1], 0)
		s.put(r, chain[0])
		want(verified, chain...)
	}),
	scene("late block after it was pushed", one, func(s *stage) {
		chain := s.chain(s.genesis, 2)
		s.give(chain[1])
		r := s.fetch(s.vdrs[0], chain[0])
		s.pushQuery(s.other, 7, chain[0], 0)
		s.put(r, chain[0])
		want(verified, chain...)
	}),
	scene("aggressive polling", params(3, 2, 2, 3, 3, 100), func(s *stage) {
		blk := s.child(s.genesis)
		s.give(blk)
		check(len(s.find(false, nil)) == 9, "polls")
		s.all(blk)
		s.all(blk)
		s.all(blk)
		want(accepted, blk)
	}),
	scene("double chit", params(2, 2, 2, 1, 1, 100), func(s *stage) {
		blk := s.child(s.genesis)
		s.give(blk)
		s.vote(s.vdrs[0], blk, blk)
		s.vote(s.vdrs[1], blk, blk)
		want(accepted, blk)
	}),
	scene("build block limit", params(1, 1, 1, 1, 1, 1), func(s *stage) {
		chain := s.chain(s.genesis, 3)
		at := 0
		s.vm.build = func() *node { at++; return chain[at-1] }
		s.notify()
		s.notify()
		check(at == 1, "built beyond the limit")
		s.all(chain[0])
		check(at == 2, "not built below the limit")
		s.notify()
		s.all(chain[1])
		s.all(chain[2])
		want(accepted, chain...)
	}),
	scene("failed build leaves the rest", one, func(s *stage) {
		blk := s.child(s.genesis)
		results := []*node{nil, blk}
		s.vm.build = func() *node {
			next := results[0]
			results = results[1:]
			return next
		}
		s.notify()
		s.notify()
		s.all(blk)
		want(accepted, blk)
	}),
	scene("built on what is not known", one, func(s *stage) {
		chain := s.chain(s.genesis, 3)
		at := 3
		s.vm.build = func() *node { at--; return chain[at] }
		s.notify()
		s.pullQuery(s.vdrs[0], 1, chain[0].id, 1)
		s.notify()
		s.put(s.fetch(s.vdrs[0], chain[0]), chain[0])
	}),
	scene("drop rejected block", one, func(s *stage) {
		a, b := s.child(s.genesis), s.child(s.genesis)
		c := s.child(b)
		s.give(a)
		s.all(a)
		s.give(b)
		s.give(c)
		s.pullQuery(s.vdrs[0], 3, c.id, 0)
		want(unseen, b, c)
	}),
	scene("no amplification", one, func(s *stage) {
		a, b := s.child(s.genesis), s.child(s.genesis)
		s.give(a, b)
		check(len(s.open) == 1, "query for what is not preferred")
	}),
	scene("votes through an invalid block", one, func(s *stage) {
		chain := s.chain(s.genesis, 2)
		s.with(chain[1], rule{kind: "needs", on: chain[0].id})
		s.give(chain[1])
		s.put(s.fetch(s.vdrs[0], chain[0]), chain[0])
		s.vote(s.vdrs[0], chain[1], chain[0])
		want(accepted, chain[0])
		s.give(chain[1])
		s.vote(s.vdrs[0], chain[1], chain[0])
		want(accepted, chain[1])
	}),
	scene("votes through an invalid chain", one, func(s *stage) {
		chain := s.chain(s.genesis, 3)
		s.with(chain[1], rule{kind: "needs", on: chain[0].id})
		s.give(chain[0], chain[2])
		s.put(s.fetch(s.vdrs[0], chain[1]), chain[1])
		s.vote(s.vdrs[0], chain[2], chain[0])
		want(accepted, chain[0])
	}),
	scene("cached parent that now verifies", one, func(s *stage) {
		chain := s.chain(s.genesis, 3)
		s.with(chain[1], rule{kind: "fails", times: 1})
		s.vm.build = func() *node { return chain[2] }
		s.give(chain[0], chain[1], chain[1])
		s.vote(s.vdrs[0], chain[1], chain[0])
		s.vote(s.vdrs[0], chain[1], chain[0])
		want(accepted, chain[:2]...)
		s.notify()
		want(verified, chain[2])
	}),
	scene("accepted frontier when a query fails", one, func(s *stage) {
		blk := s.child(s.genesis)
		s.doGossip()
		s.chits(s.asked(false, s.vdrs[0]), s.genesis.id, s.genesis.id, blk.id, blk.height)
		s.give(blk)
		s.drop(s.vdrs[0])
		want(accepted, blk)
	}),
	scene("accepted frontier of a validator that left", three, func(s *stage) {
		blk := s.child(s.genesis)
		s.give(blk)
		s.chits(s.asked(false, s.vdrs[0]), s.genesis.id, s.genesis.id, blk.id, blk.height)
		s.weigh(s.vdrs[0], 0)
		s.weigh(s.vdrs[0], 1)
		s.vote(s.vdrs[1], blk, blk)
		s.drop(s.vdrs[2])
		s.drop(s.vdrs[0])
		s.vote(s.vdrs[1], blk, blk)
		want(verified, blk)
		s.vote(s.vdrs[2], blk, blk)
		want(accepted, blk)
	}),
	scene("verified after all, then rejected and forgotten", one, func(s *stage) {
		parent := s.child(s.genesis)
		a, b := s.child(parent), s.child(parent)
		s.with(a, rule{kind: "fails", times: 1})
		s.give(parent, a, a, b)
		s.all(parent)
		s.all(b)
		want(rejected, a)
		s.pullQuery(s.vdrs[0], 9, a.id, 0)
		s.fetch(s.vdrs[0], a)
	}),
	scene("vote stall", three, func(s *stage) {
		good, bad := s.chain(s.genesis, 3), s.chain(s.genesis, 2)
		s.give(good...)
		s.vote(s.vdrs[0], good[1], good[1])
		s.vote(s.vdrs[1], good[2], good[2])
		s.vote(s.vdrs[2], bad[0], bad[0])
		s.give(bad[1])
		s.vote(s.vdrs[0], good[1], good[1])
		s.vote(s.vdrs[1], good[2], good[2])
		s.vote(s.vdrs[2], bad[1], bad[1])
		s.put(s.fetch(s.vdrs[2], bad[0]), bad[0])
		want(accepted, good[:2]...)
		want(rejected, bad[0])
		for good[2].status != accepted {
			s.all(good[2])
		}
	}),
	scene("voter waits for all it depends on", one, func(s *stage) {
		chain := s.chain(s.genesis, 3)
		s.give(chain[0])
		s.vote(s.vdrs[0], chain[2], chain[1])
		s.getFailed(s.fetch(s.vdrs[0], chain[2]))
		want(verified, chain[0])
		s.put(s.fetch(s.vdrs[0], chain[1]), chain[1])
		want(accepted, chain[:2]...)
	}),
	scene("vote for a cached rejected block", one, func(s *stage) {
		good, bad := s.chain(s.genesis, 2), s.chain(s.genesis, 2)
		s.with(bad[1], rule{kind: "never"})
		s.give(bad[0], bad[1], good[0])
		s.all(good[0])
		want(rejected, bad[0])
		s.give(good[1])
		s.all(bad[1])
		s.all(good[1])
		want(accepted, good...)
	}),
	scene("no query in a partition", params(4, 3, 3, 2, 2, 100), func(s *stage) {
		s.disconnect(s.vdrs[0])
		blk := s.child(s.genesis)
		s.give2(s.vdrs[1], blk)
		check(len(s.find(false, nil)) == 6, "polls with one lost")
		s.disconnect(s.vdrs[1])
		s.drop(s.vdrs[2])
		s.drop(s.vdrs[3])
		s.drop(s.vdrs[2])
		s.drop(s.vdrs[3])
		s.doGossip()
		s.connect(s.vdrs[1])
		s.doGossip()
	}),
	scene("get to a lost peer", one, func(s *stage) {
		chain := s.chain(s.genesis, 2)
		s.give(chain[0])
		r := s.asked(false, s.vdrs[0])
		s.disconnect(s.vdrs[0])
		s.connect(s.vdrs[0])
		s.chits(r, chain[1].id, chain[0].id, s.genesis.id, 0)
		s.put(s.fetch(s.vdrs[0], chain[1]), chain[1])
		want(accepted, chain...)
	}),
	scene("oracle", one, func(s *stage) {
		blk := s.child(s.genesis)
		s.makeOracle(blk)
		s.give(blk)
		want(verified, blk.options...)
		s.all(blk.options[1])
		s.all(blk.options[1])
		want(accepted, blk, blk.options[1])
		want(rejected, blk.options[0])
	}),
	scene("option that is waited for", one, func(s *stage) {
		blk := s.child(s.genesis)
		s.makeOracle(blk)
		above := s.child(blk.options[0])
		s.with(blk.options[1], rule{kind: "never"})
		s.give(above)
		s.pullQuery(s.other, 5, blk.options[1].id, 0)
		s.give(blk)
		s.put(s.fetch(s.vdrs[0], blk.options[0]), blk.options[0])
		s.put(s.fetch(s.other, blk.options[1]), blk.options[1])
		want(verified, blk, blk.options[0], above)
	}),
}
