package main

import (
	"context"
	"fmt"
	"sync"
)

// journal keeps what happened, in order, and lets anybody wait for something that may have happened
// already. It never forgets: a run is short.
type journal[T any] struct {
	mu    sync.Mutex
	items []T
	more  chan struct{} // closed and replaced at each change
	ended error         // why nothing more comes, once that is so
}

func newJournal[T any]() *journal[T] { return &journal[T]{more: make(chan struct{})} }

func (j *journal[T]) add(item T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.items = append(j.items, item)
	close(j.more)
	j.more = make(chan struct{})
}

// end says that nothing more comes, so that nobody waits for it.
func (j *journal[T]) end(why error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended == nil {
		j.ended = why
		close(j.more)
	}
}

// mark is the place in the journal after everything so far.
func (j *journal[T]) mark() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.items)
}

// await returns the first item at or after the mark that matches, however long ago it came.
func (j *journal[T]) await(ctx context.Context, what string, since int, match func(T) bool) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for next := since; ; {
		j.mu.Lock()
		items, more, ended := j.items, j.more, j.ended
		j.mu.Unlock()
		for ; next < len(items); next++ {
			if match(items[next]) {
				return items[next], nil
			}
		}
		var none T
		if ended != nil {
			return none, fmt.Errorf("waited for %s, but %w", what, ended)
		}
		select {
		case <-more:
		case <-ctx.Done():
			return none, fmt.Errorf("waited for %s in vain: %w", what, ctx.Err())
		}
	}
}
