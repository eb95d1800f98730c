package main

import (
	"fmt"
	"strings"
	"sync"
)

// report prints one line for each check as soon as it is decided, and counts.
type report struct {
	passed, failed int
}

// check records a check by its error. It says whether the check passed, for those that depend on it.
func (r *report) check(name string, err error) bool {
	if err != nil {
		r.failed++
		fmt.Printf("FAIL %s: %s\n", name, strings.Join(strings.Fields(err.Error()), " "))
		return false
	}
	r.passed++
	fmt.Printf("PASS %s\n", name)
	return true
}

// note prints a line that is no check.
func (*report) note(format string, args ...any) {
	fmt.Printf("     "+format+"\n", args...)
}

// finish prints the last line and gives the exit status.
func (r *report) finish() int {
	fmt.Printf("%d passed, %d failed\n", r.passed, r.failed)
	if r.failed > 0 || r.passed == 0 {
		return 1
	}
	return 0
}

// task is a check that has not run yet.
type task struct {
	name string
	run  func() error
}

// together runs checks at the same time, since each may spend its whole patience, and reports them in
// their order.
func (r *report) together(tasks []task) {
	results := make([]error, len(tasks))
	var wait sync.WaitGroup
	for i, t := range tasks {
		wait.Go(func() { results[i] = t.run() })
	}
	wait.Wait()
	for i, t := range tasks {
		r.check(t.name, results[i])
	}
}
