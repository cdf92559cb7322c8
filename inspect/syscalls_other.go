//go:build !amd64 && !arm64

package inspect

// syscallNames: no table for this architecture, numbers will do.
var syscallNames = [...]string{}
