//go:build tools

package main

// The whole node is built from this module too (build-node), so that its versions are pinned by go.sum.
import _ "github.com/ava-labs/avalanchego/main"
