//go:build !amd64 && !arm64

package native

var image []byte
